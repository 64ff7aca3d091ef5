"""The interactive map of a latent space: one page that needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from invdesign.atlas import FrozenProjection
from invdesign.core import Array
from invdesign.io.atomic import write_atomically
from invdesign.report.illustrations import content_security_policy
from invdesign.report.svg import VIRIDIS
from invdesign.report.templates import FOLDER, created_at, render_page

MIN_TRUST = 0.85
"""Local trustworthiness below which a point is hollow."""
COORDINATE_DIGITS = 4


@dataclass(frozen=True)
class MapDesign:
    """A design on the map."""

    label: str
    """Label for people."""
    text: str
    """The design as text, for the exported list."""
    group: str
    """`"corpus"` or `"measured"`."""
    values: Mapping[str, float]
    """Values by name, NaN where there is none."""
    id: str = ""
    """Identifier in the run."""
    picture: str = ""
    """Picture as a data URI; empty where there is none."""


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Designs in the plane."""

    name: str
    """Name of the campaign."""
    domain: str
    """Name of the domain."""
    projection: FrozenProjection
    """The projection, fitted on the corpus."""
    designs: Sequence[MapDesign]
    """`n` designs."""
    points: Array
    """`n x 2` coordinates."""
    trust: Array
    """`n` local trustworthiness values."""
    path: Sequence[int] = ()
    """Positions of the best designs so far, in their order."""

    @property
    def sentence(self) -> str:
        """How far the picture can be trusted."""
        n_measured = sum(design.group == "measured" for design in self.designs)
        return (
            f"{self.projection.name} of {len(self.designs) - n_measured:,} designs of the corpus and {n_measured:,} "
            f"measured ones. Trustworthiness {self.projection.trustworthiness:.3f}, continuity "
            f"{self.projection.continuity:.3f} (1 at best): distances between far groups mean little."
        )


def write_map(latent_map: LatentMap, out: Path) -> Path:
    """Write the page of a map.

    Args:
        latent_map: The designs in the plane.
        out: Path of the .html file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    columns = list(dict.fromkeys(name for design in latent_map.designs for name in design.values))
    script = f"<script>{(FOLDER / 'map_page.js').read_text(encoding='utf-8')}</script>"
    context = {
        "name": latent_map.name,
        "domain": latent_map.domain,
        "created": created_at(""),
        "sentence": latent_map.sentence,
        "columns": columns,
        "n": len(latent_map.designs),
        "json": Markup(_json_in_html(_content(latent_map, columns))),
        "script": Markup(script),
        "policy": Markup(content_security_policy([script])),
    }
    page = render_page("map_page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def _content(latent_map: LatentMap, columns: Sequence[str]) -> dict[str, Any]:
    center = latent_map.points.mean(0)
    extent = float(np.abs(latent_map.points - center).max()) or 1.0
    points = [
        {
            "x": round(float(x), COORDINATE_DIGITS),
            "y": round(float(y), COORDINATE_DIGITS),
            "id": design.id,
            "label": design.label,
            "text": design.text,
            "group": design.group,
            "values": {name: value for name, value in design.values.items() if math.isfinite(value)},
            "trust": round(float(trust), 3),
            "picture": design.picture,
        }
        for design, (x, y), trust in zip(
            latent_map.designs, (latent_map.points - center) / extent, latent_map.trust, strict=True
        )
    ]
    return {
        "points": points,
        "columns": list(columns),
        "palette": VIRIDIS,
        "path": list(latent_map.path),
        "minTrust": MIN_TRUST,
    }


def _json_in_html(content: Any) -> str:
    """Return JSON in which no text can end the element around it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
