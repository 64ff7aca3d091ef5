"""Pictures of crystals: the conventional cell as balls and sticks in a small SVG."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pymatgen.vis
from monty.serialization import loadfn
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element
from pymatgen.core.molecule_structure_comparator import CovalentRadius
from scipy.spatial import cKDTree

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal, to_text
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of

MAX_ATOMS = 400
MAX_BONDS = 700
# Pixels have a decimal where so few atoms are drawn.
FEW_ATOMS = 150
N_LAYERS = 12
EDGE = 0.02
# Seen from the front, a little from the right and from above.
TURN, TILT = math.radians(-22.0), math.radians(14.0)


@dataclass(frozen=True, eq=False)
class Scene:
    """What is drawn of a crystal, as the viewer sees it: right, up, and towards the viewer (angstrom).

    Args:
        names: `n` elements.
        atoms: `n x 3`.
        bonds: `k x 2`, pairs of atoms.
        corners: `8 x 3`, of the cell; those that differ in one bit of their numbers are joined by an edge.
        elements: each once, from metals to anions.
    """

    names: list[str]
    atoms: Array
    bonds: np.ndarray
    corners: Array
    elements: list[str]


def scene(crystal: Crystal) -> Scene:
    """The conventional cell of a crystal; atoms on its border stand at every border.

    At most `MAX_ATOMS` atoms, the nearest first; no bonds where there are more than `MAX_BONDS`.
    """
    species, positions = expand(crystal)
    names, x = _with_borders(species, positions)
    lattice = lattice_of(crystal.cell)
    atoms, corners = _seen(x, lattice), _seen(_corners(), lattice)
    if len(names) > MAX_ATOMS:
        front = np.sort(np.argsort(-atoms[:, 2], kind="stable")[:MAX_ATOMS])
        names, atoms = [names[k] for k in front], atoms[front]
    return Scene(names, atoms, _bonds(names, atoms), corners, sorted(set(names), key=_electronegativity))


def svg(crystal: Crystal, *, width: int = 320, height: int = 260) -> str:
    """The conventional cell of a crystal as an SVG element; atoms on its border are drawn at every border.

    At most `MAX_ATOMS` atoms are drawn, the nearest first. The same crystal makes the same picture, below 30 kB.
    """
    shown = scene(crystal)
    names, atoms, bonds, corners, elements = shown.names, shown.atoms, shown.bonds, shown.corners, shown.elements
    digits = 1 if len(names) <= FEW_ATOMS else 0
    low, high = corners[:, :2].min(0) - 0.8, corners[:, :2].max(0) + 0.8
    scale = float(min((width - 8) / (high[0] - low[0]), (height - 34) / (high[1] - low[1])))
    middle = (low + high) / 2

    def at(points: Array) -> Array:
        """Pixels (`n x 2`), y downwards, above the legend."""
        flat = (points[:, :2] - middle) * scale * [1, -1]
        return np.asarray(flat + np.array([width / 2, (height - 26) / 2 + 2]))

    # Names within the picture must not clash where several are pasted into one page.
    mark = "c" + hashlib.sha256(to_text(crystal).encode()).hexdigest()[:6]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img"><title>'
        f"{Composition(crystal.counts).reduced_formula}, space group {crystal.space_group}</title><defs>",
        *(_ball(f"{mark}{name}", name, max(1.5, radius(name) * scale)) for name in elements),
        "</defs>",
    ]
    behind, before = _edges(corners)
    ends = at(corners)
    parts.append(_lines([(ends[i], ends[j]) for i, j in behind], "#b9b9b9", 1.0))
    pixels = at(atoms)
    steps = np.linspace(atoms[:, 2].min() - 1e-6, atoms[:, 2].max(), N_LAYERS + 1)
    layer = np.clip(np.searchsorted(steps, atoms[:, 2]) - 1, 0, N_LAYERS - 1)
    bond_layer = layer[bonds].min(1) if len(bonds) else np.zeros(0, dtype=int)
    for k in range(N_LAYERS):
        sticks = [(pixels[i], pixels[j]) for i, j in bonds[bond_layer == k]]
        parts.append(_lines(sticks, "#8d8d8d", max(1.0, 0.09 * scale), digits))
        inside = np.flatnonzero(layer == k)
        for i in inside[np.argsort(atoms[inside, 2], kind="stable")]:
            px, py = pixels[i]
            parts.append(f'<use href="#{mark}{names[i]}" x="{px:.{digits}f}" y="{py:.{digits}f}"/>')
    parts.append(_lines([(ends[i], ends[j]) for i, j in before], "#6e6e6e", 1.0))
    parts.append(_legend(elements, mark, width, height))
    return "".join(parts) + "</svg>"


def _with_borders(species: list[str], positions: Array) -> tuple[list[str], Array]:
    """Atoms of the cell with their images on its other borders; without those where they would be too many."""
    x = positions % 1.0
    x[x > 1 - EDGE / 4] = 0.0
    names, points = list(species), list(x)
    for name, row in zip(species, x, strict=True):
        sides = [(0.0, 1.0) if v < EDGE / 4 else (0.0,) for v in row]
        for a in sides[0]:
            for b in sides[1]:
                for c in sides[2]:
                    if a or b or c:
                        names.append(name)
                        points.append(row + np.array([a, b, c]))
    return (names, np.array(points)) if len(names) <= MAX_ATOMS else (list(species), x)


def _corners() -> Array:
    return np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)


def _seen(x: Array, lattice: Array) -> Array:
    """Fractional coordinates as the viewer sees them (`n x 3`, angstrom): right, up, and towards the viewer."""
    a, b, c = (x @ lattice).T
    right, away = a * math.cos(TURN) - b * math.sin(TURN), a * math.sin(TURN) + b * math.cos(TURN)
    up, near = c * math.cos(TILT) + away * math.sin(TILT), c * math.sin(TILT) - away * math.cos(TILT)
    return np.stack([right, up, near], axis=1)


def _edges(corners: Array) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The cell's edges by their corners: the three that meet at the back, and the others."""
    edges = [(i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit]
    back = int(corners[:, 2].argmin())
    return [e for e in edges if back in e], [e for e in edges if back not in e]


def _bonds(names: list[str], atoms: Array) -> np.ndarray:
    """Pairs (`k x 2`) within 1.15 times the sum of covalent radii, metals with metals left out."""
    covalent = np.array([CovalentRadius.radius.get(name, 1.6) for name in names])
    is_metal = np.array([Element(name).is_metal for name in names])
    pairs = cKDTree(atoms).query_pairs(2.3 * float(covalent.max()), output_type="ndarray")
    if not len(pairs):
        return np.zeros((0, 2), dtype=int)
    i, j = pairs.T
    near = np.linalg.norm(atoms[i] - atoms[j], axis=1) < 1.15 * (covalent[i] + covalent[j])
    kept = pairs[near & ~(is_metal[i] & is_metal[j])]
    kept = kept[np.lexsort(kept.T[::-1])]
    return kept if len(kept) <= MAX_BONDS else kept[:0]


def _lines(ends: list[tuple[Array, Array]], colour: str, width: float, digits: int = 1) -> str:
    if not ends:
        return ""
    path = "".join(f"M{x:.{digits}f} {y:.{digits}f}L{u:.{digits}f} {v:.{digits}f}" for (x, y), (u, v) in ends)
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:.1f}" stroke-linecap="round"/>'


