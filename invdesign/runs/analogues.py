"""The analogue of a design under a change that a corpus shows, e.g. `NaCl -> NaBr` or the reverse complement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from invdesign.atlas.symmetry_maps import MAX_P_VALUE, MIN_PAIRS, SymmetryMap, fit_symmetry_map
from invdesign.core import Array, InvdesignError
from invdesign.core.capabilities import computed_properties, label, placement_errors
from invdesign.core.transformations import Transformable, Transformation
from invdesign.io.tables import read_table, write_table
from invdesign.latent.space import LatentSpace
from invdesign.runs.properties import LabelledSpace, measure_computed
from invdesign.vae.priors import FlowPrior

MIN_REAL_PAIRS = 100
"""Pairs of the corpus below which changed designs are made from it."""
MAX_PAIRS = 4_000
"""Pairs that are encoded."""
MIN_EXACT = 0.5
"""Share of exact decodings, of the best possible one, from which a map is found whatever its residual."""
N_DECODED = 200
"""Held-out pairs that are decoded."""

Origin = Literal["corpus", "made", "file"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Designs before and after a change."""

    name: str
    """Name of the change."""
    before: Sequence[Any]
    """Designs."""
    after: Sequence[Any]
    """The changed designs, in the same order."""
    origin: Origin
    """Whether both are in the corpus, the changed ones were made by the tool, or both are from a file."""
    change: Transformation[Any] | None = None
    """The change, where the domain can make it."""


