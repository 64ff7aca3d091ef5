"""The map of a latent space: a corpus, and the measured designs of a run where there is one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from invdesign.atlas import (
    FrozenProjection,
    MapCoordinates,
    ProjectionMethod,
    density_grid,
    find_clusters,
    fit_coordinates,
    fit_projection,
    name_clusters,
    thin,
)
from invdesign.core import Array, Candidate, Corpus, InvdesignError
from invdesign.core.capabilities import draw, label, traits
from invdesign.latent.space import LatentSpace
from invdesign.report.latent_map import LatentMap, MapDesign, PathPoint
from invdesign.vae.store import read_tensors, write_tensors

if TYPE_CHECKING:
    from invdesign.runs.campaign_run import CampaignRun

MAX_PICTURES = 5_000
"""Designs that are drawn: those measured first, then a part of the corpus, evenly."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapSettings:
    """How a map is drawn."""

    n: int = 2_000
    """Largest number of designs of the corpus, evenly drawn."""
    method: ProjectionMethod = "tsne"
    """Projection, see `atlas.project`."""
    seed: int = 0
    """Seed of the projection."""
    max_pictures: int = MAX_PICTURES
    """Largest number of designs that are drawn."""


@dataclass(frozen=True, eq=False)
class _Ground:
    """The corpus of a map."""

    designs: Sequence[Any]
    percentile: Sequence[float]
    coordinates: MapCoordinates
    projection: FrozenProjection


def map_run(run: CampaignRun[Any, Any], settings: MapSettings | None = None) -> LatentMap:
    """Return the map of a run: a projection fitted on its corpus, in which its measured designs are placed.

    Args:
        run: The run.
        settings: How the map is drawn.

    Raises:
        InvdesignError: The run has no corpus, or too few designs for a projection.
    """
    settings = settings or MapSettings()
    latent_space = run.engine.latent_space
    ground = _ground(latent_space, run.corpus, str(run.folder), settings, run.resources.cache)
    measured = [c for c in run.state.evaluated if c.status == "measured" and c.is_placed]
    n_pictures = max(0, settings.max_pictures - len(measured))
    shown = [*_corpus_designs(latent_space, ground, n_pictures), *_measured(run, measured, settings.max_pictures)]
    path = [PathPoint(len(ground.designs) + i, measured[i].round) for i in _best_of_rounds(run, measured)]
    Z = torch.stack([c.z for c in measured]) if measured else torch.zeros(0, latent_space.d, dtype=torch.float64)
    return _assemble(latent_space, run.campaign.name, ground, Z, shown, path)


def map_corpus(
    latent_space: LatentSpace[Any, Any],
    corpus: Corpus[Any] | None,
    settings: MapSettings | None = None,
    *,
    name: str,
    cache: Path | None = None,
) -> LatentMap:
    """Return the map of a latent space: a projection of designs of a corpus.

    Args:
        latent_space: The latent space.
        corpus: The designs.
        settings: How the map is drawn.
        name: Name of the map.
        cache: Folder in which projections are kept.

    Raises:
        InvdesignError: There is no corpus, or there are too few designs for a projection.
    """
    settings = settings or MapSettings()
    ground = _ground(latent_space, corpus, name, settings, cache)
    shown = _corpus_designs(latent_space, ground, settings.max_pictures)
    return _assemble(latent_space, name, ground, torch.zeros(0, latent_space.d, dtype=torch.float64), shown, ())


def _ground(
    latent_space: LatentSpace[Any, Any],
    corpus: Corpus[Any] | None,
    where: str,
    settings: MapSettings,
    cache: Path | None,
) -> _Ground:
    if corpus is None:
        raise InvdesignError(f"{where}: expected a corpus to draw the map from, got none. Set corpus=")
    designs = [corpus.designs[i] for i in thin(len(corpus.designs), settings.n)]
    Z = latent_space.encode(designs)
    is_placed = Z.isfinite().all(1)
    designs = [design for design, ok in zip(designs, is_placed.tolist(), strict=True) if ok]
    Z = Z[is_placed]
    coordinates = fit_coordinates(latent_space, designs)
    try:
        projection = _frozen(coordinates(Z), settings, cache)
    except ValueError as error:
        raise InvdesignError(f"map: {error}. Take a larger corpus") from error
    percentile = latent_space.percentile(latent_space.plausibility(designs, Z)).tolist()
    return _Ground(designs, percentile, coordinates, projection)


