"""Information content: the nats of designs that can be counted, for each kind of decoder."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences
from invdesign.vae.build import aligned_vae, sequence_vae
from invdesign.vae.information import information_content
from invdesign.vae.models.unconditional import unconditional
from invdesign.vae.training import Recipe

RECIPE = Recipe(
    build=partial(sequence_vae, d=4, embedding=16, width=32),
    epochs=6,
    batch=32,
    learning_rate=1e-2,
    warmup=5,
    held_out=100,
    device="cpu",
)


@pytest.fixture(scope="module")
def random_proteins() -> list[str]:
    generator = np.random.default_rng(0)
    return ["".join(generator.choice(list("ACDE"), size=6)) for _ in range(1500)]


def test_random_letters_hold_their_entropy_and_no_less(random_proteins: list[str]) -> None:
    encoding = Sequences(length="fixed").fit(random_proteins)
    batch = encoding.encode(random_proteins)
    expected = 6 * math.log(4)
    for build in (RECIPE.build, partial(aligned_vae, d=4, width=16, n_filters=2)):
        nats = information_content(encoding, batch, replace(RECIPE, build=build), epochs=6)
        assert nats == pytest.approx(expected, abs=0.35)


def test_an_unconditional_model_ignores_its_latents(random_proteins: list[str]) -> None:
    encoding = Sequences(length="fixed").fit(random_proteins)
    x = encoding.encode(random_proteins[:5])
    model = unconditional(RECIPE.build(encoding), encoding).eval()
    posterior = model.posterior(x)
    assert float(posterior.loc.abs().sum()) == 0 and bool((posterior.scale == 1).all())
    assert (model.log_likelihood(x, posterior.sample()) == model.log_likelihood(x, posterior.sample())).all()
    assert (model.generate(posterior.sample())[0] == model.generate(posterior.sample())[1]).all()


def test_a_recipe_that_builds_no_vae_is_refused(random_proteins: list[str]) -> None:
    encoding = Sequences(length="fixed").fit(random_proteins)
    with pytest.raises(InvdesignError, match="must return a VAE"):
        information_content(encoding, encoding.encode(random_proteins), replace(RECIPE, build=lambda encoding: None))
