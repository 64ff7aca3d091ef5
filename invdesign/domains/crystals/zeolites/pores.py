"""Pores of a framework: included sphere, free sphere, and accessible volume."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pymatgen.core.lattice import Lattice

from invdesign.core import Array, Check, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.zeolites.nets import Framework
from invdesign.domains.crystals.zeolites.silica import T_ELEMENTS, framework_of

# With these radii [angstrom] the spheres are those of the Database of Zeolite Structures.
RADII = {"O": 1.32, **dict.fromkeys(T_ELEMENTS, 0.0)}

MAX_ATTEMPTS, MAX_SECONDS = 4, 300
# Displacement [angstrom] of the atoms after a failed attempt.
PERTURBATION = 1e-4
READ_ATOMS = (
    "from pyzeo import extension as zeo\n"
    "atoms = zeo.AtomNetwork.read_from_V1('atoms.v1', rad_flag=True, rad_file='atoms.rad')\n"
)
VORONOI = "zeo.writeNt2file('result', atoms.perform_voronoi_decomposition()[0])\n"
VOLUME = "open('result', 'wb').write(zeo.volume(atoms, {probe!r}, {probe!r}, {n_samples!r}))\n"

# Bottleneck radius [angstrom], both nodes, lattice vector.
Edge = tuple[float, int, int, tuple[int, ...]]


@dataclass(frozen=True)
class Pores:
    """Diameters of the spheres that characterize the pores."""

    included: float
    """Largest sphere that fits in [angstrom]."""
    free: float
    """Largest sphere that can pass through the crystal in some direction [angstrom]; 0 if none can."""
    along: tuple[float, float, float]
    """Largest spheres that can pass along a, b and c of the given cell [angstrom]."""


def measure_pores(
    lattice: Array, species: Sequence[str], positions: Array, *, radii: Mapping[str, float] = RADII
) -> Pores:
    """Measure the included and free spheres among hard spheres.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        species: `n` element symbols.
        positions: `n x 3` fractional coordinates.
        radii: Radius of each element [angstrom].

    Returns:
        Diameters of the spheres.

    Raises:
        InvdesignError: Pyzeo is missing or fails, or an element has no radius.

    References:
        Willems et al., Microporous Mesoporous Mater. 2012, doi:10.1016/j.micromeso.2011.08.020 (Zeo++).

    Example:
        >>> pores = measure_pores(10 * np.eye(3), ["O"], np.zeros((1, 3)), radii={"O": 1.0})
        >>> round(pores.included, 2), round(pores.free, 2)
        (15.32, 12.14)
    """
    nodes, edges = _parse_voronoi(_run_zeo(lattice, species, positions, radii, VORONOI))
    free, along = _find_free_spheres(nodes, edges)
    return Pores(2 * max(nodes.values(), default=0.0), free, along)


def measure_accessible_fraction(
    lattice: Array,
    species: Sequence[str],
    positions: Array,
    *,
    probe: float = 1.4,
    n_samples: int = 20_000,
    radii: Mapping[str, float] = RADII,
) -> float:
    """Measure the fraction of the volume that the centre of a probe can reach, without closed pockets.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        species: `n` element symbols.
        positions: `n x 3` fractional coordinates.
        probe: Radius of the probe [angstrom].
        n_samples: Number of random points.
        radii: Radius of each element [angstrom].

    Returns:
        Fraction between 0 and 1.

    Raises:
        InvdesignError: Pyzeo is missing or fails, or an element has no radius.
    """
    task = VOLUME.format(probe=float(probe), n_samples=int(n_samples))
    text = _run_zeo(lattice, species, positions, radii, task)
    match = re.search(r"\bAV_Volume_fraction:\s*([-+.\deE]+)", text)
    if match is None:
        raise InvdesignError(f"pyzeo: expected a volume with AV_Volume_fraction, got {text!r}. Install pyzeo 0.2")
    return float(match[1])


def free_sphere(designs: Sequence[Crystal]) -> Array:
    """Measure the diameter of the largest sphere that can pass through the framework.

    Args:
        designs: `n` crystals of T sites (oxygens are added) or of complete frameworks.

    Returns:
        `n` diameters [angstrom]; NaN for a design that is not a 4-connected net.

    Raises:
        InvdesignError: Pyzeo is missing.
    """
    return _measure(designs, lambda f: measure_pores(f.lattice, f.species, f.positions).free)


def included_sphere(designs: Sequence[Crystal]) -> Array:
    """Measure the diameter of the largest sphere that fits into the framework.

    Args:
        designs: `n` crystals of T sites (oxygens are added) or of complete frameworks.

    Returns:
        `n` diameters [angstrom]; NaN for a design that is not a 4-connected net.

    Raises:
        InvdesignError: Pyzeo is missing.
    """
    return _measure(designs, lambda f: measure_pores(f.lattice, f.species, f.positions).included)


def accessible_volume(designs: Sequence[Crystal], *, probe: float = 1.4, n_samples: int = 20_000) -> Array:
    """Measure the volume that the centre of a probe can reach, without closed pockets.

    Args:
        designs: `n` crystals of T sites (oxygens are added) or of complete frameworks.
        probe: Radius of the probe [angstrom].
        n_samples: Number of random points per cell.

    Returns:
        `n` volumes [cm^3/g]; NaN for a design that is not a 4-connected net.

    Raises:
        InvdesignError: Pyzeo is missing.
    """

    def volume(f: Framework) -> float:
        fraction = measure_accessible_fraction(f.lattice, f.species, f.positions, probe=probe, n_samples=n_samples)
        return fraction / float(f.structure.density)

    return _measure(designs, volume)


def passage(designs: Sequence[Crystal], *, min: float = 2.4) -> list[Check]:
    """Check that a sphere can pass through the framework, so that adsorbates can enter the pores.

    The window of a six-ring, 2.4 to 2.7 angstrom in known zeolites, is about the narrowest that hydrogen can pass.

    Args:
        designs: `n` crystals of T sites (oxygens are added) or of complete frameworks.
        min: Smallest diameter of the free sphere [angstrom], by the radii of the Database of Zeolite Structures.

    Returns:
        `n` checks.

    Raises:
        InvdesignError: Pyzeo is missing.
    """
    checks = []
    for value in free_sphere(designs).tolist():
        is_net = np.isfinite(value)
        detail = f"free sphere {value:.2f} A, at least {min:g}" if is_net else "not a 4-connected net"
        checks.append(Check("passage", value >= min, detail))
    return checks


def _measure(designs: Sequence[Crystal], measure: Callable[[Framework], float]) -> Array:
    """Apply a measurement to the framework of each design (`n`); NaN where it fails."""
    _require_pyzeo()
    values = []
    for design in designs:
        try:
            values.append(measure(framework_of(design)))
        except InvdesignError:
            values.append(np.nan)
    return np.array(values, dtype=np.float64)


def _run_zeo(lattice: Array, species: Sequence[str], positions: Array, radii: Mapping[str, float], task: str) -> str:
    """Run a task of Zeo++ in its own process and return its output.

    Zeo++ terminates its process where the faces of Voronoi cells are degenerate, as in symmetric crystals. Further
    attempts displace the atoms by about 1e-4 angstrom.
    """
    _require_pyzeo()
    missing = sorted(set(species) - set(radii))
    if missing:
        raise InvdesignError(
            f"pores: expected elements among {', '.join(radii)}, got {', '.join(missing)}. Add their radii to `radii`"
        )
    # Zeo++ expects a along x and b in the xy plane.
    cell = Lattice.from_parameters(*Lattice(lattice).parameters, vesta=True).matrix
    points = (positions - np.floor(positions)) @ cell
    rng = np.random.default_rng(0)
    for attempt in range(MAX_ATTEMPTS):
        displacement = rng.normal(0, PERTURBATION, points.shape) if attempt else 0.0
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _write_inputs(folder, cell, species, points + displacement, radii)
            command = [sys.executable, "-I", "-c", READ_ATOMS + task]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, timeout=MAX_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise InvdesignError(
                    f"pyzeo: expected a result within {MAX_SECONDS} s, got none for {len(species)} atoms"
                ) from error
            if done.returncode == 0:
                return (folder / "result").read_text()
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-3:]
    raise InvdesignError(
        f"pyzeo: expected a Voronoi decomposition of {len(species)} atoms, got an error: {' '.join(lines)}"
    )


def _write_inputs(folder: Path, cell: Array, species: Sequence[str], points: Array, radii: Mapping[str, float]) -> None:
    """Write the structure (`atoms.v1`) and the radii (`atoms.rad`) in the formats of Zeo++."""
    vectors = [f"{n}= {x:.8f} {y:.8f} {z:.8f}" for n, (x, y, z) in zip(("va", "vb", "vc"), cell, strict=True)]
    atoms = [f"{e} {x:.8f} {y:.8f} {z:.8f}" for e, (x, y, z) in zip(species, points, strict=True)]
    lines = ["Unit cell vectors:", *vectors, str(len(atoms)), *atoms, ""]
    (folder / "atoms.v1").write_text("\n".join(lines))
    table = "".join(f"{element} {radii[element]:.6f}\n" for element in sorted(set(species)))
    (folder / "atoms.rad").write_text(table)


def _require_pyzeo() -> None:
    if find_spec("pyzeo") is None:
        raise InvdesignError("pores: expected the package pyzeo, got none. Run: pip install 'invdesign[pores]'")


def _parse_voronoi(text: str) -> tuple[dict[int, float], list[Edge]]:
    """Return the radii of the Voronoi nodes and the edges between them, widest first."""
    node_table, _, edge_table = text.partition("Edge table:")
    nodes = {}
    for line in node_table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 4:
            nodes[int(fields[0])] = float(fields[4])
    edges = []
    for line in edge_table.splitlines():
        fields = line.split()
        if len(fields) >= 7:
            i, _, j, radius, *shift = fields[:7]
            edges.append((float(radius), int(i), int(j), tuple(int(s) for s in shift)))
    return nodes, sorted(edges, reverse=True)


def _find_free_spheres(nodes: Mapping[int, float], edges: Sequence[Edge]) -> tuple[float, tuple[float, float, float]]:
    """Return the diameters [angstrom] of the spheres that percolate, in any direction and along each axis.

    Edges are added from the widest to the narrowest (union-find with lattice offsets). The first closed path that ends
    in another cell determines the free sphere.
    """
    parent = {i: i for i in nodes}
    offset = {i: np.zeros(3, dtype=int) for i in nodes}
    free, along = 0.0, np.zeros(3)

    def find_root(i: int) -> tuple[int, Array]:
        """Return the root of a node and the node's offset from it; compress the path."""
        path = []
        while parent[i] != i:
            path.append(i)
            i = parent[i]
        total = np.zeros(3, dtype=int)
        for node in reversed(path):
            total = total + offset[node]
            parent[node], offset[node] = i, total
        return i, total

    for radius, i, j, shift in edges:
        root_i, offset_i = find_root(i)
        root_j, offset_j = find_root(j)
        translation = offset_i + np.array(shift) - offset_j
        if root_i != root_j:
            parent[root_j], offset[root_j] = root_i, translation
        elif translation.any():
            free = free or 2 * radius
            along = np.where((translation != 0) & (along == 0), 2 * radius, along)
            if along.all():
                break
    x, y, z = along.tolist()
    return free, (x, y, z)
