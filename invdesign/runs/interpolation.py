"""What `invdesign interpolate` stands on: its ends as people name them, what is known, and the files of a path."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invdesign.campaign import Campaign, Interpolation, State, initialize
from invdesign.campaign.interpolation import table
from invdesign.config import instantiate
from invdesign.core import Candidate, Domain, InvdesignError, Progress
from invdesign.export import provenance
from invdesign.io.atomic import write_atomically
from invdesign.io.tables import write_table
from invdesign.latent.space import LatentSpace
from invdesign.ledger import Ledger
from invdesign.report.data import ReportData
from invdesign.report.interpolation_page import path_report
from invdesign.runs import folders, latent_spaces, stages

# Columns of the table that the designs' own format says anyhow.
GIVEN_TWICE = ("design", "label")


@dataclass(frozen=True, eq=False)
class Known:
    """A map, and the designs measured so far at their places on it."""

    space: LatentSpace[Any, Any]
    history: Sequence[Candidate[Any]]


def design_of(domain: Domain[Any, Any], given: str) -> Any:
    """The first design of a file, the N-th of FILE:N, or the design that a text spells.

    Raises:
        InvdesignError: it is none of these.
    """
    if _is_file(given):
        return domain.read(Path(given)).designs[0]
    head, _, number = given.rpartition(":")
    if number.isdigit() and _is_file(head):
        found = domain.read(Path(head)).designs
        if not 1 <= int(number) <= len(found):
            raise InvdesignError(f"{given}: {head} has {len(found):,} designs that can be read; count from 1")
        return found[int(number) - 1]
    try:
        return domain.from_text(given)
    except InvdesignError as error:
        raise InvdesignError(f"{given!r} is no file, and as the text of a design: {error}") from error


def known(campaign: Campaign[Any, Any], cache: Path, progress: Progress, *, run: folders.Run | None = None) -> Known:
    """The map and the measured designs of a run; without one those of its seeds or corpus."""
    corpus = stages.load_corpus(campaign, cache, progress)
    if run is not None:
        with Ledger.open(run.folder / folders.LEDGER, campaign.domain, read_only=True) as ledger:
            space = latent_spaces.tuned(ledger, campaign, run.folder)
            state = ledger.state()
        return Known(space or latent_spaces.make(campaign, corpus, cache, progress), [*state.history, *state.pending])
    space = latent_spaces.make(campaign, corpus, cache, progress)
    seeds = instantiate.bound(campaign.seeds, {"cache": cache, "progress": progress})() if campaign.seeds else None
    source = seeds or corpus
    if source is None or any(o.name not in source.properties for o in campaign.objectives):
        return Known(space, ())
    begun = initialize(replace(campaign, seeds=lambda: source), space, corpus=corpus)
    return Known(space, begun.history)


def write(
    walk: Interpolation[Any],
    campaign: Campaign[Any, Any],
    space: LatentSpace[Any, Any],
    folder: Path,
    *,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the table, the designs in their own format, and the page.

    Returns:
        What was found, as JSON can hold it.
    """
    domain, objectives = space.domain, campaign.objectives
    columns = table(walk, domain, objectives)
    distinct = [step.number for step in walk.steps if step.found is not None and not step.is_repeated]
    names = {"id": [f"step-{i:02d}" for i in distinct]}
    more = {heading: [cells[i] for i in distinct] for heading, cells in columns.items() if heading not in GIVEN_TWICE}
    designs = [c.design for c in walk.designs]
    ends = [designs[0], designs[-1]] if walk.met is None else designs[:1]
    encoding_errors = [
        f"{domain.label(end)}: {reason}"
        for end, reason in zip(ends, domain.encoding_errors(ends), strict=True)
        if reason
    ]
    story: ReportData[Any] = ReportData(
        name=campaign.name,
        domain=domain,
        objectives=objectives,
        state=State(),
        settings=settings,
        versions=provenance(),
        command=shlex.join(["invdesign", *sys.argv[1:]]),
        notes=encoding_errors,
    )
    files = [
        write_table(columns, folder / "path.csv"),
        write_atomically(
            folder / f"designs{domain.formats[0]}", lambda path: domain.write(designs, path, columns=names | more)
        ),
        path_report(story, walk, folder / "path.html"),
    ]
    return {
        "steps": [{heading: _plain(cells[i]) for heading, cells in columns.items()} for i in range(len(walk.steps))],
        "met": walk.met,
        "notes": [*walk.notes, *encoding_errors],
        "files": [str(path) for path in files],
    }


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a long text is no name of a file
        return False


def _plain(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
