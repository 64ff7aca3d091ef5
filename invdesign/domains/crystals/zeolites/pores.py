"""The pores of a framework: spheres that fit in, spheres that pass through, and the volume that a probe reaches."""

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
from pymatgen.core import Lattice

from invdesign.core import Array, Check, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.zeolites.nets import Framework
from invdesign.domains.crystals.zeolites.silica import T_ELEMENTS, framework_of

# With these radii (angstrom) the spheres are those of the Database of Zeolite Structures.
RADII = {"O": 1.32, **dict.fromkeys(T_ELEMENTS, 0.0)}

ATTEMPTS, MAX_SECONDS = 4, 300
READ_ATOMS = (
    "from pyzeo import extension as zeo\n"
    "atoms = zeo.AtomNetwork.read_from_V1('atoms.v1', rad_flag=True, rad_file='atoms.rad')\n"
)
VORONOI = "zeo.writeNt2file('answer', atoms.perform_voronoi_decomposition()[0])\n"
VOLUME = "open('answer', 'wb').write(zeo.volume(atoms, {probe!r}, {probe!r}, {samples!r}))\n"


@dataclass(frozen=True)
class Pores:
    """Diameters in angstrom.

    Args:
        included: of the largest sphere that fits in.
        free: of the largest sphere that passes through the crystal in some direction; 0 where none does.
        along: of the largest that gets on along a, b and c of the cell that was given.
    """

    included: float
    free: float
    along: tuple[float, float, float]


def pores(lattice: Array, species: Sequence[str], positions: Array, *, radii: Mapping[str, float] = RADII) -> Pores:
    """Included and free spheres among hard atoms.

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        species: `n` symbols.
        positions: `n x 3` fractional coordinates.
        radii: of each element (angstrom).

    Raises:
        InvdesignError: pyzeo is missing or fails, or an element has no radius.

    References:
        Willems et al., Microporous Mesoporous Mater. 2012, doi:10.1016/j.micromeso.2011.08.020 (Zeo++).
    """
    nodes, edges = _read(_zeo(lattice, species, positions, radii, VORONOI))
    free, along = _passing(nodes, edges)
    return Pores(2 * max(nodes.values(), default=0.0), free, along)


def accessible_share(
    lattice: Array,
    species: Sequence[str],
    positions: Array,
    *,
    probe: float = 1.4,
    samples: int = 20_000,
    radii: Mapping[str, float] = RADII,
) -> float:
    """Share of the volume where the centre of a probe (radius in angstrom) can be, closed pockets left out.

    Raises:
        InvdesignError: as `pores`.
    """
    said = _zeo(lattice, species, positions, radii, VOLUME.format(probe=float(probe), samples=int(samples)))
    found = re.search(r"\bAV_Volume_fraction:\s*([-+.\deE]+)", said)
    if found is None:
        raise InvdesignError(f"pyzeo's volume answered {said!r}, without AV_Volume_fraction; use pyzeo 0.2")
    return float(found[1])


def free_sphere(designs: Sequence[Crystal]) -> Array:
    """Diameter (angstrom) of the largest sphere that passes through (`n`); NaN where a design is no 4-connected net."""
    return _measured(designs, lambda f: pores(f.lattice, f.species, f.positions).free)


def included_sphere(designs: Sequence[Crystal]) -> Array:
    """Diameter (angstrom) of the largest sphere that fits in (`n`); NaN where a design is no 4-connected net."""
    return _measured(designs, lambda f: pores(f.lattice, f.species, f.positions).included)


def accessible_volume(designs: Sequence[Crystal], *, probe: float = 1.4, samples: int = 20_000) -> Array:
    """Volume (cubic centimetre per gram) that the centre of a probe reaches (`n`), closed pockets left out.

    Args:
        designs: crystals of T sites (oxygens are added), or of full frameworks; NaN where it is no 4-connected net.
        probe: its radius (angstrom).
        samples: random points per cell.
    """

    def volume(f: Framework) -> float:
        share = accessible_share(f.lattice, f.species, f.positions, probe=probe, samples=samples)
        return share / float(f.structure.density)

    return _measured(designs, volume)


def passage(designs: Sequence[Crystal], *, min: float = 2.4) -> list[Check]:
    """A sphere gets through the framework: what adsorbs can enter its pores.

    The window of a six-ring, 2.4 to 2.7 angstrom in known zeolites, is about the narrowest that hydrogen passes.

    Args:
        designs: crystals of T sites (oxygens are added), or of full frameworks.
        min: diameter (angstrom) of the sphere, by the radii of the Database of Zeolite Structures.

    Raises:
        InvdesignError: pyzeo is missing.
    """
    checks = []
    for value in free_sphere(designs).tolist():
        said = f"a sphere of {value:.2f} A passes, needed {min:g}" if np.isfinite(value) else "no 4-connected net"
        checks.append(Check("passage", value >= min, said))
    return checks


