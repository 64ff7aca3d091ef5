"""Crystals as rows of numbers: space group, cell, orbits in canonical order, and the graph between the orbits.

A row is `[group, 6 cell numbers, k x (site, element, 3 free coordinates), k x n_near x (distance, orbit)]`. Groups,
sites and elements are counted from 1 in the vocabulary; 0 is none, and for a site also the end of the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.symmetry.wyckoff import Site, free_cell, full_cell, place, snapped

HEAD, WIDTH = 7, 5
N_NEAR = 12
# Lengths enter as logarithms, angles in units of 30 degrees from 90.
ANGLE = 30.0


@dataclass(frozen=True)
class Layout:
    """Which columns of a row hold what.

    Args:
        n_orbits: longest list of orbits.
    """

    n_orbits: int

    @property
    def n_columns(self) -> int:
        """Width of a row."""
        return HEAD + self.n_orbits * (WIDTH + 2 * N_NEAR)

    def group(self, x: Tensor) -> Tensor:
        """Number of the space group in the vocabulary: `n`."""
        return x[:, 0].long()

    def cell(self, x: Tensor) -> Tensor:
        """Logarithms of the lengths and scaled angles: `n x 6`."""
        return x[:, 1:HEAD]

    def orbits(self, x: Tensor) -> Tensor:
        """`n x k x 5`: site, element, free coordinates."""
        return x[:, HEAD : HEAD + self.n_orbits * WIDTH].reshape(len(x), self.n_orbits, WIDTH)

    def edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Distances and orbits of the nearest atoms: `n x k x n_near` each."""
        edges = x[:, HEAD + self.n_orbits * WIDTH :].reshape(len(x), self.n_orbits, N_NEAR, 2)
        return edges[..., 0], edges[..., 1].long()


