"""The view of patterns and formulas: inputs, training, proposals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from known_crystals import binary_compounds

from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.model.token_vae import crystal_token_vae
from invdesign.domains.crystals.powder.latent_proposals import latent_proposals
from invdesign.domains.crystals.powder.measured import prepare_pattern
from invdesign.domains.crystals.powder.substitution import LATENT, TemplateLibrary
from invdesign.domains.crystals.powder.view import INVERSE_D, PatternView, pattern_input
from invdesign.domains.crystals.powder.view_training import ViewSettings, disturb, sharp_strengths, train_view

SETTINGS = ViewSettings(epochs=3, batch=16, n_changed=1, width=32, n_components=2)


@pytest.fixture(scope="module")
def space():
    compounds = binary_compounds()
    encoding = Crystals().fit(compounds)
    torch.manual_seed(0)
    vae = crystal_token_vae(encoding, d=8, embedding=16, width=16, beam=3, prior="normal").eval()
    return compounds, encoding, vae


def test_a_pattern_reads_alike_at_any_wavelength_and_as_in_training(simulate, crystals):
    measured = prepare_pattern(simulate(crystals[2]))
    pattern, is_seen = pattern_input(measured)
    trained = disturb(torch.from_numpy(sharp_strengths(crystals[2]))[None], torch.zeros(1, 4), is_training=False)
    own = trained.pattern[0, 0].numpy()
    inside = is_seen > 0
    assert np.corrcoef(pattern[inside], own[inside])[0, 1] > 0.9
    assert not pattern[measured.max_s < INVERSE_D].any()


def test_training_disturbs_patterns_and_hides_views():
    torch.manual_seed(0)
    strengths = torch.rand(200, len(INVERSE_D)) ** 8
    views = disturb(strengths, torch.ones(200, 5))
    assert views.pattern.shape == (200, 2, len(INVERSE_D)) and torch.isfinite(views.pattern).all()
    for hidden in (~views.pattern.flatten(1).any(1), ~views.formula.any(1)):
        assert 0.02 < hidden.float().mean() < 0.25
    assert views[torch.arange(3)].formula.shape == (3, 5)


def test_a_view_is_trained_continued_and_loaded(tmp_path, space):
    _, encoding, vae = space
    rows = encoding.encode(space[0])
    before = [p.clone() for p in vae.parameters()]
    whole = train_view(vae, rows, tmp_path / "whole", settings=SETTINGS)
    stopped = replace(SETTINGS, max_minutes=0.0)
    for _ in range(SETTINGS.epochs):
        parts = train_view(vae, rows, tmp_path / "parts", settings=stopped)
    assert all(torch.equal(a, b) for a, b in zip(before, vae.parameters(), strict=True))
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    again = train_view(vae, rows, tmp_path / "whole", settings=SETTINGS)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    with pytest.raises(InvdesignError, match="expected the settings"):
        train_view(vae, rows, tmp_path / "whole", settings=replace(SETTINGS, seed=1))


def test_each_view_may_be_missing(space, simulate, crystals):
    _, encoding, vae = space
    view = PatternView(encoding.vocabulary.elements, vae.d, width=32).eval()
    measured, counts = prepare_pattern(simulate(crystals[0])), {"Na": 1, "Cl": 1}
    z = torch.zeros(1, vae.d)
    rated = [
        float(view(view.views_of(pattern, formula)).log_prob(z).detach())
        for pattern, formula in ((measured, counts), (measured, None), (None, counts))
    ]
    assert np.isfinite(rated).all() and len(set(rated)) == 3


def test_proposals_are_crystals_of_the_formula(space, simulate, crystals):
    compounds, encoding, vae = space
    view = PatternView(encoding.vocabulary.elements, vae.d, width=32)
    library = TemplateLibrary(tuple(compounds))
    counts = compounds[0].counts
    measured = prepare_pattern(simulate(crystals[0]))
    found = latent_proposals(vae, view, measured, counts, library, n=8)
    assert found and {p.crystal.formula for p in found} == {compounds[0].formula}
    assert {p.origin for p in found} == {LATENT}
    assert [p.crystal for p in latent_proposals(vae, view, measured, counts, library, n=8)] == [
        p.crystal for p in found
    ]
    assert latent_proposals(vae, view, measured, counts, library, n=0) == []
