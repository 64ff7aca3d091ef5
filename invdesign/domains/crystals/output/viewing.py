"""Interactive view of the structures of a shortlist as self-contained HTML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from invdesign.core import Candidate, Objective
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.domain import Crystals
from invdesign.domains.crystals.output.drawing import ball_colours, ball_radius, build_scene, svg


def view_structures(
    shortlist: Sequence[Candidate[Crystal]],
    evaluated: Sequence[Candidate[Crystal]],
    objectives: Sequence[Objective],
    *,
    max_structures: int = 50,
) -> dict[str, str]:
    """Render a rotatable ball-and-stick view of the conventional cells of a shortlist.

    Atoms, bonds and colours are those of the drawings. Without scripts and in print, the drawing of the first candidate
    is shown instead.

    Args:
        shortlist: Candidates, best first.
        evaluated: All evaluated candidates; not used.
        objectives: `m` objectives of the candidates' properties.
        max_structures: Largest number of candidates in the view.

    Returns:
        HTML by title; empty without a shortlist.
    """
    candidates = list(shortlist)[:max_structures]
    if not candidates:
        return {}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    crystals = [_describe(rank, candidate, objectives) for rank, candidate in enumerate(candidates, start=1)]
    names = sorted({name for crystal in crystals for name in crystal["elements"]})
    page = environment.get_template("viewing.html.j2").render(
        first=crystals[0]["label"],
        drawing=base64.b64encode(svg(candidates[0].design).encode()).decode(),
        labels=[crystal["label"] for crystal in crystals],
        data={"elements": {name: _describe_element(name) for name in names}, "crystals": crystals},
    )
    return {"Structures of the shortlist": page}


def _describe(rank: int, candidate: Candidate[Crystal], objectives: Sequence[Objective]) -> dict[str, Any]:
    """Return the script's data of a candidate; `kinds` are the atoms' indices in `elements`."""
    scene = build_scene(candidate.design)
    properties = [
        f"{objective.name} {y:.4g} {objective.unit}".rstrip()
        for objective, y in zip(objectives, candidate.y, strict=False)
    ]
    return {
        "label": f"{rank}: {Crystals().label(candidate.design)}",
        "facts": "; ".join([*properties, f"{candidate.design.n_atoms} atoms in the cell"]),
        "elements": scene.elements,
        "kinds": [scene.elements.index(name) for name in scene.names],
        "atoms": scene.atoms.round(3).tolist(),
        "bonds": scene.bonds.tolist(),
        "corners": scene.corners.round(3).tolist(),
    }


def _describe_element(name: str) -> dict[str, Any]:
    return {"shades": ball_colours(name), "radius": round(ball_radius(name), 3)}
