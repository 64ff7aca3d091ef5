"""Why a search no longer improves, or has no candidates: what its rounds have in common, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from invdesign.campaign.pool import Funnel, describe_refused
from invdesign.campaign.state import RoundRecord, State
from invdesign.core import FAILED, GIVEN

MIN_ROUNDS = 3
"""Rounds without an improvement that are a stall."""
MIN_SHARE = 0.2
"""Share of proposals below which a step of a round is named as a cause."""
MIN_RANK_CORRELATION = 0.2
"""Rank correlation below which the surrogate is named as a cause."""


def explain_stall(records: Sequence[RoundRecord]) -> str:
    """Return why the last rounds did not improve on the best design, and what was done; empty where they did.

    Args:
        records: Records of all rounds, oldest first.

    Example:
        >>> rounds = [RoundRecord(0, best=1.0, is_ended=True)]
        >>> rounds += [RoundRecord(i, Funnel(500, 500, 400, 20, 20, 20), best=1.0, is_ended=True) for i in (1, 2, 3)]
        >>> print(explain_stall(rounds))
        no improvement in 3 rounds: 5 % of the distinct proposals were new designs (take a larger corpus or region)
    """
    ended = [record for record in records if record.is_ended]
    stalled = _stalled(ended)
    if len(stalled) < MIN_ROUNDS:
        return ""
    causes = [*_pool_causes(stalled), *_surrogate_causes(stalled)]
    reason = "; ".join(causes) or (
        "proposals were new and passed the screens, and the surrogate ranks designs (other mutations, another seed or "
        "a larger corpus may find more)"
    )
    done = _reactions(ended[-len(stalled) - 1], stalled)
    return f"no improvement in {len(stalled)} rounds: {reason}" + (f". Meanwhile {done}" if done else "")


def explain_no_candidates(state: State[Any], budget: int) -> str:
    """Return why a run has no candidates.

    Args:
        state: State of the run.
        budget: Oracle calls in all.
    """
    calls = [c for c in state.history if c.origin != GIVEN]
    failed = [c for c in calls if c.status in FAILED]
    proposed = [c for c in state.history if c.round > 0]
    if calls and len(failed) == len(calls):
        return f"none of the {len(calls):,} oracle calls returned a value; the last reason: {failed[-1].reason}"
    if not proposed and state.n_calls >= budget:
        n = state.n_calls
        return f"the budget of {n:,} calls was spent on the {n:,} seed designs. Raise budget, or lower n_seeds"
    if not proposed:
        funnel = sum((record.funnel for record in state.records), Funnel())
        refused = describe_refused(funnel)
        return (
            f"no design was proposed in {state.round} rounds: of {funnel.proposed:,} proposals {funnel.novel:,} "
            f"were new designs, {funnel.screened:,} passed the screens"
            + (f" (refused by {refused})" if refused else "")
        )
    if all(c.status in FAILED for c in proposed):
        return f"none of the {len(proposed):,} proposed designs could be measured; {proposed[-1].reason}"
    return "no measured design passed every validator"


def _stalled(ended: Sequence[RoundRecord]) -> list[RoundRecord]:
    """Return the rounds at the end that did not improve on the best utility before them."""
    n = 0
    while n + 1 < len(ended) and not ended[-n - 1].best > ended[-n - 2].best and math.isfinite(ended[-n - 2].best):
        n += 1
    return list(ended[len(ended) - n :])


def _pool_causes(stalled: Sequence[RoundRecord]) -> list[str]:
    """Return which step of the rounds left few designs."""
    funnel = sum((record.funnel for record in stalled), Funnel())
    causes = []
    if funnel.proposed and funnel.decoded < MIN_SHARE * funnel.proposed:
        share = f"{100 * funnel.decoded / funnel.proposed:.0f} %"
        causes.append(f"{share} of the proposals decoded to a design (take a smaller trust region)")
    if funnel.unique and funnel.novel < MIN_SHARE * funnel.unique:
        share = f"{100 * funnel.novel / funnel.unique:.0f} %"
        causes.append(f"{share} of the distinct proposals were new designs (take a larger corpus or region)")
    if funnel.novel and funnel.screened < MIN_SHARE * funnel.novel:
        share = f"{100 * funnel.screened / funnel.novel:.0f} %"
        refused = describe_refused(funnel)
        causes.append(f"{share} of the new designs passed the screens (refused by {refused or 'the density limit'})")
    return causes


def _surrogate_causes(stalled: Sequence[RoundRecord]) -> list[str]:
    """Return whether the surrogate ranked no designs."""
    ranks = [max(r.surrogate.rank_correlation) for r in stalled if r.surrogate and r.surrogate.rank_correlation]
    if not ranks or sum(ranks) / len(ranks) >= MIN_RANK_CORRELATION:
        return []
    mean = sum(ranks) / len(ranks)
    return [
        f"the surrogate's rank correlation on held-out designs was {mean:.2f} (more seed designs, repeats of "
        "measurements or a property head may help)"
    ]


def _reactions(before: RoundRecord, stalled: Sequence[RoundRecord]) -> str:
    """Return what the search did in the stalled rounds."""
    done = []
    n_shrunk = n_restarted = 0
    for old, new in pairwise((before, *stalled)):
        steps = zip(old.lengths, new.lengths, new.is_improved or (False,) * len(new.lengths), strict=False)
        for length, next_length, is_improved in steps:
            n_shrunk += next_length < length
            n_restarted += next_length > length and not is_improved
    if n_shrunk:
        done.append(f"trust regions shrank {n_shrunk} time{'s' * (n_shrunk > 1)}, to {min(stalled[-1].lengths):.2g}")
    if n_restarted:
        done.append(f"{n_restarted} restarted elsewhere")
    if any(record.is_finetuned for record in stalled):
        done.append("the VAE was fine-tuned")
    return ", ".join(done)
