"""The shortlist: the best measured designs that pass every validator."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace

from invdesign.campaign.definition import Campaign
from invdesign.campaign.engine import Engine
from invdesign.campaign.pool import run_checks
from invdesign.campaign.state import State
from invdesign.core import B, Candidate, D, rank


def shortlist(engine: Engine[D, B], state: State[D]) -> list[Candidate[D]]:
    """Return the best measured designs that pass every validator, best first, each with its checks.

    Seed designs and designs of the corpus are no candidates, since they exist; where the campaign allows designs of the
    corpus, they are.
    """
    return rank_shortlist(engine.campaign, validate_candidates(engine.campaign, state, excluded=engine.excluded))


def validate_candidates(
    campaign: Campaign[D, B], state: State[D], *, excluded: Container[str] = frozenset()
) -> list[Candidate[D]]:
    """Return every measured design that the campaign proposed, with the results of all validators.

    Args:
        campaign: Its validators check.
        state: What is known.
        excluded: Keys of designs that exist.
    """
    if campaign.filters.allow_corpus_designs:
        excluded = frozenset()
    own = [c for c in state.evaluated if c.round > 0 and c.status == "measured" and c.key not in excluded]
    results = run_checks(campaign.filters.validators, [c.design for c in own])
    return [replace(c, checks=c.checks + checks) for c, checks in zip(own, results, strict=True)]


def rank_shortlist(campaign: Campaign[D, B], validated: Sequence[Candidate[D]]) -> list[Candidate[D]]:
    """Return the shortlist among validated candidates, best first; of equal ones the more plausible first.

    Designs within a window are equal.
    """
    valid = sorted((c for c in validated if c.is_valid), key=_implausibility)
    return [valid[i] for i in rank(campaign.utilities(valid))[: campaign.output.n_shortlist]] if valid else []


def _implausibility(candidate: Candidate[D]) -> float:
    return math.inf if math.isnan(candidate.percentile) else -candidate.percentile


def count_failures(validated: Sequence[Candidate[D]]) -> dict[str, int]:
    """Return the number of candidates that fail each check, the most frequent first; a design may fail several."""
    return dict(Counter(check.name for c in validated for check in c.checks if not check.passed).most_common())
