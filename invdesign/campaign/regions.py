"""Trust-region bookkeeping: assignment of designs to regions, success criterion, restarts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from invdesign.campaign.engine import Engine
from invdesign.campaign.state import Region, RoundEnded, State
from invdesign.campaign.steering import steer_engine
from invdesign.core import FAILED, Array, B, Candidate, D, pareto_front, rank

MIN_RELATIVE_GAIN = 1e-3
"""Gain of the incumbent, relative to its utility, that counts as a success (TuRBO)."""


def members(state: State[D], index: int) -> list[Candidate[D]]:
    """Return the designs of a trust region: its root and those selected for it since it started."""
    region = state.regions[index]
    return [c for c in state.history if c.key == region.root or (c.region == index and c.round > region.born)]


def choose_root(engine: Engine[D, B], state: State[D], roots: Sequence[str]) -> str | None:
    """Return the key of the elite design farthest from given ones: the best design where none is given.

    A design that the latent space cannot write is no root: its latent is that of another design.
    """
    history = [c for c in state.history if c.is_placed]
    elite = rank(engine.campaign.ranking_utilities(history))
    if not elite:
        return None
    elite = elite[: max(20, len(elite) // 20)]
    latents = {c.key: c.z for c in history}
    others = [latents[key] for key in roots if key in latents]
    if not others:
        return history[elite[0]].key
    points = engine.latent_space.geometry.distance(torch.stack([history[i].z for i in elite]), torch.stack(others))
    return history[elite[int(points.amin(1).argmax())]].key


def end_round(engine: Engine[D, B], state: State[D]) -> RoundEnded:
    """Return the end of a round: each trust region grows, shrinks or restarts.

    A region restarts when it is exhausted, or when no new candidate was found in it: a small enough box decodes to no
    other designs. Designs that are still open count in the round in which they are measured.
    """
    engine = steer_engine(engine, state)
    campaign = engine.campaign
    finished = [c for c in state.pending if c.status != "pending"]
    closed = replace(state, history=(*state.history, *finished), pending=state.open)
    regions: list[Region] = []
    is_improved: list[bool] = []
    for index, region in enumerate(state.regions):
        is_better = _is_improved(engine, state, closed, index)
        is_improved.append(is_better)
        updated = region.update(is_improved=is_better)
        is_empty = not any(c.region == index for c in state.pending)
        if (updated.trust.is_exhausted or is_empty) and campaign.search.trust_region is not None:
            incumbents = [
                members(closed, i)[j].key for i in range(len(state.regions)) for j in _front(engine, closed, i)
            ]
            root = choose_root(engine, closed, incumbents) or region.root
            regions.append(Region(campaign.search.trust_region, root, state.round))
        else:
            regions.append(updated)
    if not state.regions and campaign.search.trust_region is not None:
        for _ in range(campaign.search.n_regions):
            first = choose_root(engine, closed, [r.root for r in regions])
            if first is not None:
                regions.append(Region(campaign.search.trust_region, first, state.round))
    U = campaign.admissible_utilities(closed.history)
    record = replace(
        state.records[-1],
        n_measured=sum(c.status == "measured" for c in finished),
        n_failed=sum(c.status in FAILED for c in finished),
        best=float(np.nanmax(U[:, 0])) if np.isfinite(U[:, 0]).any() else math.nan,
        lengths=tuple(r.trust.length for r in regions),
        is_improved=tuple(is_improved),
        is_ended=True,
    )
    return RoundEnded(tuple(regions), record)


def _is_improved(engine: Engine[D, B], state: State[D], closed: State[D], index: int) -> bool:
    """Return whether the round brought a region a new incumbent with a clear gain."""
    n_before = len(members(state, index))
    after = engine.campaign.constrained_utilities(members(closed, index))
    return any(i >= n_before for i in pareto_front(after)) and _is_clear_gain(after[:n_before], after)


def _front(engine: Engine[D, B], state: State[D], index: int) -> list[int]:
    return pareto_front(engine.campaign.constrained_utilities(members(state, index)))


def _is_clear_gain(before: Array, after: Array) -> bool:
    """Return whether the gain exceeds TuRBO's margin; always for several objectives."""
    if before.shape[1] > 1 or not np.isfinite(before).any():
        return True
    best = float(np.nanmax(before))
    return float(np.nanmax(after)) > best + MIN_RELATIVE_GAIN * abs(best)
