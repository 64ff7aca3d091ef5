"""Explanations of a design, or of the designs on the way to another one: which part would change a property next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.atlas.sensitivities import Sensitivity, substitution_effects
from invdesign.core import DesignSpace, InvdesignError
from invdesign.core.capabilities import label, placement_errors
from invdesign.io.tables import write_table
from invdesign.report.explanation_page import ExplainedDesign, write_explanation
from invdesign.runs.properties import LabelledSpace, Property

N_BEST = 3
"""Changes that are named of each place."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What was explained."""

    domain: DesignSpace[Any]
    """Draws the designs."""
    wanted: Property
    """The property."""
    designs: tuple[ExplainedDesign, ...]
    """The design, then those on the way to another one."""

    @property
    def sentence(self) -> str:
        """How the effects were found."""
        is_computed = self.wanted.kind == "computed"
        how = "computed" if is_computed else "predicted by the surrogate of the measured values, not measured"
        return (
            f"Each place was changed by itself in every way that its neighbours allow, and {self.wanted.name} of "
            f"each changed design was {how}. The effects are differences of these values, no slopes of the decoder."
        )


def explain_design(labelled: LabelledSpace, design: Any, name: str, *, to: Any = None, n_steps: int = 7) -> Explanation:
    """Return which places of a design would change a property, and the same along the way to another design.

    Args:
        labelled: The latent space and its properties.
        design: The design.
        name: Name of the property.
        to: Another design; None to explain the design alone.
        n_steps: Points on the straight way to it, of which distinct designs are explained.

    Raises:
        InvdesignError: There is no such property, the design has no places that can be changed, or the model cannot
            write the ends of a way.
    """
    wanted = labelled.property(name)
    domain = labelled.latent_space.domain
    designs = [design] if to is None else _on_the_way(labelled, design, to, n_steps)
    explained = []
    for each in designs:
        value = float(np.asarray(wanted.measure([each]))[0])
        explained.append(ExplainedDesign(each, value, tuple(substitution_effects(domain, each, wanted.measure))))
    return Explanation(domain, wanted, tuple(explained))


def write_explanation_files(explanation: Explanation, folder: Path) -> dict[str, Any]:
    """Write the page and the table of an explanation.

    Args:
        explanation: The explanation.
        folder: Folder of the files.

    Returns:
        Designs, places and files, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    wanted = explanation.wanted
    page = write_explanation(
        explanation.domain,
        wanted.name,
        wanted.unit,
        explanation.sentence,
        explanation.designs,
        folder / "explanation.html",
    )
    table = write_table(_table(explanation), folder / "explanation.csv")
    return {**_facts(explanation), "files": [str(page), str(table)]}


def _facts(explanation: Explanation) -> dict[str, Any]:
    return {
        "property": explanation.wanted.name,
        "unit": explanation.wanted.unit,
        "values": explanation.wanted.kind,
        "method": explanation.sentence,
        "designs": [
            {
                "design": explanation.domain.to_text(x.design),
                "label": label(explanation.domain, x.design),
                "value": x.value,
                "places": [_place_facts(place, explanation.domain) for place in x.places],
            }
            for x in explanation.designs
        ],
    }


def _table(explanation: Explanation) -> dict[str, list[Any]]:
    """Return the effects of all changes as columns."""
    rows = [
        (explanation.domain.to_text(x.design), place.place, change.name, change.effect, change.design)
        for x in explanation.designs
        for place in x.places
        for change in place.changes
    ]
    columns: dict[str, list[Any]] = {
        name: [row[j] for row in rows] for j, name in enumerate(("design", "place", "change", "effect"))
    }
    return columns | {"changed design": [explanation.domain.to_text(row[4]) for row in rows]}


def _on_the_way(labelled: LabelledSpace, first: Any, last: Any, n_steps: int) -> list[Any]:
    space = labelled.latent_space
    for error in placement_errors(space.encoding, [first, last]):
        if error:
            raise InvdesignError(f"explain: the model cannot write an end of the way: {error}. Choose another one")
    start, end = space.encode([first, last])
    found = space.decode(start + torch.linspace(0, 1, n_steps, dtype=torch.float64)[1:-1, None] * (end - start))
    designs: Sequence[Any] = [first, *(x for x in found if x is not None), last]
    return list({space.domain.key(x): x for x in designs}.values())


def _place_facts(place: Sensitivity[Any], domain: DesignSpace[Any]) -> dict[str, Any]:
    changes = [
        {
            "change": c.name,
            "effect": c.effect,
            "design": domain.to_text(c.design),
            "label": label(domain, c.design),
        }
        for c in place.changes[:N_BEST]
    ]
    return {"place": place.place, "mean": place.mean, "gain": place.gain, "support": place.support, "changes": changes}
