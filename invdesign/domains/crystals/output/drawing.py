"""Ball-and-stick drawings of the conventional cell as small SVGs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pymatgen.vis
from monty.serialization import loadfn
from pymatgen.core.composition import Composition
from pymatgen.core.molecule_structure_comparator import CovalentRadius
from pymatgen.core.periodic_table import Element
from scipy.spatial import cKDTree

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal, to_text
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.wyckoff import atoms_of_orbit, lattice_of

MAX_ATOMS = 400
MAX_BONDS = 700
# Pixel coordinates have one decimal up to this number of atoms, none beyond.
MAX_ATOMS_WITH_DECIMAL = 150
N_LAYERS = 12
# Fractional distance within which an atom counts as lying on the border of the cell.
BORDER = 0.005
# Bonds are at most this times the sum of covalent radii.
STRETCH = 1.15
# The view is from the front, slightly from the right and from above.
ROTATION, TILT = math.radians(-22.0), math.radians(14.0)

Indices = npt.NDArray[np.int64]
# Points (`n x 3`, angstrom) -> pixels (`n x 2`).
ToPixels = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Scene:
    """Content of a drawing in view coordinates: right, up, and towards the viewer [angstrom]."""

    names: list[str]
    """`n` element symbols."""
    atoms: Array
    """`n x 3` positions."""
    bonds: Indices
    """`k x 2` pairs of atoms."""
    corners: Array
    """`8 x 3` corners of the cell; an edge joins two whose indices differ in one bit."""
    elements: list[str]
    """Distinct elements, from metals to anions."""


def build_scene(crystal: Crystal) -> Scene:
    """Build the scene of the conventional cell, with the atoms on a border repeated on the opposite borders.

    Args:
        crystal: Crystal to draw.

    Returns:
        At most `MAX_ATOMS` atoms, those closest to the viewer; no bonds if there are more than `MAX_BONDS`.
    """
    species, positions = expand(crystal)
    names, x = _repeat_border_atoms(species, positions)
    lattice = lattice_of(crystal.cell)
    corners = np.array(list(product((0, 1), repeat=3)), dtype=float)
    atoms = _project(x, lattice)
    if len(names) > MAX_ATOMS:
        front = np.sort(np.argsort(-atoms[:, 2], kind="stable")[:MAX_ATOMS])
        names, atoms = [names[k] for k in front], atoms[front]
    elements = sorted(set(names), key=_rank_electronegativity)
    return Scene(names, atoms, _find_bonds(names, atoms), _project(corners, lattice), elements)


def svg(crystal: Crystal, *, width: int = 320, height: int = 260, strengths: Sequence[float] = ()) -> str:
    """Draw the conventional cell of a crystal, with the atoms on a border repeated on the opposite borders.

    The drawing is deterministic and smaller than 30 kB; at most `MAX_ATOMS` atoms are drawn, those closest to the
    viewer.

    Args:
        crystal: Crystal to draw.
        width: Width [pixel].
        height: Height [pixel].
        strengths: From 0 to 1 for each orbit: how strong the red circles around its atoms are.

    Returns:
        An SVG element.

    Example:
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> copper = Crystal(225, (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> svg(copper).count("<use ")
        14
    """
    scene = build_scene(crystal)
    digits = 1 if len(scene.names) <= MAX_ATOMS_WITH_DECIMAL else 0
    to_pixels, scale = _fit_view(scene.corners, width, height)
    # Identifiers must differ between drawings on one page.
    prefix = "c" + hashlib.sha256(to_text(crystal).encode()).hexdigest()[:6]
    back_edges, front_edges = _split_edges(scene.corners)
    corners = to_pixels(scene.corners)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img"><title>'
        f"{Composition(crystal.counts).reduced_formula}, space group {crystal.space_group}</title><defs>",
        *(_define_ball(f"{prefix}{name}", name, max(1.5, ball_radius(name) * scale)) for name in scene.elements),
        "</defs>",
        _draw_lines([(corners[i], corners[j]) for i, j in back_edges], "#b9b9b9", 1.0),
        *_draw_atoms(scene, to_pixels(scene.atoms), prefix, max(1.0, 0.09 * scale), digits),
        _draw_lines([(corners[i], corners[j]) for i, j in front_edges], "#6e6e6e", 1.0),
        *(
            _draw_circles(crystal, i, strength, to_pixels, scale)
            for i, strength in enumerate(strengths)
            if strength > 0
        ),
        _draw_legend(scene.elements, prefix, width, height),
    ]
    return "".join(parts) + "</svg>"


def ball_colours(name: str) -> tuple[str, str, str]:
    """Return the colours of an element's ball: highlight, middle, and shadow.

    Args:
        name: Element symbol.

    Returns:
        Three hexadecimal colours, from Jmol's scheme.
    """
    r, g, b = _load_colours().get(name, (160, 160, 160))
    light = "#" + "".join(f"{int(v + 0.6 * (255 - v)):02x}" for v in (r, g, b))
    dark = "#" + "".join(f"{int(0.55 * v):02x}" for v in (r, g, b))
    return light, f"#{r:02x}{g:02x}{b:02x}", dark


@cache
def ball_radius(name: str) -> float:
    """Return the radius of an element's ball [angstrom], 0.4 times its atomic radius, so that bonds stay visible.

    Args:
        name: Element symbol.

    Returns:
        Radius [angstrom]; 0.6 for an element without an atomic radius.
    """
    atomic_radius = Element(name).atomic_radius
    return 0.4 * float(atomic_radius) if atomic_radius else 0.6


def _repeat_border_atoms(species: list[str], positions: Array) -> tuple[list[str], Array]:
    """Return elements and fractional coordinates of the cell's atoms and their images on the other borders.

    The images are omitted if there would be more than `MAX_ATOMS` atoms.
    """
    x = positions % 1.0
    x[x > 1 - BORDER] = 0.0
    names, points = list(species), list(x)
    for name, row in zip(species, x, strict=True):
        sides = [(0.0, 1.0) if v < BORDER else (0.0,) for v in row]
        for shift in product(*sides):
            if any(shift):
                names.append(name)
                points.append(row + np.array(shift))
    return (names, np.array(points)) if len(names) <= MAX_ATOMS else (list(species), x)


def _project(x: Array, lattice: Array) -> Array:
    """Return fractional coordinates in view coordinates (`n x 3`): right, up, and towards the viewer [angstrom]."""
    a, b, c = (x @ lattice).T
    right = a * math.cos(ROTATION) - b * math.sin(ROTATION)
    depth = a * math.sin(ROTATION) + b * math.cos(ROTATION)
    up = c * math.cos(TILT) + depth * math.sin(TILT)
    towards = c * math.sin(TILT) - depth * math.cos(TILT)
    return np.stack([right, up, towards], axis=1)


def _fit_view(corners: Array, width: int, height: int) -> tuple[ToPixels, float]:
    """Return the map to pixels (y downwards, above the legend) that fits the cell, and its scale [pixel/angstrom]."""
    low, high = corners[:, :2].min(0) - 0.8, corners[:, :2].max(0) + 0.8
    scale = float(min((width - 8) / (high[0] - low[0]), (height - 34) / (high[1] - low[1])))
    center = (low + high) / 2

    def to_pixels(points: Array) -> Array:
        offsets = (points[:, :2] - center) * scale * [1, -1]
        return np.asarray(offsets + np.array([width / 2, (height - 26) / 2 + 2]))

    return to_pixels, scale


def _split_edges(corners: Array) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the cell's edges as pairs of corners: the three that meet at the back, and the others."""
    edges = [(i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit]
    back = int(corners[:, 2].argmin())
    return [e for e in edges if back in e], [e for e in edges if back not in e]


def _find_bonds(names: list[str], atoms: Array) -> Indices:
    """Return the pairs (`k x 2`) within `STRETCH` times the sum of covalent radii, without pairs of metals."""
    covalent = np.array([CovalentRadius.radius.get(name, 1.6) for name in names])
    is_metal = np.array([Element(name).is_metal for name in names])
    pairs = cKDTree(atoms).query_pairs(2 * STRETCH * float(covalent.max()), output_type="ndarray")
    if not len(pairs):
        return np.zeros((0, 2), dtype=np.int64)
    i, j = pairs.T
    is_near = np.linalg.norm(atoms[i] - atoms[j], axis=1) < STRETCH * (covalent[i] + covalent[j])
    bonds: Indices = pairs[is_near & ~(is_metal[i] & is_metal[j])]
    bonds = bonds[np.lexsort(bonds.T[::-1])]
    return bonds if len(bonds) <= MAX_BONDS else bonds[:0]


def _draw_atoms(scene: Scene, pixels: Array, prefix: str, bond_width: float, digits: int) -> list[str]:
    """Draw bonds and atoms in layers from back to front."""
    depths = scene.atoms[:, 2]
    limits = np.linspace(depths.min() - 1e-6, depths.max(), N_LAYERS + 1)
    layers = np.clip(np.searchsorted(limits, depths) - 1, 0, N_LAYERS - 1)
    bond_layers = layers[scene.bonds].min(1) if len(scene.bonds) else np.zeros(0, dtype=int)
    parts = []
    for layer in range(N_LAYERS):
        bonds = [(pixels[i], pixels[j]) for i, j in scene.bonds[bond_layers == layer]]
        parts.append(_draw_lines(bonds, "#8d8d8d", bond_width, digits))
        atoms = np.flatnonzero(layers == layer)
        for i in atoms[np.argsort(depths[atoms], kind="stable")]:
            x, y = pixels[i]
            parts.append(f'<use href="#{prefix}{scene.names[i]}" x="{x:.{digits}f}" y="{y:.{digits}f}"/>')
    return parts


def _draw_circles(crystal: Crystal, i: int, strength: float, to_pixels: ToPixels, scale: float) -> str:
    """Draw red circles around the atoms of an orbit."""
    orbit = crystal.orbits[i]
    points = atoms_of_orbit(crystal.space_group, orbit.position)
    _, x = _repeat_border_atoms([orbit.element] * len(points), points)
    radius = max(1.5, ball_radius(orbit.element) * scale) + 2
    circles = "".join(
        f'<circle cx="{u:.1f}" cy="{v:.1f}" r="{radius:.1f}"/>'
        for u, v in to_pixels(_project(x, lattice_of(crystal.cell)))[:MAX_ATOMS]
    )
    return f'<g fill="none" stroke="#c23b3b" stroke-width="2" opacity="{0.4 + 0.6 * strength:.2f}">{circles}</g>'


def _draw_lines(ends: list[tuple[Array, Array]], colour: str, width: float, digits: int = 1) -> str:
    if not ends:
        return ""
    path = "".join(f"M{x:.{digits}f} {y:.{digits}f}L{u:.{digits}f} {v:.{digits}f}" for (x, y), (u, v) in ends)
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:.1f}" stroke-linecap="round"/>'


def _define_ball(identifier: str, name: str, radius: float) -> str:
    """Define a shaded ball of a radius [pixel] (`identifier`) and its gradient (`identifier` and "s") for reuse."""
    light, plain, dark = ball_colours(name)
    return (
        f'<radialGradient id="{identifier}s" cx="35%" cy="32%" r="72%"><stop offset="0" stop-color="{light}"/>'
        f'<stop offset=".45" stop-color="{plain}"/><stop offset="1" stop-color="{dark}"/>'
        f'</radialGradient><circle id="{identifier}" r="{radius:.1f}" fill="url(#{identifier}s)"/>'
    )


def _draw_legend(elements: list[str], prefix: str, width: int, height: int) -> str:
    step = min(46.0, (width - 16) / max(len(elements), 1))
    left = (width - step * len(elements)) / 2
    parts = []
    for k, name in enumerate(elements):
        x = left + k * step
        parts.append(
            f'<circle cx="{x + 8:.1f}" cy="{height - 12}" r="6" fill="url(#{prefix}{name}s)"/>'
            f'<text x="{x + 18:.1f}" y="{height - 8}" fill="#444">{name}</text>'
        )
    return "".join(parts)


def _rank_electronegativity(name: str) -> tuple[float, str]:
    """Return a sort key: Pauling electronegativity, 9 if there is none, then the symbol."""
    value = Element(name).data.get("X")
    return (float(value) if value else 9.0), name


@cache
def _load_colours() -> dict[str, tuple[int, int, int]]:
    """Return Jmol's colours (red, green, blue) of the elements."""
    schemes = loadfn(Path(pymatgen.vis.__file__).parent / "ElementColorSchemes.yaml")
    return {name: (int(r), int(g), int(b)) for name, (r, g, b) in schemes["Jmol"].items()}
