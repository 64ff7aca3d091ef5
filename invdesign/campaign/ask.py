"""One round's question: survey what is known, propose, align, and pick the batch to be measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from invdesign.campaign.aligned import Funnel, Pool, align, joined
from invdesign.campaign.parts import Campaign, RoundRecord, State
from invdesign.campaign.survey import Survey, center_of, survey
from invdesign.core import Array, B, Candidate, D, Landscape, Progress, round_seed, silent
from invdesign.latent.space import LatentSpace
from invdesign.search.ascent import evaluate
from invdesign.search.search import Search
from invdesign.search.search import proposals as search_proposals
from invdesign.search.select import select

N_ELITES = 100


def ask(
    campaign: Campaign[D, B],
    space: LatentSpace[D, B],
    state: State[D],
    *,
    known: frozenset[str] = frozenset(),
    features: dict[str, Array] | None = None,
    progress: Progress = silent,
) -> State[D]:
    """Open the next round: the state with a batch of pending designs and the round's record.

    Args:
        campaign: the parts.
        space: the map.
        state: what is known; designs still pending are never asked again.
        known: keys that must not be proposed, besides those of the history.
        features: remembers between rounds what was computed of a design, by key.
        progress: called with `(stage, done, total)`.

    Returns:
        The new state; its last record says how the proposals fared. A barren round has nothing pending.
    """
    features = {} if features is None else features
    number = state.round + 1
    n = max(0, min(campaign.batch, campaign.budget - state.n_calls))
    taken = frozenset(c.key for c in (*state.history, *state.pending))
    if campaign.corpus_is_new:
        known = frozenset()
    watch = _Watch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(round_seed(campaign.seed, number))
        with watch("fit"):
            seen = survey(campaign, space, state, features)
        asked: list[Candidate[D]] = []
        funnel = Funnel()
        shares = _shares(n, max(1, len(state.regions)))
        for index, share in enumerate(shares):
            progress(f"round {number}", index, len(shares))
            busy = taken | known | {c.key for c in asked}
            batch, passed = _ask_region(
                campaign,
                space,
                state,
                seen,
                index,
                share,
                is_known=busy.__contains__,
                watch=watch,
            )
            asked += batch
            funnel = funnel + passed
        progress(f"round {number}", len(shares), len(shares))
    record = RoundRecord(
        number,
        funnel=funnel,
        rung=seen.fitted.rung if seen.fitted else "none",
        surrogate=seen.report,
        seconds=watch.seconds,
        notes=(*seen.notes, *(("barren: no new design came through the sieves",) if not asked else ())),
    )
    return replace(state, pending=state.pending + tuple(asked), round=number, records=(*state.records, record))


def _ask_region(
    campaign: Campaign[D, B],
    space: LatentSpace[D, B],
    state: State[D],
    seen: Survey,
    index: int,
    n: int,
    *,
    is_known: Callable[[str], bool],
    watch: _Watch,
) -> tuple[list[Candidate[D]], Funnel]:
    """The share of the batch that one trust region asks for."""
    search = campaign.search
    landscape = _landscape(campaign, space, state, seen, index)
    pools: list[Pool[D]] = []
    origins: list[str] = []
    inner = landscape
    for count in _shares(search.oversample * n, search.generations if landscape else 1):
        with watch("propose"):
            proposals, names = _propose(search, inner, count, space)
        with watch("align"):
            found = align(
                space,
                proposals,
                is_known=is_known,
                screens=campaign.screens,
                least_percentile=campaign.least_percentile,
                use_features=campaign.use_features and landscape is not None,
            )
        pools.append(found)
        origins += names
        with watch("score"):
            inner = _inner(search, landscape, joined(pools))
    pool = joined(pools)
    with watch("select"):
        picked, values = _pick(campaign.search, landscape, pool, n)
        mean, sd = seen.predict(campaign, pool.X[picked])
    parents = _parents(state, pool.proposals[picked])
    batch = [
        Candidate(
            pool.designs[i],
            pool.keys[i],
            pool.Z[i],
            round=state.round + 1,
            origin=origins[pool.source[i]],
            parents=parents[row],
            region=index,
            mean=tuple(mean[row]),
            sd=tuple(sd[row]),
            acquisition=values[row],
            log_density=float(pool.log_density[i]),
            percentile=float(pool.percentile[i]),
            checks=pool.checks[i],
        )
        for row, i in enumerate(picked)
    ]
    return batch, replace(pool.funnel, asked=len(batch))


def _landscape(
    campaign: Campaign[D, B], space: LatentSpace[D, B], state: State[D], seen: Survey, index: int
) -> Landscape | None:
    center = center_of(campaign, state, index) if state.regions else None
    if center is None:
        whole = torch.stack([seen.X[:, : space.d].amin(0), seen.X[:, : space.d].amax(0)]) if len(seen.X) else None
        return None if whole is None else seen.landscape(whole.mean(0), whole, space.log_density)
    return seen.landscape(center, state.regions[index].trust.bounds(center), space.log_density)


def _inner(search: Search, landscape: Landscape | None, pool: Pool[D]) -> Landscape | None:
    """The landscape with the designs of the highest acquisition as elites: the next generation is bred from them.

    Acquisition maximization is a search of its own, and what it climbs is worth measuring, not measured.
    """
    if landscape is None or search.acquire is None or not len(pool):
        return landscape
    with torch.no_grad():
        values = evaluate(search.acquire(landscape), pool.X).nan_to_num(-math.inf)
    best = values.argsort(descending=True)[:N_ELITES]
    return replace(landscape, elites=pool.Z[best])


def _propose(search: Search, landscape: Landscape | None, n: int, space: LatentSpace[D, B]) -> tuple[Tensor, list[str]]:
    """`n x d` latent points from all proposers by their shares, and the name of the proposer of each.

    Without a landscape (nothing measured, or a search that asks no surrogate) they are draws from where designs are.
    """
    if landscape is None:
        return space.draw(n), ["draws"] * n
    return search_proposals(search, landscape, n)


def _pick(search: Search, landscape: Landscape | None, pool: Pool[D], n: int) -> tuple[list[int], list[float]]:
    """Which designs of the pool to measure, and the acquisition values; in order of proposal without a landscape."""
    n = min(n, len(pool))
    if n == 0 or landscape is None or search.acquire is None:
        return list(range(n)), [math.nan] * n
    picked, values = select(
        landscape, pool.X, n, acquire=search.acquire, shortlist=search.shortlist, min_distance=search.min_distance
    )
    return picked.tolist(), values.tolist()


def _parents(state: State[D], proposals: Tensor) -> list[tuple[str, ...]]:
    """The key of the measured design nearest to each proposal."""
    measured = [c for c in state.history if c.status == "measured"]
    if not measured or not len(proposals):
        return [()] * len(proposals)
    nearest = torch.cdist(proposals, torch.stack([c.z for c in measured])).argmin(1)
    return [(measured[int(i)].key,) for i in nearest]


def _shares(n: int, n_parts: int) -> list[int]:
    """`n` split as evenly as whole numbers allow."""
    return [n // n_parts + (i < n % n_parts) for i in range(n_parts)]


class _Watch:
    """Seconds spent per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