def _frozen(X: Array, settings: MapSettings, cache: Path | None) -> FrozenProjection:
    """Return the projection of coordinates from the cache, or fit it: the same designs lie where they were."""
    content = hashlib.sha256(np.ascontiguousarray(X).tobytes() + f"{settings.method} {settings.seed}".encode())
    path = None if cache is None else cache / "maps" / f"{content.hexdigest()[:24]}.safetensors"
    if path is not None and path.is_file():
        with suppress(InvdesignError, KeyError, ValueError):
            tensors, meta = read_tensors(path)
            parts = (tensors[name].numpy() for name in ("points", "trust", "continuity"))
            return FrozenProjection(meta["name"], X, *parts)
    projection = fit_projection(X, settings.method, seed=settings.seed)
    if path is not None:
        found = {
            "points": torch.from_numpy(projection.points.copy()),
            "trust": torch.from_numpy(projection.local_trust),
            "continuity": torch.from_numpy(projection.local_continuity),
        }
        with suppress(InvdesignError, OSError):  # a full cache costs time, not the map
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(path, found, {"name": projection.name})
    return projection


def _assemble(
    latent_space: LatentSpace[Any, Any],
    name: str,
    ground: _Ground,
    Z: torch.Tensor,
    shown: Sequence[MapDesign],
    path: Sequence[PathPoint],
) -> LatentMap:
    """Return the map of a corpus and of further designs at `Z`."""
    projection = ground.projection
    X = ground.coordinates(Z)
    nearest = [int(((projection.Z - x) ** 2).sum(1).argmin()) for x in X]
    labels = find_clusters(projection.points)
    clusters = name_clusters(projection.points, labels, traits(latent_space.domain, ground.designs))
    return LatentMap(
        name,
        latent_space.domain.name,
        projection,
        str(ground.coordinates),
        shown,
        np.concatenate([projection.points, projection.place(X)]),
        np.concatenate([projection.local_trust, projection.local_trust[nearest]]),
        path,
        clusters if len(clusters) > 1 else (),  # one cluster is the whole map
        density_grid(projection.points),
    )


def _corpus_designs(latent_space: LatentSpace[Any, Any], ground: _Ground, n_pictures: int) -> list[MapDesign]:
    drawn = set(thin(len(ground.designs), n_pictures).tolist()) if n_pictures else set()
    domain = latent_space.domain
    return [
        MapDesign(
            label(domain, design),
            domain.to_text(design),
            "corpus",
            {"plausibility percentile": ground.percentile[i]},
            picture=_picture(latent_space, design) if i in drawn else "",
        )
        for i, design in enumerate(ground.designs)
    ]


def _measured(run: CampaignRun[Any, Any], measured: Sequence[Candidate[Any]], n_pictures: int) -> list[MapDesign]:
    names, objectives, domain = run.identifiers(), run.campaign.objectives, run.campaign.domain
    return [
        MapDesign(
            label(domain, c.design),
            domain.to_text(c.design),
            "measured",
            {o.name: y for o, y in zip(objectives, c.y, strict=True)}
            | {"plausibility percentile": c.percentile, "round": float(c.round)},
            names[c.key],
            _picture(run.engine.latent_space, c.design) if i < n_pictures else "",
        )
        for i, c in enumerate(measured)
    ]


def _best_of_rounds(run: CampaignRun[Any, Any], measured: Sequence[Candidate[Any]]) -> list[int]:
    """Return the position of the best design of each round by the first utility, by round."""
    if not measured:
        return []
    utility = run.campaign.utilities(measured)[:, 0]
    best: dict[int, int] = {}
    for i in np.flatnonzero(np.isfinite(utility)).tolist():
        number = measured[i].round
        if number not in best or utility[i] > utility[best[number]]:
            best[number] = i
    return [best[number] for number in sorted(best)]


def _picture(latent_space: LatentSpace[Any, Any], design: Any) -> str:
    try:
        return draw(latent_space.domain, design)
    except Exception as error:  # a domain is a plug-in, and a design without a picture is still a design
        log.debug("no picture of a design (%s: %s)", type(error).__name__, error)
        return ""
