"""The population between several ones: a barycentre of their latents, decoded and measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch

from invdesign.atlas.transport import barycentre, distance
from invdesign.campaign import Engine
from invdesign.core import Array, D, InvdesignError, MakeExecutor
from invdesign.core.capabilities import describe, label
from invdesign.io.design_files import formats, write_designs
from invdesign.io.tables import write_table
from invdesign.runs.populations import measured_properties, placed


@dataclass(frozen=True, eq=False)
class Barycentre(Generic[D]):
    """A population between several ones."""

    designs: tuple[D, ...]
    """Distinct designs that its latents decode to."""
    n: int
    """Latents of the barycentre."""
    n_valid: int
    """Latents that decode to a design."""
    distances: tuple[float, ...]
    """Wasserstein distance of the decoded designs from each population."""
    values: dict[str, Array]
    """Measured properties of the designs."""


def blend_populations(
    engine: Engine[D, Any],
    populations: Sequence[Sequence[D]],
    *,
    weights: Sequence[float] | None = None,
    n: int = 100,
    executor: MakeExecutor | None = None,
) -> Barycentre[D]:
    """Return the population whose weighted transport distance to several ones is least, decoded.

    Args:
        engine: The campaign bound to its latent space; its oracle is used.
        populations: Two or more populations.
        weights: Weight of each, above 0; equal ones by default.
        n: Largest number of designs.
        executor: Opens the place where the oracle runs; None to measure nothing.

    Raises:
        InvdesignError: The weights do not fit, the model cannot place a population, or nothing decodes to a design.
    """
    if weights is not None and (len(weights) != len(populations) or not all(w > 0 for w in weights)):
        raise InvdesignError(
            f"interpolate: expected --weights with {len(populations)} numbers above 0, one for each file, got "
            f"{', '.join(f'{w:g}' for w in weights)}"
        )
    domain, latent_space = engine.campaign.domain, engine.latent_space
    latents = [placed(engine, designs)[1].numpy() for designs in populations]
    between = barycentre(latents, weights=weights, n=n)
    decoded = [design for design in latent_space.decode(torch.from_numpy(between)) if design is not None]
    if not decoded:
        raise InvdesignError("interpolate: nothing between these files decodes to a design. Choose nearer ones")
    Z = latent_space.encode(decoded)
    Z = Z[Z.isfinite().all(1)]
    distances = tuple(distance(Z.numpy(), X) if len(Z) else math.nan for X in latents)
    distinct = tuple({domain.key(design): design for design in decoded}.values())
    values = measured_properties(engine, distinct, executor)
    return Barycentre(distinct, len(between), len(decoded), distances, values)


def write_barycentre(
    found: Barycentre[D], engine: Engine[D, Any], folder: Path, *, names: Sequence[str]
) -> dict[str, Any]:
    """Write the designs of a barycentre as a table and in their own format.

    Args:
        found: The barycentre.
        engine: The campaign bound to its latent space.
        folder: Folder of the files.
        names: Names of the populations.

    Returns:
        Counts, distances and files, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain = engine.campaign.domain
    columns: dict[str, Any] = {"label": [label(domain, design) for design in found.designs]}
    columns |= {name: values.tolist() for name, values in found.values.items()}
    columns |= describe(domain, found.designs) | {"design": [domain.to_text(design) for design in found.designs]}
    own = folder / f"barycentre{formats(domain)[0]}"
    if own.suffix != ".csv":
        write_designs(domain, list(found.designs), own)
    files = [write_table(columns, folder / "barycentre.csv"), *([own] if own.suffix != ".csv" else [])]
    return {
        "designs": len(found.designs),
        "valid": found.n_valid / found.n,
        "distances": {name: round(value, 4) for name, value in zip(names, found.distances, strict=True)},
        "medians": {name: round(float(np.nanmedian(y)), 4) for name, y in found.values.items() if np.isfinite(y).any()},
        "files": [str(path) for path in files],
    }
