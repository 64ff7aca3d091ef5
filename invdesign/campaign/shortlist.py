"""The shortlist: the best measured designs that pass every validator."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace

from invdesign.campaign.definition import Campaign
from invdesign.campaign.diversity import pick_diverse
from invdesign.campaign.engine import Engine
from invdesign.campaign.pool import run_checks
from invdesign.campaign.state import State
from invdesign.campaign.steering import steer_engine
from invdesign.core import B, Candidate, Check, D, rank


def shortlist(engine: Engine[D, B], state: State[D]) -> list[Candidate[D]]:
    """Return the best measured designs that pass every validator, best first, each with its checks.

    Seed designs and designs of the corpus are no candidates, since they exist; where the campaign allows designs of the
    corpus, they are.
    """
    campaign = steer_engine(engine, state).campaign
    return rank_shortlist(campaign, validate_candidates(campaign, state, excluded=engine.excluded))


def validate_candidates(
    campaign: Campaign[D, B], state: State[D], *, excluded: Container[str] = frozenset()
) -> list[Candidate[D]]:
    """Return every measured design that the campaign proposed, with the results of all validators and constraints.

    Args:
        campaign: Its validators check.
        state: What is known.
        excluded: Keys of designs that exist.
    """
    if campaign.filters.allow_corpus_designs:
        excluded = frozenset()
    own = [c for c in state.evaluated if c.round > 0 and c.status == "measured" and c.key not in excluded]
    results = run_checks(campaign.filters.validators, [c.design for c in own])
    return [
        replace(c, checks=c.checks + checks + check_constraints(campaign, c))
        for c, checks in zip(own, results, strict=True)
    ]


def check_constraints(campaign: Campaign[D, B], candidate: Candidate[D]) -> tuple[Check, ...]:
    """Return a check for each outcome constraint of a measured design; an unknown value fails."""
    values = dict(zip((objective.name for objective in campaign.objectives), candidate.y, strict=True))
    return tuple(
        Check(str(limits), limits.is_met(values[limits.name]), f"{values[limits.name]:.4g}")
        for limits in campaign.task.limits
    )


def rank_shortlist(campaign: Campaign[D, B], validated: Sequence[Candidate[D]]) -> list[Candidate[D]]:
    """Return the shortlist among validated candidates, best first; of equal ones the more plausible first.

    Designs within a window are equal. Of designs that may not be listed together, the best one is.
    """
    valid = sorted((c for c in validated if c.is_valid), key=_implausibility)
    if not valid:
        return []
    ranked = [valid[i] for i in rank(campaign.utilities(valid))]
    output, designs = campaign.output, [c.design for c in ranked]
    return [ranked[i] for i in pick_diverse(output.shortlist_diversity, campaign.domain, designs, output.n_shortlist)]


def _implausibility(candidate: Candidate[D]) -> float:
    return math.inf if math.isnan(candidate.percentile) else -candidate.percentile


def count_failures(validated: Sequence[Candidate[D]]) -> dict[str, int]:
    """Return the number of candidates that fail each check, the most frequent first; a design may fail several."""
    return dict(Counter(check.name for c in validated for check in c.checks if not check.passed).most_common())
