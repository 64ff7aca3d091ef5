"""First plates: which designs are measured while nothing is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import toy
from sklearn.cluster import KMeans

from invdesign.campaign import initialize
from invdesign.campaign.first_plate import SeedPool, clusters
from invdesign.core import Check, Corpus, InvdesignError

PLATE = partial(clusters, by="latents")


def campaign(n_seeds: int = 10, **changes: Any) -> Any:
    parts = toy.campaign(**changes)
    return replace(parts, seeding=replace(parts.seeding, n_seeds=n_seeds, first_plate=changes.pop("plate", PLATE)))


def three_groups() -> Corpus[Any]:
    """Return 30 points near each of two corners and 3 near a third one."""
    rng = np.random.default_rng(0)
    corners = np.repeat([[-9, -9], [9, 9], [9, -9]], [30, 30, 3], axis=0)
    points = {tuple(int(v) for v in point) for point in corners + rng.integers(-1, 2, (63, 2))}
    return Corpus(tuple(sorted(points)), name="groups")


def test_a_plate_has_a_design_of_every_cluster() -> None:
    engine = toy.engine(campaign(3))
    plate = initialize(engine, three_groups()).candidates
    assert {(int(np.sign(c.design[0])), int(np.sign(c.design[1]))) for c in plate} == {(-1, -1), (1, 1), (1, -1)}


def test_a_plate_is_the_same_for_a_seed_and_another_one_for_another() -> None:
    drawn = [
        [c.key for c in initialize(toy.engine(replace(campaign(5), seed=seed)), toy.corpus()).candidates]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_designs_that_fail_a_screen_are_replaced_by_others_of_the_corpus() -> None:
    def refuse_low(designs: Any) -> list[Check]:
        return [Check("high", design[0] > 0) for design in designs]

    corpus = three_groups()
    parts = campaign(8, screens=[refuse_low])
    plate = [c.design for c in initialize(toy.engine(parts), corpus).candidates]
    assert len(plate) == 8 and all(design[0] > 0 for design in plate)
    chosen = replace(
        parts, seeding=replace(parts.seeding, first_plate=lambda pool, n, generator: list(corpus.designs)[:n])
    )
    assert all(c.design[0] > 0 for c in initialize(toy.engine(chosen), corpus).candidates)


def test_designs_that_are_known_are_not_selected() -> None:
    parts = campaign(4)
    first = initialize(toy.engine(parts), toy.corpus()).candidates
    known = [replace(c, status="measured", y=(1.0,)) for c in first[:2]]
    more = initialize(toy.engine(parts), toy.corpus(), added=known).candidates
    assert len(more) == 2 and not {c.key for c in more} & {c.key for c in known}


def test_the_densest_design_of_a_cluster_is_preferred_where_that_is_asked_for() -> None:
    space = toy.engine(toy.campaign()).latent_space
    pool = SeedPool(toy.corpus().designs, space)
    designs = clusters(pool, 2, np.random.default_rng(0), by="latents", prefer_dense=True)
    Z = space.encode(pool.designs).numpy()
    labels = KMeans(2, n_init=1, random_state=int(np.random.default_rng(0).integers(2**31))).fit(Z - Z.mean(0)).labels_
    density = space.log_density(space.encode(pool.designs)).numpy()
    best = {pool.designs[np.flatnonzero(labels == k)[density[labels == k].argmax()]] for k in (0, 1)}
    assert set(designs) == best


def test_a_pool_that_is_no_larger_than_the_plate_is_the_plate() -> None:
    pool = SeedPool(((0, 0), (1, 1)), toy.engine(toy.campaign()).latent_space)
    assert clusters(pool, 5, np.random.default_rng(0)) == [(0, 0), (1, 1)]


def test_what_the_space_does_not_have_is_named() -> None:
    pool = SeedPool(toy.corpus().designs, toy.engine(toy.campaign()).latent_space)
    with pytest.raises(InvdesignError, match="expected by as one of features, latents, predicted, got 'colour'"):
        clusters(pool, 3, np.random.default_rng(0), by="colour")  # type: ignore[arg-type]  # refused at run time
    headless: Any = SimpleNamespace(encode=pool.latent_space.encode, predict=lambda Z: None)
    with pytest.raises(InvdesignError, match="expected a VAE with a property head"):
        clusters(SeedPool(pool.designs, headless), 3, np.random.default_rng(0), by="predicted")
