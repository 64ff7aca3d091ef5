"""The structures of a shortlist to be turned in a page: one piece of HTML that needs nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from invdesign.core import Candidate, Objective
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.domain import Crystals
from invdesign.domains.crystals.output.drawing import radius, scene, shades, svg


def structures(
    shortlist: Sequence[Candidate[Crystal]],
    told: Sequence[Candidate[Crystal]],
    objectives: Sequence[Objective],
    *,
    most: int = 50,
) -> dict[str, str]:
    """A ball-and-stick view of the shortlist's conventional cells: choose one, turn it, look closer.

    Atoms, bonds and colours are those of the drawings. Where no script runs, and on paper, the first one's drawing
    stands in its place.

    Args:
        shortlist: best first.
        told: not looked at.
        objectives: `m`, what the candidates' properties are.
        most: candidates to choose from.
    """
    shown = list(shortlist)[:most]
    if not shown:
        return {}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    crystals = [_described(number, c, objectives) for number, c in enumerate(shown, start=1)]
    names = sorted({name for crystal in crystals for name in crystal["elements"]})
    page = environment.get_template("viewing.html.j2").render(
        first=crystals[0]["label"],
        drawing=base64.b64encode(svg(shown[0].design).encode()).decode(),
        labels=[crystal["label"] for crystal in crystals],
        data={
            "elements": {name: {"shades": shades(name), "radius": round(radius(name), 3)} for name in names},
            "crystals": crystals,
        },
    )
    return {"Structures of the shortlist": page}


def _described(number: int, candidate: Candidate[Crystal], objectives: Sequence[Objective]) -> dict[str, Any]:
    """What the script needs of a candidate; atoms name their element by its place."""
    seen = scene(candidate.design)
    facts = [
        f"{objective.name} {y:.4g} {objective.unit}".rstrip()
        for objective, y in zip(objectives, candidate.y, strict=False)
    ]
    return {
        "label": f"{number}: {Crystals().label(candidate.design)}",
        "facts": "; ".join([*facts, f"{candidate.design.n_atoms} atoms in the cell"]),
        "elements": seen.elements,
        "kinds": [seen.elements.index(name) for name in seen.names],
        "atoms": seen.atoms.round(3).tolist(),
        "bonds": seen.bonds.tolist(),
        "corners": seen.corners.round(3).tolist(),
    }
