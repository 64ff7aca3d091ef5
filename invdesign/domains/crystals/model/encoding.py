"""Encoding of crystals as rows of numbers: space group, cell, orbits in canonical order, and the orbit graph.

A row is `[group, 6 cell numbers, k x (site, element, 3 free coordinates), k x n_near x (distance, orbit)]`. Groups,
sites and elements are numbered from 1 in the vocabulary; 0 is none, and site 0 also ends the list of orbits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.symmetry.wyckoff import Site, free_cell, full_cell, place, snap

# Columns of the header (group and cell), and columns of one orbit.
HEAD, WIDTH = 7, 5
N_NEAR = 12
# Lengths are encoded as logarithms, angles as differences from 90 degrees in units of 30 degrees.
ANGLE = 30.0
# Margin around the range of the corpus's cell numbers.
CELL_MARGIN = 0.02


@dataclass(frozen=True)
class Layout:
    """Assignment of columns of a row to the parts of a crystal."""

    n_orbits: int
    """Largest number of orbits, `k`."""

    @property
    def n_columns(self) -> int:
        """Number of columns of a row."""
        return HEAD + self.n_orbits * (WIDTH + 2 * N_NEAR)

    def group(self, x: Tensor) -> Tensor:
        """Return the number of the space group in the vocabulary, `n`."""
        return x[:, 0].long()

    def cell(self, x: Tensor) -> Tensor:
        """Return the logarithms of the lengths and the scaled angles, `n x 6`."""
        return x[:, 1:HEAD]

    def orbits(self, x: Tensor) -> Tensor:
        """Return site, element and free coordinates of each orbit, `n x k x 5`."""
        return x[:, HEAD : HEAD + self.n_orbits * WIDTH].reshape(len(x), self.n_orbits, WIDTH)

    def edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances [angstrom] and orbits of the nearest atoms, `n x k x n_near` each."""
        edges = x[:, HEAD + self.n_orbits * WIDTH :].reshape(len(x), self.n_orbits, N_NEAR, 2)
        return edges[..., 0], edges[..., 1].long()


