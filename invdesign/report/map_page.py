"""The interactive map of a latent space: a page, or a part of one, that needs no network."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from scipy.spatial import cKDTree

from invdesign.io.atomic import write_atomically
from invdesign.report.illustrations import content_security_policy
from invdesign.report.latent_map import LatentMap
from invdesign.report.svg import VIRIDIS
from invdesign.report.templates import FOLDER, created_at, render_page

MIN_TRUST = 0.85
"""Local trustworthiness below which a point is hollow."""
COORDINATE_DIGITS = 4
VALUE_DIGITS = 6
"""Significant digits of a value on the page."""
PICTURES_PER_BLOCK = 40
"""Pictures that are compressed together: a block takes a browser a few milliseconds."""
MAX_TRAITS = 4
"""Enriched traits of a cluster that the page lists."""
N_SHADES = 9
"""Shades of the density."""


def write_map(latent_map: LatentMap, out: Path) -> Path:
    """Write the page of a map.

    Args:
        latent_map: The designs in the plane.
        out: Path of the .html file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    parts = map_parts(latent_map)
    context = {
        "name": latent_map.name,
        "domain": latent_map.domain,
        "created": created_at(""),
        "map": parts,
        "policy": Markup(content_security_policy([parts["script"]])),
    }
    page = render_page("map_page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def map_parts(latent_map: LatentMap) -> dict[str, Any]:
    """Return what the template of a map shows: texts, its data as JSON, and its script."""
    ordered = sorted(latent_map.designs, key=lambda design: design.group != "measured")
    columns = list(dict.fromkeys(name for design in ordered for name in design.values))
    return {
        "sentence": latent_map.sentence,
        "columns": [*columns, *(["cluster"] if latent_map.clusters else [])],
        "n": len(latent_map.designs),
        "clusters": [_cluster_row(latent_map, i) for i in range(len(latent_map.clusters))],
        "n_voids": 0 if latent_map.grid is None else len(latent_map.grid.voids),
        "has_path": len(latent_map.path) > 1,
        "json": Markup(_json_in_html(_content(latent_map, columns))),
        "script": Markup(f"<script>{(FOLDER / 'map_page.js').read_text(encoding='utf-8')}</script>"),
    }


def _cluster_row(latent_map: LatentMap, i: int) -> dict[str, Any]:
    cluster = latent_map.clusters[i]
    return {
        "number": i + 1,
        "n": len(cluster.members),
        "traits": [vars(found) for found in cluster.enriched[:MAX_TRAITS]],
    }


def _content(latent_map: LatentMap, columns: Sequence[str]) -> dict[str, Any]:
    """Return the data of the page: one list for each quantity, so that 20,000 designs stay small."""
    designs = latent_map.designs
    center = (latent_map.points.min(0) + latent_map.points.max(0)) / 2
    extent = float(np.abs(latent_map.points - center).max()) or 1.0
    points = (latent_map.points - center) / extent
    return {
        "x": _rounded(points[:, 0]),
        "y": _rounded(points[:, 1]),
        "trust": np.round(latent_map.trust, 3).tolist(),
        "measured": [int(design.group == "measured") for design in designs],
        "id": [design.id for design in designs],
        "label": [design.label for design in designs],
        "text": [design.text if design.text != design.label else 0 for design in designs],
        "values": {name: [_number(design.values.get(name, math.nan)) for design in designs] for name in columns},
        "cluster": _cluster_of(latent_map).tolist(),
        "clusters": [
            {"name": cluster.name, "label": cluster.name if cluster.enriched else "", "x": x, "y": y}
            for cluster in latent_map.clusters
            for x, y in [_rounded((np.array(cluster.center) - center) / extent)]
        ],
        "path": [[point.design, point.round] for point in latent_map.path],
        "grid": _grid(latent_map, center, extent),
        "pictures": _picture_blocks([design.picture for design in designs]),
        "palette": VIRIDIS,
        "minTrust": MIN_TRUST,
    }


def _cluster_of(latent_map: LatentMap) -> npt.NDArray[np.intp]:
    """Return the cluster of each design, -1 for none; that of a measured one is its nearest neighbour's."""
    found = np.full(len(latent_map.designs), -1, dtype=np.intp)
    for i, cluster in enumerate(latent_map.clusters):
        found[list(cluster.members)] = i
    n_fitted = len(latent_map.projection.points)
    if len(found) > n_fitted:
        _, nearest = cKDTree(latent_map.points[:n_fitted]).query(latent_map.points[n_fitted:])
        found[n_fitted:] = found[nearest]
    return found


def _grid(latent_map: LatentMap, center: Any, extent: float) -> Mapping[str, Any] | None:
    """Return the density in shades of 0 to 9, row by row from below, and the voids."""
    grid = latent_map.grid
    if grid is None:
        return None
    shades = np.ceil(np.clip(grid.density, 0, 2) / 2 * N_SHADES).astype(int)
    shades[grid.density < 0.01] = 0
    return {
        "low": _rounded((np.array(grid.low) - center) / extent),
        "step": _rounded(np.array(grid.step) / extent, 6),
        "columns": shades.shape[1],
        "shades": "".join(map(str, shades.ravel().tolist())),
        "voids": [
            [*_rounded((np.array(void.center) - center) / extent), round(100 * void.share, 1)] for void in grid.voids
        ],
    }


def _picture_blocks(pictures: Sequence[str]) -> dict[str, Any]:
    """Return pictures in compressed blocks, and the place of each: its number among all that there are, or -1."""
    drawn = [picture for picture in pictures if picture]
    place = iter(range(len(drawn)))
    blocks = [drawn[i : i + PICTURES_PER_BLOCK] for i in range(0, len(drawn), PICTURES_PER_BLOCK)]
    packed = [gzip.compress(json.dumps(block).encode(), mtime=0) for block in blocks]
    return {
        "size": PICTURES_PER_BLOCK,
        "place": [next(place) if picture else -1 for picture in pictures],
        "blocks": [base64.b64encode(block).decode("ascii") for block in packed],
    }


def _rounded(values: Any, digits: int = COORDINATE_DIGITS) -> list[float]:
    return [round(float(value), digits) for value in values]


def _number(value: float) -> float | None:
    return float(f"{value:.{VALUE_DIGITS}g}") if math.isfinite(value) else None


def _json_in_html(content: Any) -> str:
    """Return JSON in which no text can end the element around it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
