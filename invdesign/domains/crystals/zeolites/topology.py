"""Topology of 4-connected nets: coordination sequences, point symbols and the number of nets."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import atoms_of_orbit, lattice_of
from invdesign.domains.crystals.zeolites.nets import Net, connect

# The known frameworks SBS and SBT have equal coordination sequences up to the tenth shell.
N_SHELLS = 12
# No known framework has larger rings; longer cycles are recorded with this length.
MAX_RING = 40
# A site and its cell are packed into one integer; cells must lie within 500 cells of the first.
SPAN = 1 << 10

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vertex:
    """Topological description of a T site."""

    sequence: tuple[int, ...]
    """Coordination sequence: number of T sites at a distance of exactly 1, 2, ... bonds."""
    cycles: tuple[tuple[int, int], ...]
    """Length and number of the shortest cycles of each of the six angles, ascending."""

    @property
    def symbol(self) -> str:
        """The point symbol, such as `"4^3.6^2.8"`."""
        sizes = Counter(size for size, _ in self.cycles)
        return ".".join(f"{size}^{n}" if n > 1 else str(size) for size, n in sorted(sizes.items()))


@dataclass(frozen=True)
class Topology:
    """A 4-connected net independent of its embedding: its distinct vertices and their multiplicities."""

    vertices: tuple[tuple[int, Vertex], ...]
    """Multiplicity and vertex, in a fixed order; multiplicities are divided by their common divisor."""
    n_nets: int
    """Number of separate nets, interpenetrating or apart; 1 for a framework."""
    dimensions: int
    """Number of directions in which the net is periodic; 3 for a framework."""

    @property
    def key(self) -> str:
        """Hash of the net, independent of strain, cell choice and order of the sites."""
        content = [self.n_nets, self.dimensions, [[n, v.sequence, v.cycles] for n, v in self.vertices]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]

    @property
    def is_framework(self) -> bool:
        """Whether all sites belong to one net that is periodic in three directions."""
        return self.n_nets == 1 and self.dimensions == 3

    @property
    def symbol(self) -> str:
        """Point symbols of all vertices, such as `"(4.6^5)2(4^2.6^4)"`."""
        return "".join(f"({v.symbol}){n if n > 1 else ''}" for n, v in self.vertices)


@lru_cache(maxsize=8192)
def topology_of(crystal: Crystal) -> Topology:
    """Return the topology of the net of T sites (all atoms but oxygen) of a crystal.

    Two frameworks with equal coordination sequences and cycles are treated as one net: no two known zeolites agree in
    both, although LTA and RHO have equal coordination sequences.

    Args:
        crystal: T sites, with or without oxygens.

    Returns:
        The net, independent of its embedding.

    Raises:
        InvdesignError: The T sites do not form a 4-connected net.

    References:
        Blatov, O'Keeffe, Proserpio, CrystEngComm 2010, doi:10.1039/b910671e; Meier and Möck, J. Solid State Chem. 1979,
        doi:10.1016/0022-4596(79)90177-4.

    Example:
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> diamond = Crystal(227, (7.09, 7.09, 7.09, 90.0, 90.0, 90.0), (Orbit("Si", "a", (0.0, 0.0, 0.0), 8),))
        >>> topology_of(diamond).symbol
        '(6^6)'
    """
    orbits = [atoms_of_orbit(crystal.space_group, o.position) for o in crystal.orbits if o.element != "O"]
    if not orbits:
        raise InvdesignError("topology: expected at least one T site, got a crystal without any")
    net = connect(lattice_of(crystal.cell), np.concatenate(orbits))
    first = np.cumsum([0, *(len(points) for points in orbits[:-1])])
    counts: Counter[Vertex] = Counter()
    for site, points in zip(first.tolist(), orbits, strict=True):
        counts[Vertex(compute_coordination_sequence(net, site), _find_cycles(net, site))] += len(points)
    divisor = gcd(*counts.values())
    vertices = sorted(counts, key=lambda v: (v.sequence, v.cycles))
    n_nets, dimensions = count_nets(net)
    return Topology(tuple((counts[v] // divisor, v) for v in vertices), n_nets, dimensions)


def compute_coordination_sequence(net: Net, site: int, *, n_shells: int = N_SHELLS) -> tuple[int, ...]:
    """Compute the coordination sequence of a T site.

    Args:
        net: Bonds of the T sites.
        site: Index of the T site.
        n_shells: Number of shells.

    Returns:
        Number of T sites at a distance of exactly 1 to `n_shells` bonds.
    """
    previous, shell = np.zeros(0, dtype=np.int64), _encode(np.array([site]))
    sizes = []
    for _ in range(n_shells):
        # A neighbour of a site of the shell lies in the same shell, the previous one or the next one.
        neighbours = np.unique(_find_neighbours(net, shell))
        inner = np.concatenate([previous, shell])
        previous, shell = shell, np.setdiff1d(neighbours, inner, assume_unique=True)
        sizes.append(len(shell))
    return tuple(sizes)


def count_nets(net: Net) -> tuple[int, int]:
    """Count the separate nets and the directions in which they are periodic.

    A closed path of bonds that ends in another cell is a translation of its net. If these translations span a
    sublattice of index m of the lattice, m copies of the net interpenetrate.

    Args:
        net: Bonds of the T sites.

    Returns:
        Number of nets, and the smallest number of periodic directions of a net.
    """
    n = len(net.neighbours)
    cells = np.full((n, 3), SPAN, dtype=np.int64)
    n_nets, dimensions = 0, 3
    for root in range(n):
        if cells[root, 0] != SPAN:
            continue
        members = _assign_cells(net, root, cells)
        translations = (cells[members][:, None] + net.shifts[members] - cells[net.neighbours[members]]).reshape(-1, 3)
        pivots = _find_pivots(np.unique(translations, axis=0))
        dimensions = min(dimensions, len(pivots))
        n_nets += int(np.prod(pivots)) if len(pivots) == 3 else 1
    return n_nets, dimensions


def _encode(sites: npt.NDArray[Any], cells: npt.NDArray[Any] | None = None) -> IntArray:
    """Pack sites (`...`) and their cells (`... x 3`, default the first cell) into integers."""
    if cells is None:
        cells = np.zeros((*sites.shape, 3), dtype=np.int64)
    a, b, c = np.moveaxis(cells.astype(np.int64) + SPAN // 2, -1, 0)
    return np.asarray(((sites.astype(np.int64) * SPAN + a) * SPAN + b) * SPAN + c)


def _find_neighbours(net: Net, codes: IntArray) -> IntArray:
    """Return the codes of the four neighbours of each of `n` sites, `4 n`."""
    sites = codes // SPAN**3
    origin = _encode(np.zeros(1, dtype=np.int64))[0]
    steps = _encode(net.neighbours[sites], net.shifts[sites]) - origin
    return np.asarray((codes - sites * SPAN**3)[:, None] + steps).ravel()


def _find_cycles(net: Net, site: int) -> tuple[tuple[int, int], ...]:
    """Return lengths and numbers of the shortest cycles of the six angles at a site, ascending."""
    code = _encode(np.array([site]))
    ends = [int(neighbour) for neighbour in _find_neighbours(net, code)]
    return tuple(sorted(_count_shortest_cycles(net, int(code[0]), a, b) for a, b in combinations(ends, 2)))


def _count_shortest_cycles(net: Net, center: int, first: int, last: int) -> tuple[int, int]:
    """Return length and number of the shortest cycles through a site and two of its neighbours.

    The search is bidirectional: it extends the paths from the two neighbours in turn until they meet.
    """
    if first == last:
        return 2, 1
    # Number of shortest paths to each site of the outermost shell, and all sites that were visited.
    shells = [{first: 1}, {last: 1}]
    visited = [{first, center}, {last, center}]
    for length in range(3, MAX_RING):
        side = length % 2
        shell = shells[side]
        neighbours = _find_neighbours(net, np.fromiter(shell, dtype=np.int64, count=len(shell))).tolist()
        n_paths = np.repeat(list(shell.values()), 4).tolist()
        next_shell: dict[int, int] = {}
        for code, n in zip(neighbours, n_paths, strict=True):
            if code not in visited[side]:
                next_shell[code] = next_shell.get(code, 0) + n
        shells[side] = next_shell
        visited[side] = visited[side] | next_shell.keys()
        opposite = shells[1 - side]
        n_cycles = sum(n * opposite[code] for code, n in next_shell.items() if code in opposite)
        if n_cycles:
            return length, n_cycles
    return MAX_RING, 0


def _assign_cells(net: Net, root: int, cells: IntArray) -> IntArray:
    """Traverse the net from `root`, write the cell of each site that is reached into `cells`, and return the sites."""
    cells[root] = 0
    stack, members = [root], [root]
    while stack:
        i = stack.pop()
        for j, shift in zip(net.neighbours[i].tolist(), net.shifts[i], strict=True):
            if cells[j, 0] == SPAN:
                cells[j] = cells[i] + shift
                stack.append(j)
                members.append(j)
    return np.array(members)


def _find_pivots(rows: IntArray) -> list[int]:
    """Return the diagonal of the integer echelon form; its product is the index of the sublattice that `rows` span."""
    pivots = []
    for column in range(3):
        while True:
            heads = np.abs(rows[:, column])
            if not heads.any():
                break
            k = int(np.where(heads > 0, heads, heads.max() + 1).argmin())
            rest = np.delete(rows, k, axis=0)
            rest = rest - (rest[:, column] // rows[k, column])[:, None] * rows[k]
            rows = np.concatenate([rows[k : k + 1], rest])
            if not rest[:, column].any():
                pivots.append(int(heads[k]))
                rows = rest
                break
    return pivots
