"""Which net a framework is: coordination sequences and point symbols of its T sites."""

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
from invdesign.domains.crystals.symmetry.wyckoff import images, lattice_of
from invdesign.domains.crystals.zeolites.nets import Net, connect

# Two known frameworks, SBS and SBT, are alike up to the tenth shell.
SHELLS = 12
# Beyond rings of so many T sites nobody has seen a framework; a larger cycle is called this long.
LARGEST_RING = 40
# One number for a site and its cell; cells lie within 500 of the first.
SPAN = 1 << 10

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vertex:
    """A T site as the net sees it.

    Args:
        sequence: T sites reached over 1, 2, ... bonds and no fewer.
        cycles: for each of the six angles, ascending, the length of the shortest cycles in it and how many they are.
    """

    sequence: tuple[int, ...]
    cycles: tuple[tuple[int, int], ...]

    @property
    def symbol(self) -> str:
        """The point symbol, e.g. `"4^3.6^2.8"`."""
        sizes = Counter(size for size, _ in self.cycles)
        return ".".join(f"{size}^{n}" if n > 1 else str(size) for size, n in sorted(sizes.items()))


@dataclass(frozen=True)
class Topology:
    """A 4-connected net up to its embedding: the vertices that differ, each with how many there are of it.

    Args:
        vertices: in a fixed order, the numbers reduced by their common divisor.
        n_nets: nets that interpenetrate or lie apart: 1 for a framework.
        dimensions: 3 where bonds go on in all directions.
    """

    vertices: tuple[tuple[int, Vertex], ...]
    n_nets: int
    dimensions: int

    @property
    def key(self) -> str:
        """The same for the same net, however it is strained, written or named."""
        told = [self.n_nets, self.dimensions, [[n, v.sequence, v.cycles] for n, v in self.vertices]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:20]

    @property
    def is_framework(self) -> bool:
        """Whether all sites belong to one net that goes on in three directions."""
        return self.n_nets == 1 and self.dimensions == 3

    @property
    def symbol(self) -> str:
        """Point symbols of all vertices, e.g. `"(4.6^5)2(4^2.6^4)"`."""
        return "".join(f"({v.symbol}){n if n > 1 else ''}" for n, v in self.vertices)


@lru_cache(maxsize=8192)
def topology_of(crystal: Crystal) -> Topology:
    """The net of a crystal's T sites (all but oxygen).

    Two frameworks with the same coordination sequences and cycles are taken for one net: no two known zeolites are
    alike in both, though LTA and RHO are in the first.

    Raises:
        InvdesignError: they are no 4-connected net.

    References:
        Blatov, O'Keeffe, Proserpio, CrystEngComm 2010, doi:10.1039/b910671e; Meier and Möck, J. Solid State Chem. 1979,
        doi:10.1016/0022-4596(79)90177-4.
    """
    orbits = [images(crystal.space_group, np.array(o.position)) for o in crystal.orbits if o.element != "O"]
    if not orbits:
        raise InvdesignError("a crystal without T sites is no net")
    net = connect(lattice_of(crystal.cell), np.concatenate(orbits))
    first = np.cumsum([0, *(len(points) for points in orbits[:-1])])
    found: Counter[Vertex] = Counter()
    for i, points in zip(first.tolist(), orbits, strict=True):
        found[Vertex(sequence(net, i), _cycles(net, i))] += len(points)
    unit = gcd(*found.values())
    order = sorted(found, key=lambda v: (v.sequence, v.cycles))
    n_nets, dimensions = parts(net)
    return Topology(tuple((found[v] // unit, v) for v in order), n_nets, dimensions)


def sequence(net: Net, site: int, *, shells: int = SHELLS) -> tuple[int, ...]:
    """The coordination sequence of a T site: those reached over 1 to `shells` bonds and no fewer."""
    before, layer = np.zeros(0, dtype=np.int64), np.array([_code(site)])
    sizes = []
    for _ in range(shells):
        # Who is bonded to a shell lies in it, or in the one before or after.
        around = np.unique(_bonded(net, layer))
        before, layer = layer, np.setdiff1d(around, np.concatenate([before, layer]), assume_unique=True)
        sizes.append(len(layer))
    return tuple(sizes)


def _code(site: int | Whole, cell: Any = (0, 0, 0)) -> Any:
    a, b, c = np.moveaxis(np.asarray(cell, dtype=np.int64) + SPAN // 2, -1, 0)
    return ((site * SPAN + a) * SPAN + b) * SPAN + c


def _bonded(net: Net, codes: Whole) -> Whole:
    """The four neighbours of each site of a list, `4 n` codes."""
    site = codes // SPAN**3
    away = _code(net.neighbours[site].astype(np.int64), net.shifts[site]) - _code(0)
    return np.asarray((codes - site * SPAN**3)[:, None] + away).ravel()


def _cycles(net: Net, site: int) -> tuple[tuple[int, int], ...]:
    """Lengths and numbers of the shortest cycles in the six angles at a site, ascending."""
    center = int(_code(site))
    ends = [int(code) for code in _bonded(net, np.array([center]))]
    return tuple(sorted(_shortest(net, center, a, b) for a, b in combinations(ends, 2)))


def _shortest(net: Net, center: int, first: int, last: int) -> tuple[int, int]:
    """Length and number of the shortest cycles through two neighbours of a site, walked from both ends."""
    if first == last:
        return 2, 1
    sides = [({first: 1}, {first, center}), ({last: 1}, {last, center})]
    for length in range(3, LARGEST_RING):
        turn = length % 2
        layer, seen = sides[turn]
        codes = np.fromiter(layer, dtype=np.int64, count=len(layer))
        grown: dict[int, int] = {}
        for code, n in zip(_bonded(net, codes).tolist(), np.repeat(list(layer.values()), 4).tolist(), strict=True):
            if code not in seen:
                grown[code] = grown.get(code, 0) + n
        sides[turn] = (grown, seen | grown.keys())
        other = sides[1 - turn][0]
        n_ways = sum(n * other[code] for code, n in grown.items() if code in other)
        if n_ways:
            return length, n_ways
    return LARGEST_RING, 0


def parts(net: Net) -> tuple[int, int]:
    """How many nets there are, and in how many dimensions they go on.

    A walk that comes back to its site in another cell is a translation of its net. Where these are but a part of the
    lattice, one in so many, there are as many nets.
    """
    n = len(net.neighbours)
    cell = np.full((n, 3), SPAN, dtype=np.int64)
    n_nets, dimensions = 0, 3
    for root in range(n):
        if cell[root, 0] != SPAN:
            continue
        cell[root] = 0
        waiting, members = [root], [root]
        while waiting:
            i = waiting.pop()
            for j, hop in zip(net.neighbours[i].tolist(), net.shifts[i], strict=True):
                if cell[j, 0] == SPAN:
                    cell[j] = cell[i] + hop
                    waiting.append(j)
                    members.append(j)
        some = np.array(members)
        loops = (cell[some][:, None] + net.shifts[some] - cell[net.neighbours[some]]).reshape(-1, 3)
        pivots = _pivots(np.unique(loops, axis=0))
        dimensions = min(dimensions, len(pivots))
        n_nets += int(np.prod(pivots)) if len(pivots) == 3 else 1
    return n_nets, dimensions


def _pivots(rows: Whole) -> list[int]:
    """The diagonal of the echelon form over whole numbers; their product is the index of the lattice that rows span."""
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
