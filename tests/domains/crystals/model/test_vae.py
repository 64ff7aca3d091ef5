"""The crystal VAE: symmetric decoding, consistent likelihoods and training."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.model.encoding import unpack
from invdesign.domains.crystals.model.vae import CrystalVAE, crystal_vae
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.vae.training import Recipe, train


@cache
def small_corpus() -> tuple[Crystal, ...]:
    crystals = []
    for i, (cation, anion) in enumerate(
        [("Na", "Cl"), ("K", "Br"), ("Mg", "O"), ("Zn", "S"), ("Li", "F"), ("Ca", "S")]
    ):
        a = 4.2 + 0.3 * i
        salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])
        wurtzite = Structure.from_spacegroup(
            "P6_3mc",
            Lattice.hexagonal(a, 1.6 * a),
            [cation, anion],
            [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.37 + 0.01 * i]],
        )
        rutile = Structure.from_spacegroup(
            "P4_2/mnm",
            Lattice.tetragonal(a, 0.65 * a),
            [cation, anion],
            [[0, 0, 0], [0.3 + 0.005 * i, 0.3 + 0.005 * i, 0]],
        )
        crystals += [crystal_of(s) for s in (salt, wurtzite, rutile)]
    return tuple(crystals)


def build_model(**settings: int) -> tuple[CrystalVAE, torch.Tensor, Crystals]:
    domain = Crystals().fit(small_corpus())
    torch.manual_seed(0)
    return (
        crystal_vae(domain, **{"d": 24, "n_graph": 8, "embedding": 24, "width": 48, **settings}),
        domain.to_batch(small_corpus()),
        domain,
    )


def test_the_domain_passes_the_domain_checks() -> None:
    testing.check_domain(Crystals(), small_corpus()[:6])


def test_the_model_passes_the_vae_checks() -> None:
    vae, x, _ = build_model()
    testing.check_vae(vae, x)


def test_decoded_crystals_are_symmetric_everywhere_in_latent_space() -> None:
    vae, _, domain = build_model()
    rows = vae.generate(3 * torch.randn(64, vae.d))
    for crystal in unpack(domain.fitted(), rows):
        assert crystal is not None
        letters = [o.letter for o in crystal.orbits]
        assert letters == sorted(letters)
        assert {crystal.space_group} <= set(domain.fitted().groups)
        sites = {(s.space_group, s.letter): s for s in domain.fitted().sites}
        fixed = [o.letter for o in crystal.orbits if not sites[crystal.space_group, o.letter].n_free]
        assert len(set(fixed)) == len(fixed)


def test_generation_and_likelihood_use_the_same_residual() -> None:
    # Step-by-step decoding and the likelihood of whole rows must agree: a generated row is the most likely one.
    vae, x, _ = build_model()
    vae.eval()
    z = vae.posterior(x).loc.detach()
    generated = vae.generate(z)
    with torch.no_grad():
        assert (vae.log_likelihood(generated, z) >= vae.log_likelihood(x, z) - 1e-3).float().mean() > 0.8


def test_padding_does_not_change_the_likelihood() -> None:
    vae, x, _ = build_model()
    vae.eval()
    with torch.no_grad():
        z = vae.posterior(x).loc
        single = torch.cat([vae.log_likelihood(x[i : i + 1], z[i : i + 1]) for i in range(len(x))])
        assert torch.allclose(single, vae.log_likelihood(x, z), atol=1e-4)


def test_a_small_corpus_is_reconstructed_after_training() -> None:
    vae, x, domain = build_model()
    recipe = Recipe(lambda d: vae, epochs=250, batch=18, learning_rate=4e-3, warmup=10, beta=0.01, held_out=0)
    train(vae, x, recipe)
    with torch.no_grad():
        decoded = domain.from_batch(vae.generate(vae.posterior(x).loc))
    is_same = [
        b is not None and domain.is_same(a, b) and a.formula == b.formula
        for a, b in zip(small_corpus(), decoded, strict=True)
    ]
    assert np.mean(is_same) > 0.9


def test_an_element_that_is_not_in_the_corpus_is_an_encoding_error() -> None:
    domain = Crystals().fit(small_corpus())
    other = crystal_of(Structure.from_spacegroup("Fm-3m", Lattice.cubic(5), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    assert "no Cs" in domain.encoding_errors([other])[0]
    assert domain.to_batch([other]).shape[0] == 1


def test_a_model_without_a_vocabulary_raises_an_error() -> None:
    with pytest.raises(InvdesignError, match="no vocabulary"):
        crystal_vae(Crystals())
