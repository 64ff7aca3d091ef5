"""What the pages of a run show, as plain values for the templates."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invdesign.core import Candidate
from invdesign.core.capabilities import draw, label, svg_uri
from invdesign.report.svg import format_number
from invdesign.report.templates import render_page
from invdesign.runs import CampaignRun
from invdesign.runs.batch_files import FAILURE, NOTE, value_heading
from invdesign.runs.results_file import Results
from invdesign.serve.forms import Table, field_name

FOLDER = Path(__file__).parent
MAX_SHOWN = 100
"""Open designs and measured designs that a page shows; the files have all."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An input of the form."""

    name: str
    """Name of the input."""
    heading: str
    """What to enter."""
    value: str = ""
    """What was entered before."""


@dataclass(frozen=True)
class BatchCard:
    """An open design as the page shows it."""

    id: str
    """Identifier."""
    label: str
    """Label of the design."""
    picture: str
    """Picture as a data URI; empty where there is none."""
    facts: tuple[tuple[str, str], ...]
    """Predictions, plausibility, origin and checks as names and texts."""
    entries: tuple[Entry, ...]
    """Inputs for its values, a failure and a note."""


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return a page of the service."""
    return render_page(template, context, folder=FOLDER)


def batch_page(
    run: CampaignRun[Any, Any], form_token: str, *, entered: Mapping[str, str] | None = None, problem: str = ""
) -> str:
    """Return the page with the status, the open batch and the form for its results.

    Args:
        run: The open run.
        form_token: Token that its forms carry.
        entered: What was entered into the form before, which is shown again.
        problem: Why it was not recorded.
    """
    opened = run.state.open
    names = run.identifiers()
    status = run.status()
    context = {
        "title": status.name,
        "status": status.rows(),
        "is_spent": status.n_calls >= status.budget,
        "batch": run.current.limits.batch,
        "n_open": len(opened),
        "max_shown": MAX_SHOWN,
        "cards": [batch_card(run, c, names[c.key], entered or {}) for c in opened[:MAX_SHOWN]],
        "files": sorted(path.name for path in batch_files(run.folder)),
        "measured": _measured_rows(run, names),
        "headings": [value_heading(objective) for objective in run.campaign.objectives],
        "by": (entered or {}).get("by", ""),
        "problem": problem,
        "form_token": form_token,
    }
    return render("batch.html.j2", context)


def batch_card(
    run: CampaignRun[Any, Any], candidate: Candidate[Any], identifier: str, entered: Mapping[str, str]
) -> BatchCard:
    """Return the card of an open design."""
    inputs = [(str(j), value_heading(objective)) for j, objective in enumerate(run.campaign.objectives)]
    inputs += [(FAILURE, "failed, because"), (NOTE, "note")]
    fields = [(field_name(kind, identifier), heading) for kind, heading in inputs]
    return BatchCard(
        identifier,
        label(run.campaign.domain, candidate.design),
        picture(run, candidate),
        tuple(_facts(run, candidate)),
        tuple(Entry(name, heading, entered.get(name, "")) for name, heading in fields),
    )


def picture(run: CampaignRun[Any, Any], candidate: Candidate[Any]) -> str:
    """Return the picture of a design as a data URI; empty where the domain cannot draw it."""
    try:
        return svg_uri(draw(run.campaign.domain, candidate.design))
    except Exception as error:  # a domain is a plug-in, and a design without a picture is still a design
        log.warning("no picture of %s (%s: %s)", candidate.key, type(error).__name__, error)
        return ""


def preview_page(
    table: Table,
    results: Results[Any],
    headings: Sequence[str],
    *,
    options: Mapping[str, bool],
    by: str,
    form_token: str,
) -> str:
    """Return the page that shows what a table would record."""
    context = {
        "title": "Check the results",
        "headings": headings,
        "rows": [(row, [_number(y) for y in row.y]) for row in results.rows],
        "n_new": sum(row.action != "known" for row in results.rows),
        "n_empty": results.n_empty,
        "notes": results.notes,
        "table": table,
        "options": options,
        "by": by,
        "form_token": form_token,
    }
    return render("preview.html.j2", context)


def message_page(title: str, lines: Sequence[str], *, has_token_form: bool = False, refresh: bool = False) -> str:
    """Return a page with a message.

    Args:
        title: Heading.
        lines: Paragraphs.
        has_token_form: Show the form that asks for the token.
        refresh: Go on to the first page at once. It is opened by this page, so that the browser sends its cookie.
    """
    context = {"title": title, "lines": lines, "has_token_form": has_token_form, "refresh": refresh}
    return render("message.html.j2", context)


def batch_files(folder: Path) -> list[Path]:
    """Return the files of the batches in a run folder."""
    return [path for path in folder.glob("batch-*") if path.is_file()]


def _facts(run: CampaignRun[Any, Any], candidate: Candidate[Any]) -> list[tuple[str, str]]:
    facts = []
    for objective, mean, sd in zip(run.campaign.objectives, candidate.mean, candidate.sd, strict=False):
        if math.isfinite(mean):
            facts.append((f"predicted {objective.name}", f"{format_number(mean, 3)} ± {format_number(sd, 2)}"))
    if math.isfinite(candidate.percentile):
        facts.append(("plausibility", f"{candidate.percentile:.0f} %"))
    facts.append(("from", candidate.origin.replace("_", " ")))
    failed = [check.name for check in candidate.checks if not check.passed]
    if failed:
        facts.append(("failed checks", ", ".join(failed)))
    return facts


def _measured_rows(run: CampaignRun[Any, Any], names: Mapping[str, str]) -> list[tuple[str, str, list[str], str]]:
    """Return the newest evaluated designs: identifier, design, values, and the status with its reason."""
    state = run.state
    evaluated = [c for c in (*state.history, *state.pending) if c.status != "pending"]
    shown = evaluated[-MAX_SHOWN:][::-1]
    unknown = (math.nan,) * len(run.campaign.objectives)
    return [
        (
            names[c.key],
            label(run.campaign.domain, c.design),
            [_number(y) for y in c.y or unknown],
            f"{c.status}: {c.reason}" if c.reason else c.status,
        )
        for c in shown
    ]


def _number(value: float) -> str:
    return format_number(value, 4) if math.isfinite(value) else ""
