"""The VAE of crystals as tokens: its contract, its ranked outputs, and training."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from known_crystals import binary_compounds

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.domain import CrystalEncoding
from invdesign.domains.crystals.model.candidates import COMPOSITION_PENALTY
from invdesign.domains.crystals.model.encoding import unpack
from invdesign.domains.crystals.model.token_vae import CrystalTokenVAE, crystal_token_vae
from invdesign.domains.sequences import Sequences
from invdesign.vae.conditioning import conditioning_of
from invdesign.vae.training import Recipe, train


def build_model(**settings: Any) -> tuple[CrystalTokenVAE, torch.Tensor, CrystalEncoding]:
    encoding = Crystals().fit(binary_compounds())
    torch.manual_seed(0)
    sizes = {"d": 16, "embedding": 24, "width": 32, "beam": 3}
    return crystal_token_vae(encoding, **{**sizes, **settings}), encoding.encode(binary_compounds()), encoding


def test_the_model_satisfies_its_contract() -> None:
    vae, x, _ = build_model()
    testing.check_vae(vae, x)


def test_every_latent_decodes_to_a_crystal_of_the_vocabulary() -> None:
    vae, _, encoding = build_model()
    for crystal in unpack(encoding.vocabulary, vae.eval().generate(3 * torch.randn(64, vae.d))):
        assert crystal is not None
        assert not encoding.vocabulary.encoding_error(crystal)


def test_outputs_are_ranked_and_end_with_the_best_one_in_larger_cells() -> None:
    vae, x, encoding = build_model()
    vae.eval()
    z = vae.posterior(x).loc.detach()
    ranked = vae.generate_ranked(z)
    assert torch.equal(ranked[0].batch, vae.generate(z))
    for better, worse in pairwise(ranked[:3]):
        assert (better.scores >= worse.scores).all()
    sizes = encoding.vocabulary.layout.cell(torch.stack([output.batch for output in ranked])[:, 0])[:, 0]
    np.testing.assert_allclose(sizes[3:] - sizes[0], [0.03, 0.06, 0.10], atol=1e-6)
    assert all((output.scores <= ranked[0].scores).all() for output in ranked)


def test_training_changes_numbers_and_elements_at_random() -> None:
    vae, x, encoding = build_model()
    layout = encoding.vocabulary.layout
    before = x.repeat(20, 1)
    torch.manual_seed(0)
    after = vae.augment(before)
    assert torch.equal(before, x.repeat(20, 1))
    assert torch.equal(layout.group(after), layout.group(before))
    is_other = (layout.orbits(after)[..., 1] != layout.orbits(before)[..., 1]).any(1)
    assert 0.1 < float(is_other.float().mean()) < 0.5
    assert (layout.cell(after) - layout.cell(before)).std() < 0.02


def test_a_share_of_the_crystals_is_changed_more_and_in_more_elements() -> None:
    little, x, encoding = build_model(substitution_rate=1.0)
    much, _, _ = build_model(substitution_rate=1.0, n_substitutions=2, wide_share=1.0)
    layout, rows = encoding.vocabulary.layout, x.repeat(20, 1)
    changed = [vae.augment(rows) for vae in (little, much)]
    strain = [float((layout.cell(after) - layout.cell(rows))[:, 1:].std()) for after in changed]
    assert strain[1] > 3 * strain[0]
    n_other = [int((layout.orbits(after) != layout.orbits(rows))[..., 1].sum()) for after in changed]
    assert n_other[1] > 1.1 * n_other[0]


@pytest.mark.parametrize("settings", [{}, {"is_rotated": True, "anchors": 3, "n_substitutions": 2, "wide_share": 0.5}])
def test_a_stored_architecture_builds_the_same_model(settings: dict[str, Any]) -> None:
    vae, x, encoding = build_model(n_properties=2, **settings)
    assert {name: vae.architecture()[name] for name in settings} == settings
    again = CrystalTokenVAE.from_architecture(vae.architecture(), encoding)
    again.load_state_dict(vae.state_dict())
    vae.eval()
    again.eval()
    torch.testing.assert_close(again.posterior(x).loc, vae.posterior(x).loc)
    torch.testing.assert_close(again.predict(vae.posterior(x).loc), vae.predict(vae.posterior(x).loc))


def test_a_new_property_head_leaves_the_rest_of_the_model_unchanged() -> None:
    vae, x, _ = build_model()
    with_head = vae.with_properties(2)
    assert vae.predict(vae.posterior(x).loc) is None
    assert with_head.predict(vae.posterior(x).loc).shape == (len(x), 2)
    assert with_head.architecture() == {**vae.architecture(), "n_properties": 2}


@pytest.mark.slow
def test_a_small_corpus_is_memorized() -> None:
    vae, x, encoding = build_model()
    recipe = Recipe(lambda d: vae, epochs=150, batch=18, learning_rate=5e-3, warmup=10, beta=0.01, held_out=0)
    train(vae, x, recipe)
    with torch.no_grad():
        decoded = encoding.decode(vae.generate(vae.posterior(x).loc))
    recovered = [b is not None and a.formula == b.formula for a, b in zip(binary_compounds(), decoded, strict=True)]
    assert np.mean(recovered) > 0.9


def test_an_encoding_of_another_domain_is_rejected() -> None:
    with pytest.raises(InvdesignError, match="expected an encoding of crystals, got SequenceEncoding"):
        crystal_token_vae(Sequences().fit(["MKV"]))


def test_outputs_of_the_decoder_are_weighed_by_what_makes_a_crystal_nonsense() -> None:
    salt, _, rutile = binary_compounds()[:3]
    encoding = Crystals().fit(binary_compounds())
    assert (salt.formula, rutile.formula) == ("ClNa", "Cl2Na")
    assert encoding.penalties([salt, rutile]).tolist() == [0, COMPOSITION_PENALTY]
    frameworks = replace(encoding, domain=Crystals(frameworks=True))
    assert frameworks.penalties([rutile]).tolist() == [0]


def test_atoms_nearer_than_in_nearly_all_of_the_corpus_are_no_crystal() -> None:
    encoding = Crystals().fit(binary_compounds())
    rows = encoding.encode(binary_compounds()[:1])
    assert encoding.decode(rows) != [None]
    encoding.vocabulary.layout.cell(rows)[:, 0] -= 0.5
    assert encoding.decode(rows) == [None]


def test_a_conditional_model_writes_other_likelihoods_under_other_conditions_and_is_stored_with_them() -> None:
    plain, rows, encoding = build_model()
    vae = plain.with_condition(2).eval()
    x, z = rows[:6], torch.zeros(6, vae.d)
    first, second = torch.eye(2)
    untrained = [vae.log_likelihood(x, z, condition.expand(6, -1)) for condition in (first, second)]
    torch.testing.assert_close(*untrained)
    reader = conditioning_of(vae)
    assert reader is not None
    torch.nn.init.normal_(reader.shift.weight, std=1.0)
    torch.nn.init.normal_(reader.vector.weight, std=1.0)
    trained = [vae.log_likelihood(x, z, condition.expand(6, -1)) for condition in (first, second)]
    assert not torch.allclose(*trained)
    moved = vae.posterior(x, first.expand(6, -1)).loc - vae.posterior(x, second.expand(6, -1)).loc
    assert float(moved.detach().abs().max()) > 0.1
    again = CrystalTokenVAE.from_architecture(vae.architecture(), encoding)
    again.load_state_dict(vae.state_dict())
    torch.testing.assert_close(again.eval().log_likelihood(x, z, first.expand(6, -1)), trained[0])
