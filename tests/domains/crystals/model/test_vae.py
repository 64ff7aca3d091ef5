"""The crystal VAE: its rows are lossless, its decoder cannot break symmetry, and it learns."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.model.encoding import learn, pack, unpack
from invdesign.domains.crystals.model.vae import CrystalVAE, crystal_vae
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.vae.training import Recipe, train


@cache
def few() -> tuple[Crystal, ...]:
    found = []
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
        found += [crystal_of(s) for s in (salt, wurtzite, rutile)]
    return tuple(found)


def model(**settings: int) -> tuple[CrystalVAE, torch.Tensor, Crystals]:
    domain = Crystals().fit(few())
    torch.manual_seed(0)
    return (
        crystal_vae(domain, **{"d": 24, "n_graph": 8, "embedding": 24, "width": 48, **settings}),
        domain.to_batch(few()),
        domain,
    )


def test_rows_hold_a_crystal_without_loss() -> None:
    vocabulary = learn(few())
    assert unpack(vocabulary, pack(vocabulary, few())) == list(few())


def test_the_domain_keeps_its_contract() -> None:
    testing.check_domain(Crystals(), few()[:6])


def test_the_model_keeps_its_contract() -> None:
    vae, x, _ = model()
    testing.check_vae(vae, x)


def test_what_the_decoder_writes_is_symmetric_wherever_it_is_asked() -> None:
    vae, _, domain = model()
    rows = vae.generate(3 * torch.randn(64, vae.d))
    for crystal in unpack(domain.fitted(), rows):
        assert crystal is not None
        letters = [o.letter for o in crystal.orbits]
        assert letters == sorted(letters)
        assert {crystal.space_group} <= set(domain.fitted().groups)
        sites = {(s.space_group, s.letter): s for s in domain.fitted().sites}
        fixed = [o.letter for o in crystal.orbits if not sites[crystal.space_group, o.letter].n_free]
        assert len(set(fixed)) == len(fixed)


def test_generation_and_rating_see_the_same_remainder() -> None:
    # Where the decoder goes step by step it must find what it rates all at once: its own choice is the likeliest site.
    vae, x, _ = model()
    vae.eval()
    z = vae.posterior(x).loc.detach()
    own = vae.generate(z)
    with torch.no_grad():
        assert (vae.log_likelihood(own, z) >= vae.log_likelihood(x, z) - 1e-3).float().mean() > 0.8


def test_padding_changes_no_rating() -> None:
    vae, x, _ = model()
    vae.eval()
    with torch.no_grad():
        z = vae.posterior(x).loc
        alone = torch.cat([vae.log_likelihood(x[i : i + 1], z[i : i + 1]) for i in range(len(x))])
        assert torch.allclose(alone, vae.log_likelihood(x, z), atol=1e-4)


def test_a_small_corpus_is_learnt_by_heart() -> None:
    vae, x, domain = model()
    recipe = Recipe(lambda d: vae, epochs=250, batch=18, learning_rate=4e-3, warmup=10, beta=0.01, held_out=0)
    train(vae, x, recipe)
    with torch.no_grad():
        decoded = domain.from_batch(vae.generate(vae.posterior(x).loc))
    same = [
        b is not None and domain.is_same(a, b) and a.formula == b.formula for a, b in zip(few(), decoded, strict=True)
    ]
    assert np.mean(same) > 0.9


def test_features_do_not_depend_on_the_size_of_the_cell() -> None:
    F = Crystals().features(few())
    assert (F >= 0).all()
    assert np.allclose(F[:, :103].sum(1), F[0, :103].sum())


def test_an_element_that_the_corpus_lacks_is_named() -> None:
    domain = Crystals().fit(few())
    other = crystal_of(Structure.from_spacegroup("Fm-3m", Lattice.cubic(5), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    assert "no Cs" in domain.encoding_errors([other])[0]
    assert domain.to_batch([other]).shape[0] == 1


def test_a_model_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(InvdesignError, match="no vocabulary"):
        crystal_vae(Crystals())
