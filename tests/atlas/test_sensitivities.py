"""Sensitivities: exact effects of changes in every domain, and slopes of a decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from invdesign.atlas.sensitivities import decoder_rates, latent_gradient, strengths, substitution_effects
from invdesign.core import InvdesignError
from invdesign.core.capabilities import computed_properties, draw_places, places
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.molecules import Molecules
from invdesign.domains.sequences import Sequences
from invdesign.latent.density import prior
from invdesign.latent.space import LatentSpace
from invdesign.vae.build import sequence_vae

SALT = Crystal(
    225, (5.64, 5.64, 5.64, 90.0, 90.0, 90.0), (Orbit("Na", "a", (0.0, 0.0, 0.0), 4), Orbit("Cl", "b", (0.5,) * 3, 4))
)


@pytest.mark.parametrize(
    ("domain", "design", "name", "best"),
    [
        (Molecules(), "CC(=O)Nc1ccc(O)cc1", "logp", "O3 to C"),
        (Sequences(), "AKKWWLL", "charge", "W4R"),
        (Crystals(), SALT, "volume_per_atom", "Na to Cs"),
    ],
)
def test_every_domain_names_the_change_that_raises_a_property_most(
    domain: object, design: object, name: str, best: str
) -> None:
    measure = computed_properties(domain)[name].measure  # type: ignore[type-var]
    found = substitution_effects(domain, design, measure)  # type: ignore[type-var]
    assert [place.place for place in found] == [place.name for place in places(domain, design)]  # type: ignore[type-var]
    top = max((change for place in found for change in place.changes), key=lambda change: change.effect)
    assert top.effect == max(place.gain for place in found)
    assert top.name == best
    assert "<svg" in draw_places(domain, design, strengths(found))  # type: ignore[type-var]


def test_a_place_on_which_a_property_rests_has_support() -> None:
    found = substitution_effects(Sequences(), "AKAWA", computed_properties(Sequences())["charge"].measure)
    assert int(np.argmax(strengths(found, by="support"))) == 1
    assert strengths(found, by="support")[0] < 0.2


def test_limits_of_the_task_hold_for_changes() -> None:
    domain = Sequences(length=4, forbidden="C")
    assert all("C" not in text for changes in domain.substitutions("AKLM") for _, text in changes)


def test_a_domain_without_places_is_refused() -> None:
    with pytest.raises(InvdesignError, match="no changes of single places"):
        substitution_effects(Molecules(), "not a molecule", lambda designs: np.zeros(len(designs)))


def test_the_decoder_writes_what_lies_along_a_gradient() -> None:
    torch.manual_seed(0)
    encoding = Sequences(length=4).fit(["ACDE", "CCDE"])
    vae = sequence_vae(encoding, d=4, embedding=8, width=8).eval()
    one, nothing = torch.ones(4, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    sample = torch.randn(40, 4, dtype=torch.float64)
    space = LatentSpace(
        Sequences(length=4), encoding, vae, 0 * one, one, prior(sample, sample), sample, sample, nothing
    )
    z = space.encode(["ACDE"])
    gradient = np.array([1.0, 0.0, 0.0, 0.0])
    rates = decoder_rates(space, "ACDE", gradient)
    x = encoding.encode(["ACDE"])
    with torch.no_grad():
        there, here = (
            vae.logits(x, space.vae_latents(z + torch.from_numpy(step * gradient)).float()).log_softmax(2)[0]
            for step in (0.02, -0.02)
        )
    assert rates.shape == there.shape
    finite = np.isfinite(rates)
    assert np.allclose(rates[finite], ((there - here) / 0.04).numpy()[finite], atol=0.05)


def test_the_gradient_of_a_surrogate_points_uphill() -> None:
    Z = np.random.default_rng(0).normal(size=(80, 3))
    slope = latent_gradient(Z, 2 * Z[:, 1], np.zeros(3))
    assert int(np.argmax(np.abs(slope))) == 1 and slope[1] > 1
