"""Cross-fitting: real designs are rated without their families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invdesign.atlas import fit_auditor
from invdesign.atlas.cross_fitting import N_FOLDS, assign_folds, cross_fit
from invdesign.atlas.measures import Measures
from invdesign.atlas.rarity import fit_rarities, fit_rarity
from invdesign.core import Corpus
from invdesign.domains.sequences import Sequences
from invdesign.io.corpora import make_corpus
from invdesign.latent.prepare import prepare
from invdesign.latent.space import LatentSpace
from invdesign.vae.build import aligned_vae, linear_vae
from invdesign.vae.training import Recipe

LENGTH = 60
N_FAMILIES = 120
N_UNKNOWN = 40
DOMAIN = Sequences("dna", length="fixed")


@pytest.fixture(scope="module")
def genera() -> Corpus[str]:
    """Families of one ancestor, each at a distance of its own, so that whole families are unusual."""
    draw = np.random.default_rng(0)
    ancestor = draw.integers(0, 4, LENGTH)
    found: dict[str, str] = {}
    for number in range(N_FAMILIES):
        share = draw.uniform(0.05, 0.6)
        founder = np.where(draw.random(LENGTH) < share, draw.integers(0, 4, LENGTH), ancestor)
        for _ in range(int(draw.choice([2, 4, 20]))):
            row = np.where(draw.random(LENGTH) < 0.05, draw.integers(0, 4, LENGTH), founder)
            found.setdefault("".join("ACGT"[letter] for letter in row), f"family {number}")
    return make_corpus(tuple(found), families=tuple(found.values()), name="genera")


def part_of(corpus: Corpus[str], wanted: set[str]) -> Corpus[str]:
    rows = [i for i, family in enumerate(corpus.families) if family in wanted]
    return make_corpus(
        tuple(corpus.designs[i] for i in rows), families=tuple(corpus.families[i] for i in rows), name="part"
    )


def measures_of(space: LatentSpace[str, Any], corpus: Corpus[str]) -> Measures[str, Any]:
    return Measures(space, fit_rarity(DOMAIN, corpus.designs))


def linear_space(corpus: Corpus[str], cache: Path) -> LatentSpace[str, Any]:
    recipe = Recipe(build=partial(linear_vae, d=8), held_out=2000, information_epochs=0)
    return prepare(DOMAIN, corpus, recipe, cache=cache)


def test_designs_of_unknown_families_are_flagged_at_the_stated_level(genera: Corpus[str], tmp_path: Path) -> None:
    names = sorted(set(genera.families))
    shares = []
    for seed in range(4):
        unknown = set(np.random.default_rng(seed).permutation(names)[:N_UNKNOWN].tolist())
        reference = part_of(genera, set(names) - unknown)
        auditor = fit_auditor(linear_space(reference, tmp_path), reference)
        assert len(auditor.evidence) == len(reference)
        p_values = auditor.p_values(part_of(genera, unknown).designs)
        shares.append(float((p_values <= 0.2).mean()))
    assert np.mean(shares) == pytest.approx(0.2, rel=0.4)


def test_a_design_is_rated_by_a_model_that_has_none_of_its_family(genera: Corpus[str], tmp_path: Path) -> None:
    measures, rows = measures_of(linear_space(genera, tmp_path), genera), np.arange(len(genera))
    crossed = cross_fit(measures, genera, rows, rows)
    assert crossed is not None
    together = replace(genera, families=tuple(str(i) for i in rows))
    alone = cross_fit(measures, together, rows, rows)
    assert alone is not None
    # Relatives in the other parts make a design more probable, and its letters less rare.
    assert crossed.scores["likelihood"].mean() > alone.scores["likelihood"].mean()
    assert crossed.scores["surroundings"].mean() > alone.scores["surroundings"].mean()


def test_only_some_of_the_designs_are_rated_where_they_are_many(genera: Corpus[str], tmp_path: Path) -> None:
    measures, rows = measures_of(linear_space(genera, tmp_path), genera), np.arange(len(genera))
    whole, part = cross_fit(measures, genera, rows, rows), cross_fit(measures, genera, rows, rows[::7])
    assert whole is not None and part is not None
    assert np.allclose(part.scores["likelihood"], whole.scores["likelihood"][::7])
    assert all(np.array_equal(a, b) for a, b in zip(part.nats, whole.nats[::7], strict=True))


def test_models_that_need_training_and_few_families_are_not_cross_fitted(genera: Corpus[str], tmp_path: Path) -> None:
    few = part_of(genera, set(sorted(set(genera.families))[: 2 * N_FOLDS - 1]))
    rows = np.arange(len(few))
    assert cross_fit(measures_of(linear_space(few, tmp_path), few), few, rows, rows) is None
    build = partial(aligned_vae, d=4, width=16, n_filters=2)
    trained = prepare(DOMAIN, few, Recipe(build=build, epochs=1, batch=64, information_epochs=0), cache=tmp_path)
    assert cross_fit(measures_of(trained, few), genera, np.arange(len(genera)), np.arange(10)) is None


def test_a_corpus_is_not_encoded_for_a_model_that_needs_training(
    genera: Corpus[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = partial(aligned_vae, d=4, width=16, n_filters=2)
    trained = prepare(DOMAIN, genera, Recipe(build=build, epochs=1, batch=64, information_epochs=0), cache=tmp_path)
    measures, sizes = measures_of(trained, genera), list[int]()
    encode = type(trained.encoding).encode

    def count(encoding: Any, designs: Sequence[str]) -> Any:
        sizes.append(len(designs))
        return encode(encoding, designs)

    monkeypatch.setattr(type(trained.encoding), "encode", count)
    assert cross_fit(measures, genera, np.arange(len(genera)), np.arange(10)) is None
    assert sum(sizes) < 0.1 * len(genera)


def test_counts_without_a_fold_are_those_of_the_other_designs(genera: Corpus[str]) -> None:
    folds = assign_folds(genera.families)
    rarities = fit_rarities(DOMAIN, genera.designs, folds)
    assert len(rarities) == N_FOLDS
    for fold in (0, 5):
        others = fit_rarity(DOMAIN, [design for design, own in zip(genera.designs, folds, strict=True) if own != fold])
        assert rarities[fold].n == others.n
        assert np.array_equal(rarities[fold].checksums, others.checksums)
        assert np.array_equal(rarities[fold].counts, others.counts)