@dataclass(frozen=True)
class Vocabulary:
    """Space groups, occupied sites, elements and range of cells of a corpus."""

    groups: tuple[int, ...]
    """Space groups in ascending order."""
    sites: tuple[Site, ...]
    """Wyckoff positions, sorted by group and letter."""
    elements: tuple[str, ...]
    """Chemical symbols in alphabetical order."""
    n_orbits: int
    """Largest number of orbits that can be encoded."""
    low: tuple[float, ...]
    """Smallest cell numbers (6), less a margin."""
    high: tuple[float, ...]
    """Largest cell numbers (6), plus a margin."""

    @property
    def layout(self) -> Layout:
        """Layout of the rows."""
        return Layout(self.n_orbits)

    @cached_property
    def group_numbers(self) -> dict[int, int]:
        """Number of each space group."""
        return {group: i + 1 for i, group in enumerate(self.groups)}

    @cached_property
    def site_numbers(self) -> dict[tuple[int, str], int]:
        """Number of each site by space group and letter."""
        return {(site.space_group, site.letter): i + 1 for i, site in enumerate(self.sites)}

    @cached_property
    def element_numbers(self) -> dict[str, int]:
        """Number of each element."""
        return {element: i + 1 for i, element in enumerate(self.elements)}

    def encoding_error(self, crystal: Crystal) -> str:
        """Return why a crystal cannot be encoded, or an empty string."""
        if crystal.space_group not in self.group_numbers:
            return f"the corpus has no crystal of space group {crystal.space_group}"
        for orbit in crystal.orbits:
            if orbit.element not in self.element_numbers:
                return f"the corpus has no {orbit.element}"
            if (crystal.space_group, orbit.letter) not in self.site_numbers:
                return f"the corpus has no atom on site {orbit.letter} of space group {crystal.space_group}"
        if len(crystal.orbits) > self.n_orbits:
            return f"{len(crystal.orbits)} orbits, expected at most {self.n_orbits}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary as values that JSON can represent."""
        sites = []
        for site in self.sites:
            basis = [list(row) for row in site.basis]
            sites.append([site.space_group, site.letter, site.multiplicity, list(site.offset), basis])
        return {
            "sites": sites,
            "groups": list(self.groups),
            "elements": list(self.elements),
            "n_orbits": self.n_orbits,
            "low": list(self.low),
            "high": list(self.high),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        """Return the vocabulary that `to_json` wrote."""
        sites = []
        for space_group, letter, multiplicity, offset, basis in data["sites"]:
            rows = tuple(tuple(row) for row in basis)
            sites.append(Site(space_group, letter, multiplicity, tuple(offset), rows))
        return cls(
            groups=tuple(data["groups"]),
            sites=tuple(sites),
            elements=tuple(data["elements"]),
            n_orbits=int(data["n_orbits"]),
            low=tuple(data["low"]),
            high=tuple(data["high"]),
        )


@runtime_checkable
class HasVocabulary(Protocol):
    """An encoding with a vocabulary."""

    @property
    def vocabulary(self) -> Any:
        """Space groups, sites and elements."""
        ...


def learn(crystals: Sequence[Crystal]) -> Vocabulary:
    """Return the vocabulary of a corpus of at least one crystal."""
    positions = {(c.space_group, o.letter): o.position for c in crystals for o in c.orbits}
    sites = tuple(place(group, np.array(x))[0] for (group, _), x in sorted(positions.items()))
    cells = np.array([cell_numbers(c.cell) for c in crystals])
    return Vocabulary(
        groups=tuple(sorted({c.space_group for c in crystals})),
        sites=tuple({(site.space_group, site.letter): site for site in sites}.values()),
        elements=tuple(sorted({o.element for c in crystals for o in c.orbits})),
        n_orbits=max(len(c.orbits) for c in crystals),
        low=tuple((cells.min(0) - CELL_MARGIN).tolist()),
        high=tuple((cells.max(0) + CELL_MARGIN).tolist()),
    )


def cell_numbers(cell: Sequence[float]) -> Array:
    """Return the six numbers that encode a cell: logarithms of the lengths, and scaled angles."""
    return np.concatenate([np.log(cell[:3]), (np.array(cell[3:]) - 90.0) / ANGLE])


def pack(vocabulary: Vocabulary, crystals: Sequence[Crystal]) -> Tensor:
    """Encode crystals as rows.

    Args:
        vocabulary: Vocabulary of the corpus.
        crystals: `n` crystals. Groups, sites and elements that are not in the vocabulary become 0; orbits beyond
            `vocabulary.n_orbits` are dropped.

    Returns:
        Rows, `n x layout.n_columns` (float32).
    """
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
                u = free_coordinates(vocabulary.sites[number - 1], orbit)
                orbits[i, 2 : 2 + len(u)] = u
            edges[i, :, 0], edges[i, :, 1] = distances[i], np.minimum(owners[i], k - 1)
        row[HEAD : HEAD + k * WIDTH] = orbits.ravel()
        row[HEAD + k * WIDTH :] = edges.ravel()
    return torch.from_numpy(rows)


def free_coordinates(site: Site, orbit: Orbit) -> Array:
    """Return the free coordinates (`site.n_free`, in [0, 1)) of an orbit's representative."""
    if not site.n_free:
        return np.zeros(0)
    offset = (np.array(orbit.position) - site.offset) @ np.linalg.pinv(np.array(site.basis, dtype=float))
    u = np.round(offset, 6) % 1.0
    return np.where(u > 1 - 1e-6, 0.0, u)


def unpack(vocabulary: Vocabulary, rows: Tensor) -> list[Crystal | None]:
    """Decode rows to crystals.

    Args:
        vocabulary: Vocabulary of the corpus.
        rows: Rows, `n x layout.n_columns`. The graph is not read.

    Returns:
        `n` crystals; None for a row without a group or without orbits.
    """
    layout = vocabulary.layout
    groups, orbits = layout.group(rows).tolist(), layout.orbits(rows).double().numpy()
    cells = layout.cell(rows).double().numpy()
    return [_unpack_row(vocabulary, *row) for row in zip(groups, cells, orbits, strict=True)]


def _unpack_row(vocabulary: Vocabulary, group: int, cell: Array, orbits: Array) -> Crystal | None:
    if not group or not orbits[0, 0]:
        return None
    space_group = vocabulary.groups[group - 1]
    parameters = np.concatenate([np.exp(cell[:3]), cell[3:] * ANGLE + 90.0])
    full = full_cell(space_group, parameters[list(free_cell(space_group))])
    decoded = []
    for site_number, element_number, *u in orbits:
        if not site_number:
            break
        site = vocabulary.sites[int(site_number) - 1]
        position = snap(site.point(np.array(u[: site.n_free])))
        element = vocabulary.elements[int(element_number) - 1]
        decoded.append(Orbit(element, site.letter, position, site.multiplicity))
    a, b, c, alpha, beta, gamma = (round(v, 5) for v in full)
    return Crystal(space_group, (a, b, c, alpha, beta, gamma), tuple(decoded))
