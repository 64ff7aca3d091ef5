"""Trust regions over the rounds: whose design is whose, what counts as a gain, where a spent region starts anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from invdesign.campaign.definition import Campaign, Region, State
from invdesign.core import Array, B, Candidate, D

FAILED = ("failed", "timeout", "crashed", "invalid")


def pareto_front(U: Array) -> list[int]:
    """Rows that no other row dominates (the maximum, for one objective); rows with NaN never count."""
    finite = np.flatnonzero(np.isfinite(U).all(axis=1))
    V = U[finite]
    if U.shape[1] == 1:
        return [int(finite[V[:, 0].argmax()])] if len(V) else []
    return [int(i) for i, v in zip(finite, V, strict=True) if not ((v <= V).all(1) & (v < V).any(1)).any()]


def rank(U: Array) -> list[int]:
    """Rows from best to worst: by how many rows dominate them, then by the mean of their scaled utilities."""
    finite = np.flatnonzero(np.isfinite(U).all(axis=1))
    V = U[finite]
    if not len(V):
        return []
    span = V.max(0) - V.min(0)
    score = ((V - V.min(0)) / np.where(span > 0, span, 1)).mean(1)
    n_above = np.zeros(len(V))
    if U.shape[1] > 1:
        n_above = np.array([((v <= V).all(1) & (v < V).any(1)).sum() for v in V])
    return [int(i) for i in finite[np.lexsort((-score, n_above))]]


def members(state: State[D], index: int) -> list[Candidate[D]]:
    """The designs of a trust region: its root and what was asked for it since it was born."""
    region = state.regions[index]
    return [c for c in state.history if c.key == region.root or (c.region == index and c.round > region.born)]


def new_root(campaign: Campaign[D, B], state: State[D], taken: Sequence[str]) -> str | None:
    """The elite design farthest from those taken: the best one while none is."""
    history = state.history
    elite = rank(campaign.utilities(history))
    if not elite:
        return None
    elite = elite[: max(20, len(elite) // 20)]
    places = {c.key: c.z for c in history}
    others = [places[key] for key in taken if key in places]
    if not others:
        return history[elite[0]].key
    away = torch.cdist(torch.stack([history[i].z for i in elite]), torch.stack(others)).amin(1)
    return history[elite[int(away.argmax())]].key


def close_round(campaign: Campaign[D, B], state: State[D]) -> State[D]:
    """Move a fully measured round into the history and let each trust region grow, shrink or start anew.

    A region starts anew when it is exhausted, or when it had nothing new to ask: in a small enough box the decoder
    knows no other designs. A round with designs still pending is returned as it is.
    """
    if any(c.status == "pending" for c in state.pending):
        return state
    batch = state.pending
    closed = replace(state, history=state.history + batch, pending=())
    regions, is_improved = [], []
    for index, region in enumerate(state.regions):
        before = campaign.utilities(members(state, index))
        after = campaign.utilities(members(closed, index))
        is_better = any(i >= len(before) for i in pareto_front(after)) and _is_clear_gain(before, after)
        trust = region.trust.update(is_improved=is_better)
        is_improved.append(is_better)
        is_barren = not any(c.region == index for c in batch)
        if (trust.is_exhausted or is_barren) and campaign.search.trust_region is not None:
            held = [members(closed, i)[j].key for i in range(len(state.regions)) for j in _best(campaign, closed, i)]
            root = new_root(campaign, closed, held) or region.root
            regions.append(Region(campaign.search.trust_region, root, state.round))
        else:
            regions.append(replace(region, trust=trust))
    if not state.regions and campaign.search.trust_region is not None:
        for _ in range(campaign.search.n_regions):
            first = new_root(campaign, closed, [r.root for r in regions])
            if first is not None:
                regions.append(Region(campaign.search.trust_region, first, state.round))
    U = campaign.utilities(closed.history)
    record = replace(
        state.records[-1],
        n_measured=sum(c.status == "measured" for c in batch),
        n_failed=sum(c.status in FAILED for c in batch),
        best=float(np.nanmax(U[:, 0])) if np.isfinite(U).any() else math.nan,
        lengths=tuple(r.trust.length for r in regions),
        is_improved=tuple(is_improved),
    )
    return replace(closed, regions=tuple(regions), records=(*state.records[:-1], record))


def _best(campaign: Campaign[D, B], state: State[D], index: int) -> list[int]:
    return pareto_front(campaign.utilities(members(state, index)))


def _is_clear_gain(before: Array, after: Array) -> bool:
    """TuRBO's margin for one objective: a gain below a thousandth of the incumbent is none."""
    if before.shape[1] > 1 or not np.isfinite(before).any():
        return True
    best = float(np.nanmax(before))
    return float(np.nanmax(after)) > best + 1e-3 * abs(best)
