"""Interpolation between two designs: its ends, the measured designs, and the files that describe the path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invdesign.atlas.audit import Auditor
from invdesign.campaign import (
    Campaign,
    Engine,
    Interpolation,
    State,
    check_properties,
    initialize,
    is_measured,
    make_engine,
    start,
)
from invdesign.config.instantiate import bind
from invdesign.core import B, Candidate, D, Domain, InvdesignError
from invdesign.core.capabilities import label, value_sources
from invdesign.export import interpolation_table, provenance
from invdesign.io.atomic import write_atomically
from invdesign.io.design_files import formats, read_designs, write_designs
from invdesign.io.tables import write_table
from invdesign.report import ReportData
from invdesign.report.interpolation_page import path_report, summarize
from invdesign.runs import latent_spaces
from invdesign.runs.campaign_run import CampaignRun
from invdesign.runs.measurements import log_usage
from invdesign.runs.resources import Resources

IDENTITY_HEADINGS = ("design", "label")
"""Columns that the domain's own file format has anyway."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A latent space with the designs measured in it so far."""

    engine: Engine[Any, Any]
    """The campaign bound to its latent space."""
    history: Sequence[Candidate[Any]]
    """Measured designs with their latents."""


def read_design(domain: Domain[Any, Any], given: str) -> Any:
    """Return the first design of a file, the N-th of FILE:N, or the design of a text.

    Raises:
        InvdesignError: The text is neither a file with that design nor a valid design.
    """
    if _is_file(given):
        return read_designs(domain, Path(given)).designs[0]
    head, _, number = given.rpartition(":")
    if number.isdigit() and _is_file(head):
        designs = read_designs(domain, Path(head)).designs
        if not 1 <= int(number) <= len(designs):
            raise InvdesignError(f"{given}: expected a number from 1 to {len(designs):,}, the designs of {head}")
        return designs[int(number) - 1]
    try:
        return domain.from_text(given)
    except InvdesignError as error:
        raise InvdesignError(f"{given!r}: expected a file or the text of a design: {error}") from error


def read_populations(domain: Domain[Any, Any], first: str, last: str) -> tuple[Sequence[Any], Sequence[Any]] | None:
    """Return the designs of two files; None unless both are files of several designs.

    Raises:
        InvdesignError: A file cannot be read.
    """
    if not (_is_file(first) and _is_file(last)):
        return None
    designs = [read_designs(domain, Path(given)).designs for given in (first, last)]
    return (designs[0], designs[1]) if min(map(len, designs)) > 1 else None


def of_run(run: CampaignRun[Any, Any]) -> Surroundings:
    """Return the latent space of a run and its measured designs."""
    return Surroundings(run.engine, [*run.state.history, *run.state.pending])


def of_campaign(campaign: Campaign[Any, Any], resources: Resources) -> Surroundings:
    """Return the latent space of a campaign and the measured designs of its seed designs or its corpus."""
    options = {"cache": resources.cache, "progress": resources.progress}
    corpus = bind(campaign.corpus, options)() if campaign.corpus else None
    latent_space = latent_spaces.prepare_latent_space(campaign, corpus, resources.cache, resources.progress)
    engine = make_engine(campaign, latent_space, corpus)
    seeds = bind(campaign.seeding.seeds, options)() if campaign.seeding.seeds else None
    source = corpus if seeds is None else seeds
    log_usage(source)
    if source is not None:
        check_properties(campaign, source, is_seeds=seeds is not None)
    if source is None or not is_measured(campaign, source, is_seeds=seeds is not None):
        return Surroundings(engine, ())
    return Surroundings(engine, start(engine, initialize(engine, corpus, seeds=seeds)).history)


def write_interpolation(
    interpolation: Interpolation[Any],
    engine: Engine[Any, Any],
    folder: Path,
    *,
    settings: Mapping[str, Any],
    command: str,
    auditor: Auditor[Any, Any] | None = None,
) -> dict[str, Any]:
    """Write the table, the designs in their own format, and the page of a path.

    Args:
        interpolation: The path.
        engine: The campaign bound to its latent space.
        folder: Folder of the files.
        settings: Configuration, for the page.
        command: Command line, for the page.
        auditor: Auditor of the latent space, where one is stored: the table has the p-value of each design.

    Returns:
        Steps, notes and files, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain, objectives = engine.campaign.domain, engine.campaign.objectives
    interpolation = _with_anomalies(_with_sources(interpolation, engine), auditor)
    columns = interpolation_table(interpolation.steps, domain, objectives)
    distinct = [step.number for step in interpolation.steps if step.found is not None and not step.is_repeated]
    own = {h: [cells[i] for i in distinct] for h, cells in columns.items() if h not in IDENTITY_HEADINGS}
    own = {"id": [f"step-{i:02d}" for i in distinct], **own}
    designs = [c.design for c in interpolation.designs]
    is_whole = interpolation.met is None and interpolation.crossing is None
    ends = [designs[0], designs[-1]] if is_whole else designs[:1]
    errors = zip(ends, engine.latent_space.encoding.errors(ends), strict=True)
    notes = [f"{label(domain, end)}: {error}" for end, error in errors if error]
    data: ReportData[Any] = ReportData(
        name=engine.campaign.name,
        domain=domain,
        objectives=objectives,
        state=State(),
        settings=settings,
        versions=provenance(),
        command=command,
        notes=notes,
    )
    files = [
        write_table(columns, folder / "path.csv"),
        write_atomically(
            folder / f"designs{formats(domain)[0]}", lambda path: write_designs(domain, designs, path, columns=own)
        ),
        path_report(data, interpolation, folder / "path.html"),
    ]
    n_steps = len(interpolation.steps)
    return {
        "steps": [{h: _finite(cells[i]) for h, cells in columns.items()} for i in range(n_steps)],
        "met": interpolation.met,
        "crossing": None if interpolation.crossing is None else vars(interpolation.crossing),
        "summary": summarize(data, interpolation),
        "notes": [*interpolation.notes, *notes],
        "files": [str(path) for path in files],
    }


def _with_sources(interpolation: Interpolation[D], engine: Engine[D, B]) -> Interpolation[D]:
    """Return a path whose values state what they are; an oracle that was not called is not asked."""
    found = [step.found for step in interpolation.steps]
    if not any(c is not None and c.status == "measured" for c in found):
        return interpolation
    sources = value_sources(engine.campaign.task.oracle, len(engine.campaign.objectives))
    stated = [None if c is None else replace(c, sources=sources) for c in found]
    steps = [replace(step, found=c) for step, c in zip(interpolation.steps, stated, strict=True)]
    return replace(interpolation, steps=tuple(steps))


def _with_anomalies(interpolation: Interpolation[D], auditor: Auditor[D, Any] | None) -> Interpolation[D]:
    """Return a path whose designs have the p-value of the audit."""
    found = {c.key: c for c in interpolation.designs}
    if auditor is None or not found:
        return interpolation
    p_values = auditor.p_values([c.design for c in found.values()])
    audited = {key: replace(c, anomaly_p=float(p)) for (key, c), p in zip(found.items(), p_values, strict=True)}
    steps = [
        step if step.found is None else replace(step, found=audited[step.found.key]) for step in interpolation.steps
    ]
    return replace(interpolation, steps=tuple(steps))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a long text is no file name
        return False


def _finite(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
