"""Selection of the next batch, in five steps: fit, propose, decode and screen, score and select, record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from invdesign.campaign.batch_conditions import BatchConditions, Taken, nearest_measured
from invdesign.campaign.engine import Engine
from invdesign.campaign.pool import Funnel, Pool, decode_screen_encode, describe_refused, join_pools
from invdesign.campaign.regions import members
from invdesign.campaign.round_model import RoundModel, fit_surrogates, incumbent, predict_properties
from invdesign.campaign.sharing import share_pool
from invdesign.campaign.state import BatchSelected, RoundRecord, State
from invdesign.campaign.steering import steer_engine
from invdesign.core import (
    B,
    Candidate,
    Constrained,
    D,
    Landscape,
    Objective,
    Progress,
    first_occurrences,
    rank,
    round_seed,
    silent,
)
from invdesign.core.memory import release_free_memory
from invdesign.search.acquisition import density_alone, log_pi
from invdesign.search.mutations import MutationPolicy, ProjectToRadius
from invdesign.search.search import Search, name_of
from invdesign.search.search import proposals as search_proposals
from invdesign.search.select import CHUNK, merit, select

N_ELITES = 100
"""Designs of the highest acquisition around which the next generation is proposed."""
N_DRAW_PARTS = 5
"""Parts in which designs are drawn without a surrogate, until the batch is full."""


def ask(
    engine: Engine[D, B], state: State[D], *, n: int | None = None, progress: Progress = silent
) -> BatchSelected[D]:
    """Select the next batch.

    Args:
        engine: The campaign bound to its latent space.
        state: What is known. Designs that are measured or pending are not proposed again; the surrogates are
            conditioned on the pending ones. Where a round is open, the new designs join it.
        n: Number of designs; by default the batch size, or what is left of the budget.
        progress: Called with `(stage, done, total)`.

    Returns:
        The candidates with the record of the round; no candidates where all proposals were filtered.
    """
    release_free_memory()
    engine, sharing_notes = share_pool(steer_engine(engine, state), state)
    campaign = engine.campaign
    is_extended = state.is_round_open
    number, stream = (state.round, f"after {state.n_calls} calls") if is_extended else (state.round + 1, "")
    earlier = state.records[-1] if is_extended else None
    left = campaign.limits.budget - state.n_calls
    # Designs of the open round that are measured count like those of ended rounds.
    state = replace(state, history=state.evaluated, pending=state.open)
    n = max(0, min(campaign.limits.batch if n is None else n, left))
    timer = _Timer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(round_seed(campaign.seed, number, stream))
        with timer("fit"):
            model = fit_surrogates(engine, state)
        search, gate_notes = choose_search(engine, state, model)
        excluded = {c.key for c in (*state.history, *state.pending)}

        def is_excluded(key: str) -> bool:
            return key in excluded or key in engine.excluded

        selections: list[_Selection[D]] = []
        taken = [Taken(c.design, c.parents) for c in state.open]
        shares = _shares(n, state)
        for index, share in enumerate(shares):
            if len(shares) > 1:
                progress(f"round {number}: proposing in trust regions", index, len(shares))
            region = _Region(engine, state, model, search, index, share, timer, taken)
            selection = region.select(is_excluded)
            selections.append(selection)
            if index + 1 < len(shares):
                taken = [*taken, *selection.taken(engine, state)]
            excluded.update(selection.pool.keys[i] for i in selection.rows)
        with timer("predict"):
            candidates = _candidates(engine, state, model, selections, number)
    funnel = sum((s.funnel for s in selections), Funnel())
    record = RoundRecord(
        number,
        funnel=funnel,
        fallback_level=model.fitted.fallback_level if model.fitted else "none",
        surrogate=model.report,
        calibration=model.calibration,
        seconds=timer.seconds,
        notes=(*model.notes, *gate_notes, *sharing_notes, *(() if candidates else (_empty_note(funnel),))),
    )
    return BatchSelected(tuple(candidates), record if earlier is None else _extend(earlier, record))


def _extend(earlier: RoundRecord, record: RoundRecord) -> RoundRecord:
    """Return the record of a round to which designs were added."""
    names = dict.fromkeys((*earlier.seconds, *record.seconds))
    seconds = {name: earlier.seconds.get(name, 0.0) + record.seconds.get(name, 0.0) for name in names}
    notes = tuple(dict.fromkeys((*earlier.notes, *record.notes)))
    return replace(record, funnel=earlier.funnel + record.funnel, seconds=seconds, notes=notes)


def choose_search(engine: Engine[D, B], state: State[D], model: RoundModel) -> tuple[Search, tuple[str, ...]]:
    """Return the search of this round, with remarks.

    Where a batch of measured designs lies inside every window that is a goal, no design can be better: the search goes
    on inside, by the probability of lying there and by the density of real designs.
    """
    campaign = engine.campaign
    search, notes = gate_search(campaign.search, model)
    evaluated = state.evaluated
    rows = np.flatnonzero(np.isfinite(campaign.admissible_utilities(evaluated)).all(axis=1)).tolist()
    n_met = count_inside(campaign.objectives, [evaluated[row] for row in rows])
    if notes or search.acquire is None or n_met < campaign.limits.batch:
        return search, notes
    note = (
        f"{n_met:,} measured designs lie inside every window: candidates are selected by the probability of "
        "lying there and by the density of real designs"
    )
    return replace(search, acquire=log_pi), (note,)


def count_inside(objectives: Sequence[Objective], measured: Sequence[Candidate[D]]) -> int:
    """Return how many measured designs lie inside the windows of all objectives; 0 where a goal is no window."""
    if not all(isinstance(objective.goal, tuple) for objective in objectives if objective.is_improved):
        return 0
    return sum(all(o.is_inside(y) for o, y in zip(objectives, c.y, strict=True)) for c in measured)


def gate_search(search: Search, model: RoundModel) -> tuple[Search, tuple[str, ...]]:
    """Return the search of this round: where the surrogate ranks no better than its limit, the density decides."""
    correlations = model.report.rank_correlation if model.report else ()
    limit = search.min_rank_correlation
    if search.acquire is None or not correlations or max(correlations) >= limit:
        return search, ()
    shown = ", ".join(f"{value:.2f}" for value in correlations)
    note = (
        f"the rank correlation of the surrogate on held-out designs is {shown}, below {limit:g}: candidates are "
        "selected by the density of real designs"
    )
    return replace(search, acquire=density_alone), (note,)


def _empty_note(funnel: Funnel) -> str:
    n_known, n_screened = funnel.unique - funnel.novel, funnel.novel - funnel.screened
    return (
        f"no new candidates in this round: of {funnel.proposed:,} proposals {funnel.proposed - funnel.decoded:,} "
        f"decoded to no design, {funnel.decoded - funnel.unique:,} were repeats, {n_known:,} known and "
        f"{n_screened:,} screened out" + (f" ({describe_refused(funnel)})" if funnel.refused else "")
    )


@dataclass(frozen=True, eq=False)
class _Selection(Generic[D]):
    """The part of the batch that one trust region contributes."""

    region: int
    pool: Pool[D]
    rows: list[int]
    origins: list[str]
    values: list[float]

    @property
    def funnel(self) -> Funnel:
        return replace(self.pool.funnel, selected=len(self.rows))

    def taken(self, engine: Engine[D, B], state: State[D]) -> list[Taken[D]]:
        """Return the selected designs with their parents."""
        parents = nearest_measured(engine, state, self.pool.proposals[self.rows])
        return [Taken(self.pool.designs[i], keys) for i, keys in zip(self.rows, parents, strict=True)]


class _Region(Generic[D, B]):
    """Proposals, pool and selection of one trust region."""

    def __init__(
        self,
        engine: Engine[D, B],
        state: State[D],
        model: RoundModel,
        search: Search,
        index: int,
        n: int,
        timer: _Timer,
        taken: Sequence[Taken[D]],
    ) -> None:
        self.taken = taken
        self.engine, self.state, self.search, self.index, self.n, self.timer = engine, state, search, index, n, timer
        self.limit_feasibility = model.limit_feasibility
        self.landscape = region_landscape(engine, state, model, index)
        policy = engine.campaign.mutations
        self.nearby = _Nearby.of(engine, state, policy, index) if policy else None

    def select(self, is_excluded: Callable[[str], bool]) -> _Selection[D]:
        """Grow a pool over several generations, and select this region's share of the batch."""
        pools: list[Pool[D]] = []
        origins: list[str] = []
        around = self.landscape
        parents = self.nearby.parents if self.nearby else []
        best: list[int] = []
        n_before = 0
        n_parts = self.search.generations if self.landscape else N_DRAW_PARTS
        counts = _split(self.search.oversample * self._n_proposals(), n_parts)
        for n_latent, n_mutated in self._latent_and_mutated(counts):
            pool, names = self._generation(around, parents, n_latent, n_mutated, is_excluded)
            pools.append(pool)
            origins += names
            with self.timer("score"):
                pool = join_pools(pools)
                best = _best_rows(self.search, self.landscape, pool, [*best, *range(n_before, len(pool))])
                n_before = len(pool)
                around = replace(self.landscape, elites=pool.Z[best]) if self.landscape and best else self.landscape
                if self.nearby:
                    parents = self.nearby.parents_with([pool.designs[i] for i in best])
            if self.landscape is None and len(pool) >= self.n:
                # Without a surrogate the first designs are selected: further draws are of no use.
                break
        pool = join_pools(pools)
        with self.timer("select"):
            rows, values = self._pick(pool)
        return _Selection(self.index, pool, rows, [origins[pool.source[i]] for i in rows], values)

    def _n_proposals(self) -> int:
        """Return for how many designs there are proposals: in an asynchronous search one has those of a batch."""
        limits = self.engine.campaign.limits
        n_batch = limits.batch // max(1, len(self.state.regions)) if limits.n_in_flight and self.n else 0
        return max(self.n, n_batch)

    def _latent_and_mutated(self, counts: Sequence[int]) -> list[tuple[int, int]]:
        """Return how many latent points and mutated designs each generation of `counts` proposals has."""
        if not self.nearby:
            return [(n, 0) for n in counts]
        n_mutated = [round(self.nearby.policy.fraction * n) for n in counts]
        n_latent = [n - mutated for n, mutated in zip(counts, n_mutated, strict=True)]
        n_parts = self.search.latent_generations
        if n_parts is not None:
            n_latent = [*_split(sum(n_latent), n_parts), *[0] * (len(counts) - n_parts)]
        return list(zip(n_latent, n_mutated, strict=True))

    def _generation(
        self,
        around: Landscape | None,
        parents: list[D],
        n_latent: int,
        n_mutated: int,
        is_excluded: Callable[[str], bool],
    ) -> tuple[Pool[D], list[str]]:
        """Return the pool of one generation of proposals, and the name of the proposer of each."""
        campaign, latent_space, nearby = self.engine.campaign, self.engine.latent_space, self.nearby
        with self.timer("propose"):
            if around is None:
                # Nothing is measured, or the search uses no surrogate: draws from the aggregate posterior.
                proposals, names = latent_space.draw(n_latent), ["draws"] * n_latent
            else:
                proposals, names = search_proposals(self.search, around, n_latent)
            mutated = nearby.mutate(parents, n_mutated) if nearby and n_mutated else []
        reads_features = campaign.surrogates.use_features and self.landscape is not None
        with self.timer("decode"):
            pool = decode_screen_encode(
                latent_space,
                proposals,
                is_excluded=is_excluded,
                screens=campaign.screens,
                min_plausibility=campaign.filters.min_plausibility,
                features=self.engine.features.compute if reads_features else None,
                mutated=mutated,
                project=nearby.projection(latent_space) if nearby else None,
                adapt=campaign.domain.adapt if isinstance(campaign.domain, Constrained) else None,
            )
        return pool, [*names, *([nearby.name] * len(mutated) if nearby else ())]

    def _pick(self, pool: Pool[D]) -> tuple[list[int], list[float]]:
        """Return the rows of the pool to measure, and their acquisition values; in order of proposal without one."""
        batch = BatchConditions(self.engine, self.state, pool, self.taken)
        n = min(self.n, len(pool))
        landscape, acquire = self.landscape, self.search.acquire
        if n == 0 or landscape is None or acquire is None:
            rows = batch.first(n)
            return rows, [math.nan] * len(rows)
        left = self._probably_admissible(pool, n)
        left = left[batch.restrict(left.tolist(), lambda: merit(acquire(landscape), pool.X[left]), n)]
        rows, values = [], []
        while len(rows) < n:
            # Further passes are made only where conditions left too few of the points that were considered jointly.
            left = left[torch.from_numpy(batch.is_open[left.numpy()])]
            picked, value = self._select(pool, left, n - len(rows), batch)
            rows += picked
            values += value
            if not picked or not batch.is_limited:
                break
        return rows, values

    def _select(
        self, pool: Pool[D], left: Tensor, n: int, batch: BatchConditions[D, B]
    ) -> tuple[list[int], list[float]]:
        """Return `n` of some rows of the pool, selected jointly, and their acquisition values."""
        assert self.landscape is not None
        policy = self.engine.campaign.mutations

        def is_apart(i: int, j: int) -> bool:
            first, second = pool.designs[left[i]], pool.designs[left[j]]
            return policy is None or policy.distance(first, second) >= policy.min_distance

        def close(i: int) -> Tensor:
            batch.add(int(left[i]))
            return ~torch.from_numpy(batch.is_open[left.numpy()])

        rows, values = select(
            self.landscape,
            pool.X[left],
            n,
            acquire=self.search.acquire,
            shortlist=self.search.shortlist,
            min_distance=self.search.min_distance,
            is_apart=is_apart if policy and policy.min_distance > 0 else None,
            close=close if batch.is_limited else None,
        )
        return left[rows].tolist(), values.tolist()

    @torch.no_grad()
    def _probably_admissible(self, pool: Pool[D], n: int) -> Tensor:
        """Return the rows of the pool that probably keep the outcome constraints, at least the `n` most probable."""
        if self.limit_feasibility is None:
            return torch.arange(len(pool))
        log_probability = torch.cat([self.limit_feasibility(rows) for rows in torch.split(pool.X, CHUNK)])
        is_left = log_probability.exp() >= self.engine.campaign.filters.min_feasibility
        is_left[log_probability.argsort(descending=True)[:n]] = True
        return is_left.nonzero()[:, 0]


