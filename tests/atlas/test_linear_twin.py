"""The linear twin: beside a VAE, with a sentence that says which was better."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from invdesign.atlas.linear_twin import Comparison, compare_with_linear, describe_comparison
from invdesign.domains.profiles import Profiles
from invdesign.domains.profiles.vae import profile_vae
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.oracles.physics import charge
from invdesign.io.corpora import make_corpus
from invdesign.latent.prepare import prepare
from invdesign.vae.build import aligned_vae
from invdesign.vae.training import Recipe


def test_either_model_can_be_better() -> None:
    rows = [Comparison("reconstruction", 0.9, 0.1), Comparison("trust", 0.8, 0.9), Comparison("other", 0.5, 0.505)]
    assert describe_comparison(rows) == "The VAE is better in reconstruction; the linear model in trust."
    assert describe_comparison(rows[1:2]) == "The linear model is better in trust."
    assert describe_comparison(rows[2:]) == "The VAE and the linear model are equally good."


def changed_letters(designs: Sequence[str], *, draw: np.random.Generator) -> list[str]:
    """Return peptides whose first letter is one that no real one has."""
    return ["WYF"[draw.integers(3)] + design[1:] for design in designs]


def test_a_spiral_in_three_dimensions_is_better_described_by_the_vae(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    t = draw.uniform(0, 4 * np.pi, 400)
    points = np.column_stack([np.cos(t), np.sin(t), t / 6]) + 0.02 * draw.normal(size=(len(t), 3))
    domain = Profiles("values")
    designs = tuple(domain.make(("x", "y", "z"), row) for row in points.tolist())
    corpus = make_corpus(designs, name="spiral", to_text=domain.to_text)
    recipe = Recipe(partial(profile_vae, d=1, width=64), epochs=150, batch=64, beta=0.05, information_epochs=0)
    rows = compare_with_linear(prepare(domain, corpus, recipe, cache=tmp_path), designs, designs[:100], t[:100])
    found = {c.name: c for c in rows}
    assert found["neighbours kept"].vae > found["neighbours kept"].linear + 0.05
    assert "neighbours kept" in describe_comparison(rows).split("linear model")[0]


def test_a_linear_property_is_predicted_at_least_as_well_by_the_linear_model(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    designs = tuple(dict.fromkeys("".join("AKDE"[i] for i in row) for row in draw.integers(0, 4, (160, 8))))
    corpus = make_corpus(designs, name="peptides")
    recipe = Recipe(lambda encoding: aligned_vae(encoding, d=4, width=8), epochs=1, information_epochs=0)
    space = prepare(Sequences(length=8), corpus, recipe, cache=tmp_path)
    change = partial(changed_letters, draw=draw)
    rows = compare_with_linear(space, designs, designs[:60], charge(designs[:60]), change=change)
    found = {c.name: c for c in rows}
    assert set(found) == {
        "reconstruction",
        "neighbours kept",
        "trust in the map",
        "changed designs separated from real ones (AUROC)",
        "rank correlation of the surrogate on latents",
        "best of 30 designs that a search selects among 60 measured ones",
    }
    assert "changed designs" in describe_comparison(rows).split("linear model")[1]
    assert found["changed designs separated from real ones (AUROC)"].linear > 0.7
    assert all(0 <= c.vae <= 1 and 0 <= c.linear <= 1 for c in list(found.values())[:3])
    assert found["neighbours kept"].linear > 0.6
    assert compare_with_linear(space, designs[:20]) == []