@dataclass(frozen=True, eq=False)
class Symmetry:
    """A change, its map in the latent space, and what the decoder makes of it."""

    pairs: Pairs
    """The pairs."""
    map: SymmetryMap
    """The linear map."""
    exact: float
    """Share of held-out designs whose mapped latent decodes to the changed design."""
    exact_at_best: float
    """Share of held-out changed designs that their own latents decode to: no map can be better."""
    n_decoded: int
    """Held-out pairs that were decoded."""
    spread: Array
    """Distances of the fitted designs to the nearest other one, ascending."""

    @property
    def is_found(self) -> bool:
        """Whether the latents follow the change: by the residual of the map, or by what the decoder makes of it.

        Of a latent with dimensions that the decoder hardly reads, the residual stays large where the decoded design is
        the changed one.
        """
        is_decoded = self.exact > 0 and self.exact >= MIN_EXACT * self.exact_at_best
        return self.map.is_found or (is_decoded and self.map.p_value <= MAX_P_VALUE)

    def facts(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        m = self.map
        return {
            "change": m.name,
            "found": self.is_found,
            "pairs": self.pairs.origin,
            "fitted": m.n,
            "held out": len(m.held_out),
            "residual": m.residual,
            "residual of no change": m.residual_unchanged,
            "residual of the mean": m.residual_mean,
            "p_value": m.p_value,
            "order": m.order,
            "order error": m.order_error if math.isfinite(m.order_error) else None,
            "decoded": self.n_decoded,
            "decoded exactly": self.exact,
            "decoded exactly at best": self.exact_at_best,
        }


@dataclass(frozen=True, eq=False)
class Analogue:
    """What a change makes of a design."""

    symmetry: Symmetry
    """The change."""
    design: Any
    """The design."""
    decoded: Any | None
    """What the mapped latent decodes to."""
    plain: Any | None
    """The changed design as the domain makes it, without a latent space."""
    nearness: float
    """Share of the fitted designs that are farther from the nearest other one than this design is."""


def find_pairs(labelled: LabelledSpace, text: str) -> Pairs:
    """Return the pairs of a change: from a file, else from the corpus, else made from its designs.

    Args:
        labelled: The latent space with its corpus.
        text: A .csv file with two columns of designs, or a change that the domain knows.

    Raises:
        InvdesignError: The text is neither, or there are too few designs to which the change applies.
    """
    domain = labelled.latent_space.domain
    if Path(text).suffix == ".csv":
        return _keep_writable(labelled.latent_space, _read_pairs(domain, Path(text)))
    if not isinstance(domain, Transformable):
        raise InvdesignError(
            f"move: {domain.name} have no changes by name. Give --like a .csv file with two columns of designs"
        )
    change: Transformation[Any] = domain.transformation(text)
    corpus = labelled.designs if labelled.corpus is None else labelled.corpus.designs
    tried = [(design, change.apply(design)) for design in corpus]
    made = [(design, changed) for design, changed in tried if changed is not None]
    by_identity = {change.identify(design): design for design in corpus if change.is_possible_result(design)}
    known = [(x, by_identity.get(change.identify(changed))) for x, changed in made]
    found = [(x, partner) for x, partner in known if partner is not None and partner != x]
    origin: Origin = "corpus" if len(found) >= MIN_REAL_PAIRS else "made"
    chosen = found if origin == "corpus" else made
    pairs = Pairs(change.name, [a for a, _ in chosen], [b for _, b in chosen], origin, change)
    return _keep_writable(labelled.latent_space, pairs)


def fit_symmetry(latent_space: LatentSpace[Any, Any], pairs: Pairs, *, seed: int = 0) -> Symmetry:
    """Fit the linear map of pairs of designs, and decode held-out ones.

    Raises:
        InvdesignError: There are too few pairs.
    """
    if len(pairs.before) < MIN_PAIRS:
        raise InvdesignError(
            f"move: {pairs.name!r} applies to {len(pairs.before)} designs of the corpus, {MIN_PAIRS} are needed: no "
            "symmetry found. Choose a corpus with such designs, or give a .csv file with two columns of designs"
        )
    order = pairs.change.order if pairs.change else None
    before, after = (_own_latents(latent_space, side) for side in (pairs.before, pairs.after))
    found = fit_symmetry_map(pairs.name, before, after, order=order, seed=seed)
    rows = found.held_out[:N_DECODED]
    identify = pairs.change.identify if pairs.change else latent_space.domain.key
    true = [identify(pairs.after[i]) for i in rows]
    mapped, own = (_decode(latent_space, z) for z in (found(before[rows]), after[rows]))
    exact, best = (
        float(np.mean([x is not None and identify(x) == t for x, t in zip(decoded, true, strict=True)]))
        for decoded in (mapped, own)
    )
    fitted = np.delete(before, found.held_out, axis=0)
    return Symmetry(pairs, found, exact, best, len(rows), np.sort(_nearest(fitted, fitted)))


def find_analogue(
    latent_space: LatentSpace[Any, Any], symmetry: Symmetry, design: Any, *, change: Transformation[Any] | None
) -> Analogue:
    """Return what a change makes of a design: decoded from its mapped latent, and made by the domain.

    Raises:
        InvdesignError: The model cannot write the design, or the change is not defined for it.
    """
    (error,) = placement_errors(latent_space.encoding, [design])
    if error:
        raise InvdesignError(f"move: the model cannot write this design: {error}. Choose another one")
    plain = None if change is None else change.apply(design)
    if change is not None and plain is None:
        raise InvdesignError(
            f"move: {change.name!r} cannot be applied to {label(latent_space.domain, design)}. Choose a design that "
            "has what is changed and lacks what it becomes"
        )
    z = _own_latents(latent_space, [design])
    (decoded,) = _decode(latent_space, symmetry.map(z))
    fitted = np.delete(_own_latents(latent_space, symmetry.pairs.before), symmetry.map.held_out, axis=0)
    distance = float(np.linalg.norm(fitted - z, axis=1).min())
    nearness = float(np.mean(symmetry.spread > distance)) if distance > 0 else 1.0
    return Analogue(symmetry, design, decoded, plain, nearness)


def write_analogue(analogue: Analogue, latent_space: LatentSpace[Any, Any], folder: Path) -> dict[str, Any]:
    """Write the design and its analogues as a table.

    Args:
        analogue: The design and what it becomes.
        latent_space: The latent space.
        folder: Folder of the file.

    Returns:
        The figures of the change, the designs with their properties, and the file, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain = latent_space.domain
    named = [("given", analogue.design), ("decoded", analogue.decoded), ("substituted", analogue.plain)]
    present = [(name, design) for name, design in named if design is not None]
    designs = [design for _, design in present]
    errors = placement_errors(latent_space.encoding, designs)
    Z = latent_space.encode(designs)
    percentile = latent_space.percentile(latent_space.plausibility(designs, Z)).tolist()
    columns: dict[str, list[Any]] = {
        "which": [name for name, _ in present],
        "design": [domain.to_text(design) for design in designs],
        "label": [label(domain, design) for design in designs],
        "plausibility percentile": [None if error else p for p, error in zip(percentile, errors, strict=True)],
    }
    for name, computed in computed_properties(domain).items():
        columns[name] = [v if math.isfinite(v) else None for v in measure_computed(computed)(designs).tolist()]
    path = write_table(columns, folder / "analogues.csv")
    rows = [{heading: cells[i] for heading, cells in columns.items()} for i in range(len(present))]
    is_same = None
    if analogue.plain is not None and analogue.decoded is not None:
        change = analogue.symmetry.pairs.change
        identify = domain.key if change is None else change.identify
        is_same = identify(analogue.plain) == identify(analogue.decoded)
    return {
        **analogue.symmetry.facts(),
        "designs": rows,
        "same": is_same,
        "nearness": analogue.nearness,
        "files": [str(path)],
    }


def _read_pairs(domain: Any, path: Path) -> Pairs:
    if not path.is_file():
        raise InvdesignError(f"{path}: there is no such file. Give a .csv file with two columns of designs")
    columns = list(read_table(path).values())
    if len(columns) < 2:
        raise InvdesignError(f"{path}: expected two columns of designs, got {len(columns)}. Add the changed designs")
    before, after = ([domain.from_text(text) for text in column] for column in columns[:2])
    return Pairs(path.stem, before, after, "file")


def _keep_writable(latent_space: LatentSpace[Any, Any], pairs: Pairs) -> Pairs:
    """Return at most `MAX_PAIRS` pairs, evenly drawn, of designs that the model can write."""
    step = max(1, math.ceil(len(pairs.before) / MAX_PAIRS))
    before, after = pairs.before[::step], pairs.after[::step]
    errors = [placement_errors(latent_space.encoding, side) for side in (before, after)]
    rows = [i for i, (a, b) in enumerate(zip(*errors, strict=True)) if not a and not b]
    return Pairs(pairs.name, [before[i] for i in rows], [after[i] for i in rows], pairs.origin, pairs.change)


def _own_latents(latent_space: LatentSpace[Any, Any], designs: Sequence[Any]) -> Array:
    """Return the latents in which changes are mapped: under a learned prior those of the VAE itself.

    The decoder reads these. The space of a search is their image under the flow of the prior, which is not linear: a
    change that adds a vector to the own latents is no affine map of that space.
    """
    Z = latent_space.encode(designs)
    own: Array = (latent_space.vae_latents(Z) if _has_flow(latent_space) else Z).numpy()
    return own


def _decode(latent_space: LatentSpace[Any, Any], own: Array) -> list[Any]:
    """Return the designs at latents that `_own_latents` returned."""
    points = torch.from_numpy(own)
    return latent_space.decode(latent_space.from_vae_latents(points) if _has_flow(latent_space) else points)


def _has_flow(latent_space: LatentSpace[Any, Any]) -> bool:
    return isinstance(latent_space.vae.prior, FlowPrior)


def _nearest(Z: Array, others: Array) -> Array:
    """Return for each latent the distance to the nearest other one."""
    square = np.square(Z).sum(1)[:, None] + np.square(others).sum(1) - 2 * Z @ others.T
    np.fill_diagonal(square, np.inf)
    nearest: Array = np.sqrt(np.maximum(square.min(1), 0.0))
    return nearest