@dataclass(frozen=True)
class Vocabulary:
    """What a corpus is made of: space groups, the sites that it occupies, elements, and the range of its cells.

    Args:
        groups: ascending.
        sites: by group, then letter.
        elements: by symbol.
        n_orbits: longest list of orbits that can be written.
        low: smallest cell numbers (6).
        high: largest cell numbers (6).
    """

    groups: tuple[int, ...]
    sites: tuple[Site, ...]
    elements: tuple[str, ...]
    n_orbits: int
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def layout(self) -> Layout:
        return Layout(self.n_orbits)

    @cached_property
    def group_numbers(self) -> dict[int, int]:
        """Number of each space group."""
        return {group: i + 1 for i, group in enumerate(self.groups)}

    @cached_property
    def site_numbers(self) -> dict[tuple[int, str], int]:
        """Number of each site."""
        return {(site.space_group, site.letter): i + 1 for i, site in enumerate(self.sites)}

    @cached_property
    def element_numbers(self) -> dict[str, int]:
        """Number of each element."""
        return {element: i + 1 for i, element in enumerate(self.elements)}

    def encoding_error(self, crystal: Crystal) -> str:
        """Why a crystal cannot be written, or an empty string."""
        if crystal.space_group not in self.group_numbers:
            return f"the corpus had no crystal of space group {crystal.space_group}"
        for orbit in crystal.orbits:
            if orbit.element not in self.element_numbers:
                return f"the corpus had no {orbit.element}"
            if (crystal.space_group, orbit.letter) not in self.site_numbers:
                return f"the corpus had nothing on site {orbit.letter} of space group {crystal.space_group}"
        if len(crystal.orbits) > self.n_orbits:
            return f"{len(crystal.orbits)} orbits, more than {self.n_orbits}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON."""
        sites = [
            [s.space_group, s.letter, s.multiplicity, list(s.offset), [list(b) for b in s.basis]] for s in self.sites
        ]
        names = ("groups", "elements", "n_orbits", "low", "high")
        return {"sites": sites, **{n: list(v) if isinstance(v := getattr(self, n), tuple) else v for n in names}}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_json` wrote."""
        sites = tuple(Site(g, w, m, tuple(o), tuple(tuple(b) for b in basis)) for g, w, m, o, basis in said["sites"])
        low, high = tuple(said["low"]), tuple(said["high"])
        return cls(tuple(said["groups"]), sites, tuple(said["elements"]), int(said["n_orbits"]), low, high)


def learn(crystals: Sequence[Crystal]) -> Vocabulary:
    """The vocabulary of a corpus."""
    seen = {(c.space_group, o.letter): o.position for c in crystals for o in c.orbits}
    sites = tuple(place(group, np.array(x))[0] for (group, _), x in sorted(seen.items()))
    cells = np.array([cell_numbers(c.cell) for c in crystals])
    margin = 0.02
    return Vocabulary(
        tuple(sorted({c.space_group for c in crystals})),
        tuple({(s.space_group, s.letter): s for s in sites}.values()),
        tuple(sorted({o.element for c in crystals for o in c.orbits})),
        max(len(c.orbits) for c in crystals),
        tuple((cells.min(0) - margin).tolist()),
        tuple((cells.max(0) + margin).tolist()),
    )


def cell_numbers(cell: Sequence[float]) -> Array:
    """The six numbers that stand for a cell in a row."""
    return np.concatenate([np.log(cell[:3]), (np.array(cell[3:]) - 90.0) / ANGLE])


def pack(vocabulary: Vocabulary, crystals: Sequence[Crystal]) -> Tensor:
    """Rows (`n x layout.n_columns`, float32) of crystals; what the vocabulary lacks is 0, orbits too many are cut."""
    layout = vocabulary.layout
    k = layout.n_orbits
    rows = np.zeros((len(crystals), layout.n_columns), dtype=np.float32)
    for row, crystal in zip(rows, crystals, strict=True):
        row[0] = vocabulary.group_numbers.get(crystal.space_group, 0)
        row[1:HEAD] = cell_numbers(crystal.cell)
        distances, owners = orbit_graph(crystal, N_NEAR)
        orbits = np.zeros((k, WIDTH))
        edges = np.zeros((k, N_NEAR, 2))
        for i, orbit in enumerate(crystal.orbits[:k]):
            number = vocabulary.site_numbers.get((crystal.space_group, orbit.letter), 0)
            orbits[i, :2] = number, vocabulary.element_numbers.get(orbit.element, 0)
            if number:
                free = coordinates(vocabulary.sites[number - 1], orbit)
                orbits[i, 2 : 2 + len(free)] = free
            edges[i, :, 0], edges[i, :, 1] = distances[i], np.minimum(owners[i], k - 1)
        row[HEAD : HEAD + k * WIDTH] = orbits.ravel()
        row[HEAD + k * WIDTH :] = edges.ravel()
    return torch.from_numpy(rows)


def coordinates(site: Site, orbit: Orbit) -> Array:
    """Free coordinates (`site.n_free`, in [0, 1)) of an orbit's representative."""
    if not site.n_free:
        return np.zeros(0)
    offset = (np.array(orbit.position) - site.offset) @ np.linalg.pinv(np.array(site.basis, dtype=float))
    u = np.round(offset, 6) % 1.0
    return np.where(u > 1 - 1e-6, 0.0, u)


def unpack(vocabulary: Vocabulary, rows: Tensor) -> list[Crystal | None]:
    """Crystals of rows; None for a row without a group or orbits."""
    layout = vocabulary.layout
    groups, orbits = layout.group(rows).tolist(), layout.orbits(rows).double().numpy()
    cells = layout.cell(rows).double().numpy()
    return [_unpacked(vocabulary, *row) for row in zip(groups, cells, orbits, strict=True)]


def _unpacked(vocabulary: Vocabulary, group: int, cell: Array, orbits: Array) -> Crystal | None:
    if not group or not orbits[0, 0]:
        return None
    space_group = vocabulary.groups[group - 1]
    parameters = np.concatenate([np.exp(cell[:3]), cell[3:] * ANGLE + 90.0])
    full = full_cell(space_group, parameters[list(free_cell(space_group))])
    found = []
    for site_number, element, *u in orbits:
        if not site_number:
            break
        site = vocabulary.sites[int(site_number) - 1]
        position = snapped(site.point(np.array(u[: site.n_free])))
        found.append(Orbit(vocabulary.elements[int(element) - 1], site.letter, position, site.multiplicity))
    a, b, c, alpha, beta, gamma = (round(v, 5) for v in full)
    return Crystal(space_group, (a, b, c, alpha, beta, gamma), tuple(found))
