"""The page of an audit: which designs are unlike real ones, by which part of the score, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from invdesign.atlas.audit import Finding
from invdesign.atlas.chimeras import Parents
from invdesign.atlas.measures import PARTS, REPLACED
from invdesign.core import DesignSpace
from invdesign.core.capabilities import draw_places, label, svg_uri
from invdesign.io.atomic import write_atomically
from invdesign.report.templates import created_at, render_page

MAX_CARDS = 60
"""Designs that are drawn, the least real ones first."""
FULL_STRENGTH = 12.0
"""Nats of a place that is marked as strongly as possible: once in 150,000 designs, beyond usual places."""
REASONS = {
    "likelihood": "improbable as a whole, for its size",
    "density": "where the latent space is empty",
    "surroundings": "rare surroundings",
    REPLACED: "parts that look replaced",
}
"""Parts of the score in the words of a finding."""
STRIP = (640, 58)
"""Width and height of the picture of two parents [pixels]."""


@dataclass(frozen=True)
class Audit:
    """The findings of one file or list of designs."""

    title: str
    """What was audited."""
    domain: DesignSpace[Any]
    """The kind of designs."""
    findings: Sequence[Finding[Any]]
    """`n` findings, in the order of the designs."""
    names: Sequence[str]
    """Name of each design."""
    level: float
    """p-value up to which a design is flagged."""
    n_real: int
    """Real designs that they are ranked among."""

    @property
    def flagged(self) -> list[int]:
        """Rows of the flagged designs, the least real ones first."""
        rows = [i for i, finding in enumerate(self.findings) if finding.p_value <= self.level]
        return sorted(rows, key=lambda i: self.findings[i].p_value)

    @property
    def sentence(self) -> str:
        """How many designs are flagged, and how many of as many real ones would be."""
        n = len(self.findings)
        expected = self.level * n
        return (
            f"{len(self.flagged):,} of {n:,} designs are as unlike real designs as {100 * self.level:g} % of real "
            f"designs are, or more; of {n:,} real ones about {expected:.3g} would be."
        )


def explain(finding: Finding[Any]) -> str:
    """Return in words why a design is unlike real ones."""
    if finding.problem:
        return f"the model cannot write it: {finding.problem}"
    parents, names = finding.parents, finding.parent_names
    if parents is not None and names is not None and finding.cause == "two parents":
        first, last = parents.breakpoints
        return (
            f"chimera of {names[0]} (columns 1 to {parents.breakpoint}) and {names[1]} (the others; breakpoint from "
            f"{first} to {last}): {parents.mismatches} differences to the two, {parents.single_mismatches} to the "
            f"nearest single one, {names[2]}"
        )
    where = ", ".join(finding.strongest())
    return f"{REASONS.get(finding.cause, finding.cause)}{f', at {where}' if where else ''}"


def write_audit(audit: Audit, out: Path) -> Path:
    """Write the page of an audit.

    Args:
        audit: The findings.
        out: Path of the .html file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    shown = audit.flagged[:MAX_CARDS]
    context = {
        "title": audit.title,
        "domain": audit.domain.name,
        "created": created_at(""),
        "sentence": audit.sentence,
        "n_real": audit.n_real,
        "n_more": len(audit.flagged) - len(shown),
        "parts": {name: text for name, text in PARTS.items() if name in audit.findings[0].p_values},
        "cards": [_card(audit, i) for i in shown],
        "histogram": Markup(_histogram([finding.p_value for finding in audit.findings])),
    }
    page = render_page("audit_page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def _card(audit: Audit, i: int) -> dict[str, Any]:
    finding = audit.findings[i]
    top = max(max(finding.strengths, default=0.0), FULL_STRENGTH if finding.cause != "two parents" else 0.0)
    strengths = [strength / top if top else 0.0 for strength in finding.strengths]
    return {
        "name": audit.names[i],
        "label": label(audit.domain, finding.design),
        "p": _number(finding.p_value),
        "why": explain(finding),
        "picture": svg_uri(draw_places(audit.domain, finding.design, strengths)),
        "strip": Markup(_strip(finding.parents, finding)) if finding.cause == "two parents" else "",
        "parts": [(name, _number(p), _bar(p)) for name, p in finding.p_values.items()],
    }


def _bar(p: float) -> int:
    """Return the length of a bar in percent: 0 for a p-value of 1, 100 for one of 0.0001 and less."""
    return round(100 * min(1.0, -math.log10(max(p, 1e-4)) / 4))


def _number(p: float) -> str:
    return f"{p:.2g}"


def _histogram(p_values: Sequence[float]) -> str:
    """Return a histogram of p-values in tenths; of real designs all columns are of one height."""
    counts = [0] * 10
    for p in p_values:
        counts[min(9, int(10 * p))] += 1
    tallest, usual = max(counts), len(p_values) / 10
    parts = [
        '<svg viewBox="0 0 420 150" width="100%" style="max-width: 420px" role="img"><title>p-values in tenths</title>'
    ]
    for i, n in enumerate(counts):
        height = 110 * n / tallest
        parts.append(
            f'<rect x="{10 + 40 * i}" y="{125 - height:.1f}" width="36" height="{height:.1f}" fill="#1f5fa8">'
            f"<title>{n:,} designs from {i / 10:g} to {(i + 1) / 10:g}</title></rect>"
            f'<text x="{28 + 40 * i}" y="142" font-size="11" text-anchor="middle" fill="#4d5566">{i / 10:g}</text>'
        )
    y = 125 - 110 * usual / tallest
    parts.append(f'<path d="M10 {y:.1f}H406" stroke="#c2702a" stroke-dasharray="4 3"/></svg>')
    return "".join(parts)


def _strip(parents: Parents | None, finding: Finding[Any]) -> str:
    """Return a picture of the columns in which each parent differs from the design, and of the breakpoint."""
    if parents is None or finding.parent_names is None:
        return ""
    width, height = STRIP
    step = width / max(1, len(finding.places))
    first, last = parents.breakpoints
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img"><title>differences of the two parents</title>',
        f'<rect x="{first * step:.1f}" y="0" width="{max(1.5, (last - first) * step):.1f}" height="{height}" '
        'fill="#f0dbb8"/>',
    ]
    for y, columns, colour in ((14, parents.left_differences, "#1f5fa8"), (40, parents.right_differences, "#b3372f")):
        parts.append(f'<path d="M0 {y}H{width}" stroke="#e4e6eb"/>')
        ticks = "".join(f"M{(column + 0.5) * step:.1f} {y - 8}v16" for column in columns)
        parts.append(f'<path d="{ticks}" stroke="{colour}" stroke-width="1.3"/>')
    return "".join([*parts, "</svg>"])


