"""Designs that are audited: those of a file as the corpus is read, and those of a run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.atlas.audit import Auditor
from invdesign.atlas.audit_files import stored_auditor
from invdesign.campaign import Campaign
from invdesign.core import Alignable, B, Candidate, Corpus, D, Domain, InvdesignError
from invdesign.report.latent_map import LatentMap

if TYPE_CHECKING:
    from invdesign.runs.campaign_run import CampaignRun

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


def with_labels_of(auditor: Auditor[D, B], given: Corpus[D]) -> Auditor[D, B]:
    """Return an auditor that rates designs under the conditions that their labels state, e.g. their laboratory.

    Designs without labels are rated under the condition in which the model decodes.
    """
    measures = auditor.measures
    latent_space = measures.latent_space.with_labels(given.designs, given.labels)
    return replace(auditor, measures=replace(measures, latent_space=latent_space))


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


def stored_auditor_of(run: CampaignRun[D, Any]) -> Auditor[D, Any] | None:
    """Return the stored auditor of a run's model; None where there is none, or the model is not loaded.

    A model that was fine-tuned in this process still has the card, and so the hash, of the one before: the stored
    auditor is not its own.
    """
    if not run.is_loaded("engine"):
        return None
    space = run.engine.latent_space
    if str(space.card.get("sha256", "")) != run.latent_space_sha256():
        return None
    return stored_auditor(run.campaign.domain, run.campaign.vae, space, cache=run.resources.cache)


def anomaly_p_values(run: CampaignRun[D, Any], candidates: Sequence[Candidate[D]]) -> dict[str, float]:
    """Return the p-value of each candidate by key; empty where no auditor is stored, since none is fitted here."""
    auditor = stored_auditor_of(run) if candidates else None
    if auditor is None:
        return {}
    found = auditor.p_values([candidate.design for candidate in candidates])
    return {candidate.key: float(p) for candidate, p in zip(candidates, found, strict=True)}


def with_anomalies(candidates: Sequence[Candidate[D]], p_values: Mapping[str, float]) -> list[Candidate[D]]:
    """Return candidates with their p-values."""
    return [replace(c, anomaly_p=p_values[c.key]) if c.key in p_values else c for c in candidates]


def color_by_anomaly(drawn: LatentMap, auditor: Auditor[Any, Any]) -> LatentMap:
    """Return a map whose designs have the p-value of the audit as a further value."""
    domain = auditor.measures.latent_space.domain
    found = auditor.p_values([domain.from_text(design.text) for design in drawn.designs])
    designs = [
        replace(design, values={**design.values, "anomaly_p": float(p)})
        for design, p in zip(drawn.designs, found, strict=True)
    ]
    return replace(drawn, designs=designs)
