"""Seed designs: what a campaign starts from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from invdesign.campaign.definition import Campaign
from invdesign.campaign.engine import Engine
from invdesign.campaign.pool import apply_screens, run_checks
from invdesign.campaign.state import BatchSelected, RoundRecord
from invdesign.core import Array, B, Candidate, Corpus, D, InvdesignError, round_seed


@dataclass(frozen=True)
class _Start:
    """Rows of a corpus, their measured values, and remarks."""

    rows: list[int]
    values: list[tuple[float, ...]]
    notes: tuple[str, ...]


def initialize(
    engine: Engine[D, B], corpus: Corpus[D] | None = None, *, seeds: Corpus[D] | None = None
) -> BatchSelected[D]:
    """Return round 0: designs that came measured with their values, other seed designs pending.

    Args:
        engine: The campaign bound to its latent space.
        corpus: Designs to draw from where the campaign has no seed designs of its own.
        seeds: The campaign's seed designs where they are loaded already.

    Raises:
        InvdesignError: There is nothing to start from, or no design of the corpus passes the screens.
    """
    campaign, latent_space = engine.campaign, engine.latent_space
    if seeds is None and campaign.seeding.seeds is not None:
        seeds = campaign.seeding.seeds()
    source = corpus if seeds is None else seeds
    if source is None or not len(source):
        raise InvdesignError(
            f"campaign {campaign.name!r}: expected designs to start from, got none. Give it a corpus, or "
            "seeds=<domain>/table with a file of designs"
        )
    names = [objective.name for objective in campaign.objectives]
    Y = None
    if all(name in source.properties for name in names):
        Y = np.stack([source.properties[name] for name in names], axis=1)
    is_given = Y is not None and bool(np.isfinite(Y).all(axis=1).any())
    start = _measured_rows(campaign, source, Y) if Y is not None and is_given else _drawn_rows(campaign, source)
    designs = [source.designs[i] for i in start.rows]
    Z = latent_space.encode(designs)
    log_density = latent_space.log_density(Z)
    percentile = latent_space.percentile(latent_space.plausibility(designs, Z))
    candidates = tuple(
        Candidate(
            design,
            campaign.domain.key(design),
            Z[row],
            origin="given" if is_given else "seed",
            y=start.values[row],
            status="measured" if is_given else "pending",
            log_density=float(log_density[row]),
            percentile=float(percentile[row]),
        )
        for row, design in enumerate(designs)
    )
    return BatchSelected(candidates, RoundRecord(0, notes=start.notes))


def _measured_rows(campaign: Campaign[D, B], source: Corpus[D], Y: Array) -> _Start:
    """Return the rows of designs that came measured, each key once with the mean of its values.

    A corpus may hold a design several times where the campaign's domain distinguishes less than its loader.
    """
    groups: dict[str, list[int]] = {}
    for i in np.flatnonzero(np.isfinite(Y).all(axis=1)).tolist():
        groups.setdefault(campaign.domain.key(source.designs[i]), []).append(i)
    n_more = sum(map(len, groups.values())) - len(groups)
    notes = (f"{n_more} measurements are repeats of a design: the mean counts",) if n_more else ()
    means = [tuple(Y[rows].mean(0).tolist()) for rows in groups.values()]
    return _Start([rows[0] for rows in groups.values()], means, notes)


def _drawn_rows(campaign: Campaign[D, B], source: Corpus[D]) -> _Start:
    """Return rows drawn at random; repeats, and designs that fail a screen, are replaced where that is asked for."""
    seeding = campaign.seeding
    generator = np.random.default_rng(round_seed(campaign.seed, 0, "seeds"))
    n = min(seeding.n_seeds, campaign.limits.budget, len(source))
    batch = generator.choice(len(source), size=n, replace=False)
    rest = generator.permutation(np.setdiff1d(np.arange(len(source)), batch))
    screens = campaign.screens if seeding.screen_seeds and not seeding.seeds else ()
    chosen: dict[str, int] = {}
    while len(batch) and len(chosen) < n:
        for row, _ in apply_screens(screens, [source.designs[j] for j in batch]):
            chosen.setdefault(campaign.domain.key(source.designs[batch[row]]), int(batch[row]))
        batch, rest = rest[:n], rest[n:]
    if not chosen:
        raise InvdesignError(
            f"campaign {campaign.name!r}: expected seed designs that pass the screens, got none of {len(source):,} in "
            f"the corpus; of the first ones {_screened_out(campaign, source)}. Loosen the screens, or set "
            "screen_seeds=false"
        )
    rows = sorted(list(chosen.values())[:n])
    is_short = len(rows) < n
    notes = (f"{len(rows)} of {n} seed designs: no other design of the corpus passes the screens",) if is_short else ()
    return _Start(rows, [()] * len(rows), notes)


def _screened_out(campaign: Campaign[Any, Any], source: Corpus[Any], n: int = 100) -> str:
    """Return how many of the first designs fail each screen."""
    results = run_checks(campaign.screens, source.designs[:n])
    counts = Counter(check.name for checks in results for check in checks if not check.passed)
    return ", ".join(f"{count} of {len(results)} fail {name}" for name, count in counts.most_common())