def _measured(designs: Sequence[Crystal], measure: Callable[[Framework], float]) -> Array:
    _require()
    values = []
    for design in designs:
        try:
            values.append(measure(framework_of(design)))
        except InvdesignError:
            values.append(np.nan)
    return np.array(values, dtype=np.float64)


def _zeo(lattice: Array, species: Sequence[str], positions: Array, radii: Mapping[str, float], task: str) -> str:
    """What Zeo++ writes of a task, in a process of its own.

    Zeo++ ends its process where the faces of Voronoi cells meet too evenly, as they do in symmetric crystals; atoms
    moved by a ten-thousandth of an angstrom are then tried.
    """
    _require()
    strange = sorted(set(species) - set(radii))
    if strange:
        raise InvdesignError(f"no radius for {', '.join(strange)}; give radii for them, known are {', '.join(radii)}")
    # Zeo++ wants a along x and b in the xy plane.
    turned = Lattice.from_parameters(*Lattice(lattice).parameters, vesta=True).matrix
    cell = [f"{n}= {x:.8f} {y:.8f} {z:.8f}" for n, (x, y, z) in zip(("va", "vb", "vc"), turned, strict=True)]
    places = (positions - np.floor(positions)) @ turned
    rng = np.random.default_rng(0)
    for attempt in range(ATTEMPTS):
        moved = places + (rng.normal(0, 1e-4, places.shape) if attempt else 0.0)
        atoms = [f"{e} {x:.8f} {y:.8f} {z:.8f}" for e, (x, y, z) in zip(species, moved, strict=True)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "atoms.v1").write_text("\n".join(["Unit cell vectors:", *cell, str(len(atoms)), *atoms, ""]))
            sizes = "".join(f"{element} {radii[element]:.6f}\n" for element in sorted(set(species)))
            (folder / "atoms.rad").write_text(sizes)
            command = [sys.executable, "-I", "-c", READ_ATOMS + task]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, timeout=MAX_SECONDS)
            except subprocess.TimeoutExpired as late:
                raise InvdesignError(f"pyzeo took more than {MAX_SECONDS} s for {len(atoms)} atoms") from late
            if done.returncode == 0:
                return (folder / "answer").read_text()
    last = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-3:]
    raise InvdesignError(f"pyzeo cannot divide the space between {len(species)} atoms: {' '.join(last)}")


def _require() -> None:
    if find_spec("pyzeo") is None:
        raise InvdesignError("pores are measured by pyzeo, which is not installed: pip install 'invdesign[pores]'")


def _read(text: str) -> tuple[dict[int, float], list[tuple[float, int, int, tuple[int, ...]]]]:
    """Radii of Voronoi nodes, and edges (bottleneck radius, from, to, lattice vector), widest first."""
    head, _, tail = text.partition("Edge table:")
    nodes = {int(words[0]): float(words[4]) for words in map(str.split, head.splitlines()[1:]) if len(words) > 4}
    edges = []
    for words in map(str.split, tail.splitlines()):
        if len(words) >= 7:
            i, _, j, radius, *hop = words[:7]
            edges.append((float(radius), int(i), int(j), tuple(int(h) for h in hop)))
    return nodes, sorted(edges, reverse=True)


def _passing(
    nodes: Mapping[int, float], edges: Sequence[tuple[float, int, int, tuple[int, ...]]]
) -> tuple[float, tuple[float, float, float]]:
    """Diameters of the spheres that percolate, in any direction and along each axis.

    Edges are joined from the widest down; the first loop that ends in another cell is the widest way through.
    """
    parent = {i: i for i in nodes}
    offset = {i: np.zeros(3, dtype=int) for i in nodes}
    free, along = 0.0, np.zeros(3)

    def root(i: int) -> tuple[int, Array]:
        path = []
        while parent[i] != i:
            path.append(i)
            i = parent[i]
        total = np.zeros(3, dtype=int)
        for node in reversed(path):
            total = total + offset[node]
            parent[node], offset[node] = i, total
        return i, total

    for radius, i, j, hop in edges:
        (a, at_a), (b, at_b) = root(i), root(j)
        loop = at_a + np.array(hop) - at_b
        if a != b:
            parent[b], offset[b] = a, loop
        elif loop.any():
            free = free or 2 * radius
            along = np.where((loop != 0) & (along == 0), 2 * radius, along)
            if along.all():
                break
    x, y, z = along.tolist()
    return free, (x, y, z)