def rows_of(audit: Audit) -> dict[str, list[Any]]:
    """Return the findings as columns of a table."""
    findings = audit.findings
    columns: dict[str, list[Any]] = {
        "name": list(audit.names),
        "design": [audit.domain.to_text(finding.design) for finding in findings],
        "p_value": [finding.p_value for finding in findings],
        "flagged": [finding.p_value <= audit.level for finding in findings],
        "cause": [finding.cause for finding in findings],
        "places": ["; ".join(finding.strongest()) for finding in findings],
        "why": [explain(finding) for finding in findings],
    }
    for name in findings[0].p_values if findings else ():
        columns[f"p_value {name}"] = [finding.p_values[name] for finding in findings]
    return columns


def facts_of(audit: Audit) -> list[dict[str, Any]]:
    """Return the findings as JSON."""
    columns = rows_of(audit)
    plain = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for facts, finding in zip(plain, audit.findings, strict=True):
        parents = finding.parents
        facts["parents"] = (
            None
            if parents is None
            else {
                "left": finding.parent_names[0] if finding.parent_names else None,
                "right": finding.parent_names[1] if finding.parent_names else None,
                "nearest": finding.parent_names[2] if finding.parent_names else None,
                "breakpoint": parents.breakpoint,
                "breakpoints": list(parents.breakpoints),
                "gain": parents.gain,
            }
        )
    return plain
