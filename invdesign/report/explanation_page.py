"""The page of an explanation: designs with the places marked that would change a property."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invdesign.atlas.sensitivities import Sensitivity, strengths
from invdesign.core import DesignSpace
from invdesign.core.capabilities import draw_places, label, svg_uri
from invdesign.io.atomic import write_atomically
from invdesign.report.templates import created_at, render_page

N_ROWS = 8
MAX_TEXT = 160


@dataclass(frozen=True, eq=False)
class ExplainedDesign:
    """A design on the page."""

    design: Any
    """The design."""
    value: float
    """Its property."""
    places: Sequence[Sensitivity[Any]]
    """Its places, in order."""


def write_explanation(
    domain: DesignSpace[Any], name: str, unit: str, sentence: str, designs: Sequence[ExplainedDesign], out: Path
) -> Path:
    """Write the page.

    Args:
        domain: Draws the designs.
        name: Name of the property.
        unit: Its unit.
        sentence: How the effects were found.
        designs: The designs.
        out: Path of the .html file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    context = {
        "domain": domain.name,
        "name": name,
        "unit": unit,
        "sentence": sentence,
        "created": created_at(""),
        "designs": [_card(domain, shown) for shown in designs],
    }
    page = render_page("explanation_page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def _card(domain: DesignSpace[Any], shown: ExplainedDesign) -> dict[str, Any]:
    changes = {change.name: change for place in shown.places for change in place.changes}
    best = sorted(changes.values(), key=lambda change: -change.effect)[:N_ROWS]
    return {
        "label": label(domain, shown.design),
        "value": shown.value,
        "gain": svg_uri(draw_places(domain, shown.design, strengths(shown.places, by="gain"))),
        "support": svg_uri(draw_places(domain, shown.design, strengths(shown.places, by="support"))),
        "rows": [(c.name, f"{c.effect:+.3g}", _short(label(domain, c.design))) for c in best],
    }


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."