def _ball(mark: str, name: str, pixels: float) -> str:
    """A shaded ball (by `mark`) and its colours (by `mark` and "s"), to be used many times."""
    light, plain, dark = shades(name)
    return (
        f'<radialGradient id="{mark}s" cx="35%" cy="32%" r="72%"><stop offset="0" stop-color="{light}"/>'
        f'<stop offset=".45" stop-color="{plain}"/><stop offset="1" stop-color="{dark}"/>'
        f'</radialGradient><circle id="{mark}" r="{pixels:.1f}" fill="url(#{mark}s)"/>'
    )


def _legend(elements: list[str], mark: str, width: int, height: int) -> str:
    step = min(46.0, (width - 16) / max(len(elements), 1))
    left = (width - step * len(elements)) / 2
    parts = []
    for k, name in enumerate(elements):
        x = left + k * step
        parts.append(
            f'<circle cx="{x + 8:.1f}" cy="{height - 12}" r="6" fill="url(#{mark}{name}s)"/>'
            f'<text x="{x + 18:.1f}" y="{height - 8}" fill="#444">{name}</text>'
        )
    return "".join(parts)


def _electronegativity(name: str) -> tuple[float, str]:
    value = Element(name).data.get("X")
    return (float(value) if value else 9.0), name


@cache
def _colours() -> dict[str, tuple[int, int, int]]:
    schemes = loadfn(Path(pymatgen.vis.__file__).parent / "ElementColorSchemes.yaml")
    return {name: (int(r), int(g), int(b)) for name, (r, g, b) in schemes["Jmol"].items()}


def shades(name: str) -> tuple[str, str, str]:
    """An element's colour where light falls on its ball, in the middle, and in the shade."""
    r, g, b = _colours().get(name, (160, 160, 160))
    light = "#" + "".join(f"{int(v + 0.6 * (255 - v)):02x}" for v in (r, g, b))
    dark = "#" + "".join(f"{int(0.55 * v):02x}" for v in (r, g, b))
    return light, f"#{r:02x}{g:02x}{b:02x}", dark


@cache
def radius(name: str) -> float:
    """Of the ball (angstrom): a part of the atomic radius, so that the bonds can be seen."""
    found = Element(name).atomic_radius
    return 0.4 * float(found) if found else 0.6
