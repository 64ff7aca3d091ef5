"""One round's question: survey what is known, propose, align, and pick the batch to be measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic

import torch
from torch import Tensor

from invdesign.campaign.definition import Campaign, RoundRecord, State
from invdesign.campaign.pool import Funnel, Pool, decode_screen_encode, join_pools
from invdesign.campaign.regions import members, rank
from invdesign.campaign.round_model import RoundModel, center_of, fit_surrogates
from invdesign.core import Array, B, Candidate, D, Landscape, Progress, first_occurrences, round_seed, silent
from invdesign.latent.space import LatentSpace
from invdesign.search.acquisition import density_alone
from invdesign.search.mutations import ProjectToRadius
from invdesign.search.search import Search, name_of
from invdesign.search.search import proposals as search_proposals
from invdesign.search.select import merit, select

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
    if campaign.allow_corpus_designs:
        known = frozenset()
    watch = _Watch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(round_seed(campaign.seed, number))
        with watch("fit"):
            seen = fit_surrogates(campaign, space, state, features)
        campaign, doubts = _gated(campaign, seen)
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
        fallback_level=seen.fitted.fallback_level if seen.fitted else "none",
        surrogate=seen.report,
        seconds=watch.seconds,
        notes=(*seen.notes, *doubts, *(("barren: no new design came through the sieves",) if not asked else ())),
    )
    return replace(state, pending=state.pending + tuple(asked), round=number, records=(*state.records, record))


def _gated(campaign: Campaign[D, B], seen: RoundModel) -> tuple[Campaign[D, B], tuple[str, ...]]:
    """The campaign of this round, and why its surrogate is not asked where it knows nothing."""
    ranks = seen.report.rank_correlation if seen.report else ()
    least = campaign.search.min_rank_correlation
    if campaign.search.acquire is None or not ranks or max(ranks) >= least:
        return campaign, ()
    said = ", ".join(f"{rank:.2f}" for rank in ranks)
    note = f"the surrogate knows nothing (rank correlation {said}, below {least:g}): the density of real designs leads"
    return replace(campaign, search=replace(campaign.search, acquire=density_alone)), (note,)


def _ask_region(
    campaign: Campaign[D, B],
    space: LatentSpace[D, B],
    state: State[D],
    seen: RoundModel,
    index: int,
    n: int,
    *,
    is_known: Callable[[str], bool],
    watch: _Watch,
) -> tuple[list[Candidate[D]], Funnel]:
    """The share of the batch that one trust region asks for."""
    search, edits = campaign.search, campaign.mutations
    landscape = _landscape(campaign, space, state, seen, index)
    nearby = _Nearby.of(campaign, state, index) if edits and landscape is not None else None
    pools: list[Pool[D]] = []
    origins: list[str] = []
    inner, elites = landscape, nearby.parents if nearby else []
    best: list[int] = []
    n_before = 0
    for count in _shares(search.oversample * n, search.generations if landscape else 1):
        n_made = round(edits.fraction * count) if edits and nearby else 0
        with watch("propose"):
            proposals, names = _propose(search, inner, count - n_made, space)
            made = edits.mutate(elites, n_made, radius=nearby.radius) if edits and nearby and n_made else ()
        with watch("align"):
            found = decode_screen_encode(
                space,
                proposals,
                is_known=is_known,
                screens=campaign.screens,
                min_density_percentile=campaign.min_density_percentile,
                use_features=campaign.use_features and landscape is not None,
                made=made,
                settle=nearby.settle(edits.project, space) if edits and nearby and edits.project else None,
            )
        pools.append(found)
        origins += [*names, *([name_of(edits.mutate)] * len(made) if edits else ())]
        with watch("score"):
            pool = join_pools(pools)
            best = _best(search, landscape, pool, [*best, *range(n_before, len(pool))])
            n_before = len(pool)
            inner = replace(landscape, elites=pool.Z[best]) if landscape and len(best) else landscape
            if edits and nearby:
                elites = [*(pool.designs[i] for i in best[: edits.n_parents]), *nearby.parents][: 2 * edits.n_parents]
    pool = join_pools(pools)
    with watch("select"):
        picked, values = _pick(campaign, landscape, pool, n)
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
    campaign: Campaign[D, B], space: LatentSpace[D, B], state: State[D], seen: RoundModel, index: int
) -> Landscape | None:
    center = center_of(campaign, state, index) if state.regions else None
    if center is None:
        whole = torch.stack([seen.X[:, : space.d].amin(0), seen.X[:, : space.d].amax(0)]) if len(seen.X) else None
        return None if whole is None else seen.landscape(whole.mean(0), whole, space.log_density)
    return seen.landscape(center, state.regions[index].trust.bounds(center), space.log_density)


@dataclass(frozen=True, eq=False)
class _Nearby(Generic[D]):
    """What a trust region is in the space of designs: its best ones, its incumbent first, and a radius in edits."""

    parents: list[D]
    radius: int

    @classmethod
    def of(cls, campaign: Campaign[D, B], state: State[D], index: int) -> _Nearby[D] | None:
        """The region's own best designs, the best of the other regions, and of all; None while nothing is known."""
        assert campaign.mutations is not None
        n = campaign.mutations.n_parents
        held = [members(state, i) for i in range(len(state.regions))]
        own = held[index : index + 1]
        shares = [(n - n // 4, own), (max(1, n // (4 * max(1, len(held)))), held), (n, [list(state.history)])]
        ranked = [
            group[i] for share, groups in shares for group in groups for i in rank(campaign.utilities(group))[:share]
        ]
        trust = state.regions[index].trust if state.regions else None
        rows = first_occurrences(c.key for c in ranked)[:n]
        return cls([ranked[i].design for i in rows], campaign.mutations.radius(trust)) if rows else None

    def settle(
        self, project: ProjectToRadius, space: LatentSpace[D, B]
    ) -> Callable[[Tensor, list[D | None]], list[D | None]]:
        return lambda Z, designs: project(space, Z, designs, self.parents[0], self.radius)


def _best(search: Search, landscape: Landscape | None, pool: Pool[D], rows: Sequence[int]) -> list[int]:
    """The rows of the highest acquisition: the next generation is bred from them.

    Acquisition maximization is a search of its own, and what it climbs is worth measuring, not measured. The rows are
    the best ones so far and those of this generation: what fell behind once is not looked at again.
    """
    if landscape is None or search.acquire is None or not len(rows):
        return []
    values = merit(search.acquire(landscape), pool.X[rows]).nan_to_num(-math.inf)
    return [rows[i] for i in values.argsort(descending=True)[:N_ELITES].tolist()]


def _propose(search: Search, landscape: Landscape | None, n: int, space: LatentSpace[D, B]) -> tuple[Tensor, list[str]]:
    """`n x d` latent points from all proposers by their shares, and the name of the proposer of each.

    Without a landscape (nothing measured, or a search that asks no surrogate) they are draws from where designs are.
    """
    if landscape is None:
        return space.draw(n), ["draws"] * n
    return search_proposals(search, landscape, n)


def _pick(
    campaign: Campaign[D, B], landscape: Landscape | None, pool: Pool[D], n: int
) -> tuple[list[int], list[float]]:
    """Which designs of the pool to measure, and the acquisition values; in order of proposal without a landscape."""
    search, edits = campaign.search, campaign.mutations
    n = min(n, len(pool))
    if n == 0 or landscape is None or search.acquire is None:
        return list(range(n)), [math.nan] * n

    def is_apart(i: int, j: int) -> bool:
        return edits is None or edits.distance(pool.designs[i], pool.designs[j]) >= edits.min_distance

    picked, values = select(
        landscape,
        pool.X,
        n,
        acquire=search.acquire,
        shortlist=search.shortlist,
        min_distance=search.min_distance,
        is_apart=is_apart if edits and edits.min_distance > 0 else None,
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
