"""Shares of proposers in the pool of a round; they follow from the history alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from invdesign.campaign.definition import Campaign
from invdesign.campaign.engine import Engine
from invdesign.campaign.state import State
from invdesign.core import B, D, rank
from invdesign.search.search import name_of


def share_pool(engine: Engine[D, B], state: State[D]) -> tuple[Engine[D, B], tuple[str, ...]]:
    """Return the engine with the shares of the next pool, and a note that states them; unchanged with fixed shares.

    Args:
        engine: The campaign, after steering.
        state: The history decides the shares; designs of an open round do not count yet.
    """
    campaign = engine.campaign
    sharing = campaign.search.sharing
    if sharing is None or campaign.search.acquire is None:
        return engine, ()
    configured = configured_shares(campaign)
    finds = count_finds(campaign, state, sharing.n_best)
    shares = sharing.shares(configured, finds)
    note = _describe(shares, _last_batch(state), sum(finds, Counter()))
    return replace(engine, campaign=_with_shares(campaign, configured, shares)), (note,)


def configured_shares(campaign: Campaign[D, B]) -> dict[str, float]:
    """Return the configured share of each proposer in the pool, mutation included; those of one name together."""
    policy, search = campaign.mutations, campaign.search
    fraction = policy.fraction if policy else 0.0
    names = [name_of(proposer) for proposer in search.propose]
    shares = dict.fromkeys(names, 0.0)
    for name, weight in zip(names, search.weights, strict=True):
        shares[name] += (1 - fraction) * weight / sum(search.weights)
    if policy:
        name = name_of(policy.mutate)
        shares[name] = shares.get(name, 0.0) + fraction
    return shares


def count_finds(campaign: Campaign[D, B], state: State[D], n_best: int) -> list[Counter[str]]:
    """Return the number of finds by origin in each round that has ended, oldest first.

    A find is a design that is among the `n_best` best designs when its round has ended: by utility, or front by front
    for several objectives.
    """
    history = state.history
    U = campaign.ranking_utilities(history)
    rows: dict[int, list[int]] = {}
    for i, candidate in enumerate(history):
        rows.setdefault(candidate.round, []).append(i)
    best: list[int] = []
    finds: list[Counter[str]] = []
    for number in range(max(rows, default=0) + 1):
        new = rows.get(number, [])
        known = [*best, *new]
        best = [known[j] for j in rank(U[known])[:n_best]]
        if number:
            finds.append(Counter(history[i].origin for i in best if history[i].round == number))
    return finds


def _with_shares(campaign: Campaign[D, B], configured: dict[str, float], shares: dict[str, float]) -> Campaign[D, B]:
    """Return the campaign with the weights of its proposers, and the fraction of mutations, by their shares."""
    policy, search = campaign.mutations, campaign.search
    names = [name_of(proposer) for proposer in search.propose]
    factors = {name: shares[name] / configured[name] if configured[name] > 0 else 1.0 for name in shares}
    weights = tuple(weight * factors[name] for name, weight in zip(names, search.weights, strict=True))
    if policy:
        policy = replace(policy, fraction=min(1.0, policy.fraction * factors[name_of(policy.mutate)]))
    return replace(campaign, search=replace(search, weights=weights), mutations=policy)


def _last_batch(state: State[D]) -> Counter[str]:
    """Return the number of measured designs of the newest round that has ended, by origin; empty before round 1."""
    newest = max((c.round for c in state.history), default=0)
    if not newest:
        return Counter()
    return Counter(c.origin for c in state.history if c.round == newest)


def _describe(shares: dict[str, float], batch: Counter[str], finds: Counter[str]) -> str:
    """Return the share of each proposer in the pool, in the last batch and in all finds, in words."""
    n_batch, n_finds = (sum(counts[name] for name in shares) for counts in (batch, finds))
    parts = []
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        part = f"{name} {100 * share:.0f} % of the pool"
        if n_batch:
            percentage = 100 * batch[name] / n_batch
            part += f" ({percentage:.0f} % of the batch before, {finds[name]} of {n_finds} finds)"
        parts.append(part)
    return f"proposals are shared by what they found: {', '.join(parts)}"