@dataclass(frozen=True, eq=False)
class _Nearby(Generic[D]):
    """A trust region in the space of designs: its best designs, the incumbent first, and a radius in edits."""

    policy: MutationPolicy
    parents: list[D]
    radius: int

    @classmethod
    def of(cls, engine: Engine[D, B], state: State[D], policy: MutationPolicy, index: int) -> _Nearby[D] | None:
        """Return the region's own best designs, the best of the other regions, and of all; None without any."""
        n = policy.n_parents
        groups = [[c for c in members(state, i) if c.is_placed] for i in range(len(state.regions))]
        shares = [
            (n - n // 4, groups[index : index + 1]),
            (max(1, n // (4 * max(1, len(groups)))), groups),
            (n, [[c for c in state.history if c.is_placed]]),
        ]
        ranked: list[Candidate[D]] = []
        for share, part in shares:
            for group in part:
                ranked += [group[i] for i in rank(engine.campaign.ranking_utilities(group))[:share]]
        rows = first_occurrences(c.key for c in ranked)[:n]
        trust = state.regions[index].trust if state.regions else None
        return cls(policy, [ranked[i].design for i in rows], policy.radius(trust)) if rows else None

    @property
    def name(self) -> str:
        return name_of(self.policy.mutate)

    def mutate(self, parents: Sequence[D], n: int) -> Sequence[D]:
        return self.policy.mutate(parents, n, radius=self.radius)

    def parents_with(self, best: Sequence[D]) -> list[D]:
        """Return the parents of the next generation: designs of the highest acquisition, then the best measured."""
        n = self.policy.n_parents
        return [*best[:n], *self.parents][: 2 * n]

    def projection(self, latent_space: object) -> Callable[[Tensor, list[D | None]], list[D | None]] | None:
        """Return what brings decoded designs into the radius around the incumbent; None where the policy has none."""
        project: ProjectToRadius | None = self.policy.project
        if project is None:
            return None
        return lambda Z, designs: project(latent_space, Z, designs, self.parents[0], self.radius)


def region_landscape(engine: Engine[D, B], state: State[D], model: RoundModel, index: int) -> Landscape | None:
    """Return the landscape of a trust region; of the whole history where there are no regions."""
    log_density = engine.latent_space.log_density
    center = incumbent(engine, state, index) if state.regions else None
    if center is not None:
        return model.landscape(center, state.regions[index].trust.bounds(center), log_density)
    if not len(model.X):
        return None
    Z = model.X[:, : engine.latent_space.d]
    box = torch.stack([Z.amin(0), Z.amax(0)])
    return model.landscape(box.mean(0), box, log_density)


def _best_rows(search: Search, landscape: Landscape | None, pool: Pool[D], rows: Sequence[int]) -> list[int]:
    """Return the rows of the highest acquisition: the next generation is proposed around them.

    `rows` are the best rows so far and those of this generation; others are not scored again.
    """
    if landscape is None or search.acquire is None or not len(rows):
        return []
    values = merit(search.acquire(landscape), pool.X[rows]).nan_to_num(-math.inf)
    return [rows[i] for i in values.argsort(descending=True)[:N_ELITES].tolist()]


def _candidates(
    engine: Engine[D, B], state: State[D], model: RoundModel, selections: Sequence[_Selection[D]], number: int
) -> list[Candidate[D]]:
    """Return the selected designs as candidates, with predictions and parents."""
    X = torch.cat([s.pool.X[s.rows] for s in selections if s.rows]) if any(s.rows for s in selections) else model.X[:0]
    predictions = predict_properties(engine, model, X)
    candidates: list[Candidate[D]] = []
    for selection in selections:
        pool, rows = selection.pool, selection.rows
        parents = nearest_measured(engine, state, pool.proposals[rows])
        plausibility = engine.latent_space.plausibility([pool.designs[i] for i in rows], pool.Z[rows])
        percentiles = engine.latent_space.percentile(plausibility).tolist()
        columns = (rows, selection.origins, selection.values, parents, percentiles)
        for i, origin, value, keys, percentile in zip(*columns, strict=True):
            predicted = predictions[len(candidates)]
            candidates.append(
                Candidate(
                    pool.designs[i],
                    pool.keys[i],
                    pool.Z[i],
                    round=number,
                    origin=origin,
                    parents=keys,
                    region=selection.region,
                    mean=predicted.mean,
                    sd=predicted.sd,
                    quantiles=predicted.quantiles,
                    acquisition=value,
                    log_density=float(pool.log_density[i]),
                    percentile=percentile,
                    checks=pool.checks[i],
                    name=engine.names.get(pool.keys[i], ""),
                )
            )
    return candidates


def _shares(n: int, state: State[Any]) -> list[int]:
    """Return how many designs each trust region contributes; fewer designs than regions take turns."""
    shares = _split(n, max(1, len(state.regions)))
    turn = state.n_calls % len(shares) if n < len(shares) else 0
    return shares[-turn:] + shares[:-turn]


def _split(n: int, n_parts: int) -> list[int]:
    """Return `n` split as evenly as whole numbers allow."""
    return [n // n_parts + (i < n % n_parts) for i in range(n_parts)]


class _Timer:
    """Seconds spent per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
