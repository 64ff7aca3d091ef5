"""Encoding of crystals as rows of numbers: space group, cell, orbits in canonical order, and the orbit graph.

A row is `[group, 6 cell numbers, k x (site, element, 3 free coordinates), k x n_near x (distance, orbit)]`. Groups,
sites and elements are numbered from 1 in the vocabulary; 0 is none, and site 0 also ends the list of orbits.

The cell numbers are relative to the composition: `log(V / V_0) / 3`, where `V_0` is the sum of the typical volumes of
the atoms, then `log(b / a)`, `log(c / a)` and the scaled angles. A decoder that errs in an element so still generates a
cell in which the atoms have their volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array
from invdesign.domains.crystals.chemistry import has_cell
from invdesign.domains.crystals.crystal import Cell, Crystal, Orbit
from invdesign.domains.crystals.model.atom_volumes import cell_volume, fit_atom_volumes
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.sanity import MIN_CLOSENESS, nearest_contact
from invdesign.domains.crystals.symmetry.wyckoff import Site, free_cell, full_cell, place, snap

# Columns of the header (group and cell), and columns of one orbit.
HEAD, WIDTH = 7, 5
N_NEAR = 12
# Angles are encoded as differences from 90 degrees in units of 30 degrees.
ANGLE = 30.0
# Factor of the smallest closeness, for rounding.
CLOSENESS_MARGIN = 0.999
# Fraction of the corpus that may have atoms nearer than usual.
UNUSUAL = 0.005
# Margin around the range of the cell numbers of the corpus: three standard deviations of the augmentation.
CELL_MARGIN = 0.06


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
        """Return the logarithms of scale, b / a and c / a and the scaled angles, `n x 6`."""
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
    atom_volumes: tuple[float, ...]
    """Typical volume of an atom of each element [angstrom^3]."""
    n_orbits: int
    """Largest number of orbits that can be encoded."""
    min_closeness: float
    """Smallest distance of two atoms of a decoded crystal in units of the sum of their covalent radii: that of a sane
    crystal, or less where a crystal of the corpus has less."""
    usual_closeness: float
    """The same for all but `UNUSUAL` of the corpus."""
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

    @property
    def mean_atom_volume(self) -> float:
        """Typical volume of an atom of an element that the corpus lacks [angstrom^3]."""
        return sum(self.atom_volumes) / len(self.atom_volumes)

    def composition_volume(self, orbits: Sequence[Orbit]) -> float:
        """Return the sum of the typical volumes of the atoms of some orbits [angstrom^3]."""
        numbers = [self.element_numbers.get(orbit.element) for orbit in orbits]
        volumes = [self.atom_volumes[i - 1] if i else self.mean_atom_volume for i in numbers]
        return sum(v * orbit.multiplicity for v, orbit in zip(volumes, orbits, strict=True))

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
        return "" if has_cell(crystal) else "it has no atoms, or a cell without a volume"

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
            "atom_volumes": list(self.atom_volumes),
            "n_orbits": self.n_orbits,
            "min_closeness": self.min_closeness,
            "usual_closeness": self.usual_closeness,
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
            atom_volumes=tuple(data["atom_volumes"]),
            n_orbits=int(data["n_orbits"]),
            min_closeness=float(data["min_closeness"]),
            usual_closeness=float(data["usual_closeness"]),
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
    elements = tuple(sorted({o.element for c in crystals for o in c.orbits}))
    closeness = np.sort([nearest_contact(c)[1] for c in crystals])
    vocabulary = Vocabulary(
        groups=tuple(sorted({c.space_group for c in crystals})),
        sites=tuple({(site.space_group, site.letter): site for site in sites}.values()),
        elements=elements,
        atom_volumes=tuple(fit_atom_volumes(crystals, elements).tolist()),
        n_orbits=max(len(c.orbits) for c in crystals),
        min_closeness=min(MIN_CLOSENESS, CLOSENESS_MARGIN * float(closeness[0])),
        usual_closeness=min(MIN_CLOSENESS, CLOSENESS_MARGIN * float(closeness[int(UNUSUAL * len(crystals))])),
        low=(0.0,) * 6,
        high=(0.0,) * 6,
    )
    cells = np.array([cell_numbers(vocabulary, c) for c in crystals])
    low, high = (cells.min(0) - CELL_MARGIN).tolist(), (cells.max(0) + CELL_MARGIN).tolist()
    return replace(vocabulary, low=tuple(low), high=tuple(high))


def cell_numbers(vocabulary: Vocabulary, crystal: Crystal) -> Array:
    """Return the six numbers that encode the cell of a crystal: logarithms of scale, b / a and c / a, scaled angles."""
    a, b, c, *angles = crystal.cell
    scale = np.log(cell_volume(crystal.cell) / vocabulary.composition_volume(crystal.orbits)) / 3
    return np.array([scale, np.log(b / a), np.log(c / a), *((angle - 90.0) / ANGLE for angle in angles)])


def cell_of(vocabulary: Vocabulary, space_group: int, numbers: Array, orbits: Sequence[Orbit]) -> Cell:
    """Return the cell of a crystal given its numbers, see `cell_numbers`, and its orbits."""
    shape = np.concatenate([[1.0], np.exp(numbers[1:3]), numbers[3:] * ANGLE + 90.0])
    unit = full_cell(space_group, shape[list(free_cell(space_group))])
    volume = cell_volume(unit)
    scale = np.exp(numbers[0]) * np.cbrt(vocabulary.composition_volume(orbits) / volume) if volume else 0.0
    a, b, c = (round(float(length * scale), 5) for length in unit[:3])
    alpha, beta, gamma = (round(angle, 5) for angle in unit[3:])
    return a, b, c, alpha, beta, gamma


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
        row[1:HEAD] = cell_numbers(vocabulary, crystal)
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
    decoded = []
    for site_number, element_number, *u in orbits:
        if not site_number:
            break
        site = vocabulary.sites[int(site_number) - 1]
        position = snap(site.point(np.array(u[: site.n_free])))
        element = vocabulary.elements[int(element_number) - 1]
        decoded.append(Orbit(element, site.letter, position, site.multiplicity))
    return Crystal(space_group, cell_of(vocabulary, space_group, cell, decoded), tuple(decoded))
