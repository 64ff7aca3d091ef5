"""The crystal VAE: lossless rows, a decoder that preserves symmetry, and training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known_crystals import binary_compounds
from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.domain import CrystalEncoding
from invdesign.domains.crystals.model.candidates import penalty
from invdesign.domains.crystals.model.encoding import learn, pack, unpack
from invdesign.domains.crystals.model.vae import CrystalVAE, crystal_vae
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.sequences import Sequences
from invdesign.vae.training import Recipe, train


def build_model(**settings: int) -> tuple[CrystalVAE, torch.Tensor, CrystalEncoding]:
    encoding = Crystals().fit(binary_compounds())
    torch.manual_seed(0)
    return (
        crystal_vae(encoding, **{"d": 24, "n_graph": 8, "embedding": 24, "width": 48, **settings}),
        encoding.encode(binary_compounds()),
        encoding,
    )


@pytest.mark.slow
def test_rows_store_crystals_without_loss() -> None:
    vocabulary = learn(binary_compounds())
    assert unpack(vocabulary, pack(vocabulary, binary_compounds())) == list(binary_compounds())


def test_the_domain_satisfies_its_contract() -> None:
    testing.check_domain(Crystals(), binary_compounds()[:6])


def test_the_model_satisfies_its_contract() -> None:
    vae, x, _ = build_model()
    testing.check_vae(vae, x)


def test_the_decoder_generates_symmetric_crystals_at_any_latent() -> None:
    vae, _, encoding = build_model()
    rows = vae.generate(3 * torch.randn(64, vae.d))
    for crystal in unpack(encoding.vocabulary, rows):
        assert crystal is not None
        letters = [o.letter for o in crystal.orbits]
        assert letters == sorted(letters)
        assert {crystal.space_group} <= set(encoding.vocabulary.groups)
        sites = {(s.space_group, s.letter): s for s in encoding.vocabulary.sites}
        fixed = [o.letter for o in crystal.orbits if not sites[crystal.space_group, o.letter].n_free]
        assert len(set(fixed)) == len(fixed)


def test_candidates_replace_nonsense_and_do_not_depend_on_the_batch() -> None:
    vae, _, encoding = build_model()
    vae.n_candidates = 16
    z = 3 * torch.randn(40, vae.d)
    rows = vae.generate(z)
    assert torch.equal(rows, vae.generate(z))
    separate = torch.cat([vae.generate(z[i : i + 1]) for i in range(len(z))])
    assert torch.allclose(rows, separate, atol=1e-4)
    vae.n_candidates = 0
    shares = [np.mean(count_nonsense(encoding, x)) for x in (rows, vae.generate(z))]
    assert shares[0] < shares[1]


def count_nonsense(encoding: CrystalEncoding, rows: torch.Tensor) -> list[bool]:
    limits = {name: getattr(encoding.vocabulary, name) for name in ("min_closeness", "usual_closeness")}
    return [penalty(crystal, **limits) > 0 for crystal in unpack(encoding.vocabulary, rows)]


def test_generation_and_log_likelihood_use_the_same_remainders() -> None:
    # The decoder generates step by step and rates all steps at once: its own output must be the more likely one.
    vae, x, _ = build_model()
    vae.eval()
    z = vae.posterior(x).loc.detach()
    generated = vae.generate(z)
    with torch.no_grad():
        assert (vae.log_likelihood(generated, z) >= vae.log_likelihood(x, z) - 1e-3).float().mean() > 0.8


def test_padding_does_not_change_the_log_likelihood() -> None:
    vae, x, _ = build_model()
    vae.eval()
    with torch.no_grad():
        z = vae.posterior(x).loc
        separate = torch.cat([vae.log_likelihood(x[i : i + 1], z[i : i + 1]) for i in range(len(x))])
        assert torch.allclose(separate, vae.log_likelihood(x, z), atol=1e-4)


@pytest.mark.slow
def test_a_small_corpus_is_memorized() -> None:
    vae, x, encoding = build_model()
    recipe = Recipe(lambda d: vae, epochs=250, batch=18, learning_rate=4e-3, warmup=10, beta=0.01, held_out=0)
    train(vae, x, recipe)
    with torch.no_grad():
        decoded = encoding.decode(vae.generate(vae.posterior(x).loc))
    is_recovered = [
        b is not None and encoding.domain.is_same(a, b) and a.formula == b.formula
        for a, b in zip(binary_compounds(), decoded, strict=True)
    ]
    assert np.mean(is_recovered) > 0.9


def test_a_new_property_head_leaves_the_rest_of_the_model_unchanged() -> None:
    vae, x, _ = build_model()
    with_head = vae.with_properties(2)
    assert vae.predict(vae.posterior(x).loc) is None
    assert with_head.predict(vae.posterior(x).loc).shape == (len(x), 2)
    assert with_head.architecture() == {**vae.architecture(), "n_properties": 2}
    own = {name for name in with_head.state_dict() if not name.startswith("property_head.")}
    assert own == set(vae.state_dict())


def test_a_graph_part_as_large_as_the_latent_is_rejected() -> None:
    with pytest.raises(InvdesignError, match="expected n_graph between 0 and d=24, got 24"):
        build_model(n_graph=24)


def test_features_do_not_depend_on_the_size_of_the_cell() -> None:
    F = Crystals().fit(binary_compounds()).features(binary_compounds())
    assert (F >= 0).all()
    assert np.allclose(F[:, :103].sum(1), F[0, :103].sum())


def test_an_element_missing_in_the_corpus_is_named() -> None:
    encoding = Crystals().fit(binary_compounds())
    other = crystal_of(Structure.from_spacegroup("Fm-3m", Lattice.cubic(5), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    assert "no Cs" in encoding.errors([other])[0]
    assert encoding.encode([other]).shape[0] == 1


def test_an_encoding_of_another_domain_is_rejected() -> None:
    with pytest.raises(InvdesignError, match="expected an encoding of crystals, got SequenceEncoding"):
        crystal_vae(Sequences().fit(["MKV"]))
