"""The map of a run's latent space: its corpus and its measured designs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from invdesign.atlas import ProjectionMethod, fit_projection, thin
from invdesign.campaign import Engine
from invdesign.core import Candidate, InvdesignError
from invdesign.core.capabilities import draw, label, svg_uri
from invdesign.report.map_page import LatentMap, MapDesign
from invdesign.runs.campaign_run import CampaignRun

MAX_PICTURES = 600
"""Designs that are drawn: those measured first, then a part of the corpus."""
log = logging.getLogger(__name__)


def map_run(
    run: CampaignRun[Any, Any], *, n: int = 2_000, method: ProjectionMethod = "tsne", seed: int = 0
) -> LatentMap:
    """Return the map of a run: a projection fitted on its corpus, in which its measured designs are placed.

    Args:
        run: The run.
        n: Largest number of designs of the corpus, evenly drawn.
        method: Projection, see `atlas.project`.
        seed: Seed of the projection.

    Raises:
        InvdesignError: The run has no corpus, or too few designs for a projection.
    """
    engine, corpus = run.engine, run.corpus
    if corpus is None:
        raise InvdesignError(f"{run.folder}: expected a corpus to draw the map from, got none. Set corpus=")
    designs = [corpus.designs[i] for i in thin(len(corpus.designs), n)]
    latent_space = engine.latent_space
    encoded = latent_space.encode(designs)
    is_placed = encoded.isfinite().all(1)
    designs = [design for design, ok in zip(designs, is_placed.tolist(), strict=True) if ok]
    encoded = encoded[is_placed]
    Z = encoded.numpy()
    try:
        projection = fit_projection(Z, method, seed=seed)
    except ValueError as error:
        raise InvdesignError(f"map: {error}. Take a larger corpus") from error
    measured = [c for c in run.state.evaluated if c.status == "measured" and c.is_placed]
    placed = np.array([c.z.tolist() for c in measured], dtype=np.float64).reshape(-1, Z.shape[1])
    percentile = latent_space.percentile(latent_space.plausibility(designs, encoded)).tolist()
    n_drawn = max(0, MAX_PICTURES - len(measured))
    drawn = set(thin(len(designs), n_drawn).tolist()) if n_drawn else set()
    shown = [
        MapDesign(
            label(latent_space.domain, design),
            latent_space.domain.to_text(design),
            "corpus",
            {"plausibility percentile": percentile[i]},
            picture=_picture(engine, design) if i in drawn else "",
        )
        for i, design in enumerate(designs)
    ]
    shown += _measured(run, engine, measured)
    nearest = [int(((Z - z) ** 2).sum(1).argmin()) for z in placed]
    return LatentMap(
        run.campaign.name,
        run.campaign.domain.name,
        projection,
        shown,
        np.concatenate([projection.points, projection.place(placed)]),
        np.concatenate([projection.local_trust, projection.local_trust[nearest]]),
        [len(designs) + i for i in _incumbents(run, measured)],
    )


def _measured(
    run: CampaignRun[Any, Any], engine: Engine[Any, Any], measured: Sequence[Candidate[Any]]
) -> list[MapDesign]:
    names, objectives = run.identifiers(), run.campaign.objectives
    return [
        MapDesign(
            label(run.campaign.domain, c.design),
            run.campaign.domain.to_text(c.design),
            "measured",
            {o.name: y for o, y in zip(objectives, c.y, strict=True)}
            | {"plausibility percentile": c.percentile, "round": float(c.round)},
            names[c.key],
            _picture(engine, c.design) if i < MAX_PICTURES else "",
        )
        for i, c in enumerate(measured)
    ]


def _incumbents(run: CampaignRun[Any, Any], measured: Sequence[Candidate[Any]]) -> list[int]:
    """Return the positions of the designs that were the best so far by the first utility."""
    if not measured:
        return []
    utility = run.campaign.utilities(measured)[:, 0]
    best: list[int] = []
    for i, value in enumerate(utility):
        if np.isfinite(value) and (not best or value > utility[best[-1]]):
            best.append(i)
    return best


def _picture(engine: Engine[Any, Any], design: Any) -> str:
    try:
        return svg_uri(draw(engine.latent_space.domain, design))
    except Exception as error:  # a domain is a plug-in, and a design without a picture is still a design
        log.debug("no picture of a design (%s: %s)", type(error).__name__, error)
        return ""
