"""Designs that are audited: those of a file as the corpus is read, and those of a run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from invdesign.atlas.audit import Auditor
from invdesign.campaign import Campaign
from invdesign.core import Alignable, Candidate, Corpus, D, Domain, InvdesignError

LEVEL = 0.01
MAX_AUDITED = 300
"""Designs of each kind that are audited for a report, evenly drawn."""


def read_as_corpus(campaign: Campaign[Any, Any], path: Path) -> Corpus[Any]:
    """Return the designs of a file, read as the corpus of a campaign is read.

    Raises:
        InvdesignError: The campaign has no corpus, or one that is not read from a file.
    """
    load: Any = campaign.corpus
    known = inspect.signature(load).parameters if load is not None else {}
    if load is None or "path" not in known:
        raise InvdesignError("audit: expected a corpus that is read from a file, got none. Leave out --as-corpus")
    unpinned = {"is_pinned": False} if "is_pinned" in known else {}
    found: Corpus[Any] = load(path=path, **unpinned)
    return found


def align_to_corpus(domain: Domain[D, Any], given: Corpus[D], corpus: Corpus[D] | None) -> Corpus[D]:
    """Return designs in the columns of the corpus.

    Raises:
        InvdesignError: The designs of the domain cannot be aligned, or there is no corpus.
    """
    if corpus is None or not isinstance(domain, Alignable):
        raise InvdesignError("audit: --align needs sequences and an aligned corpus. Leave it out")
    return replace(given, designs=tuple(domain.align(given.designs, corpus.designs)))


def kinds_of(evaluated: Sequence[Candidate[D]], shortlist: Sequence[Candidate[D]]) -> dict[str, list[Candidate[D]]]:
    """Return the designs of a run by kind: candidates of the shortlist, seed designs, and the others measured."""
    chosen = {candidate.key for candidate in shortlist}
    others = [candidate for candidate in evaluated if candidate.key not in chosen]
    return {
        "candidates": list(shortlist),
        "seed designs": [candidate for candidate in others if candidate.round == 0],
        "measured designs": [candidate for candidate in others if candidate.round > 0],
    }


def note_unlike(auditor: Auditor[D, Any], kinds: dict[str, list[Candidate[D]]]) -> list[str]:
    """Return a sentence that states how many designs of a run are unlike real ones, by kind.

    Args:
        auditor: The auditor of the model.
        kinds: Designs by kind, see `kinds_of`.
    """
    shares = []
    for kind, found in kinds.items():
        drawn = found[:: max(1, -(-len(found) // MAX_AUDITED))]
        if drawn:
            n_flagged = int((auditor.p_values([candidate.design for candidate in drawn]) <= LEVEL).sum())
            shares.append(f"{n_flagged:,} of {len(drawn):,} {kind}")
    if not shares:
        return []
    return [
        f"{', '.join(shares)} are as unlike real designs as {100 * LEVEL:g} % of these are (invdesign audit --run "
        "shows which, and where)."
    ]
