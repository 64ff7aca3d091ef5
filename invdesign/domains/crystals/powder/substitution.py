"""Known structures with the elements of a given formula on their sites.

References:
    Hautier et al., Inorg. Chem. 2011, doi:10.1021/ic102031h (substitution); Pettifor, Solid State Commun. 1984,
    doi:10.1016/0038-1098(84)90765-8 (scale of the elements).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd

import numpy as np

from invdesign.core import Corpus
from invdesign.domains.crystals.chemistry import covalent_radius
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.atom_volumes import cell_volume, fit_atom_volumes
from invdesign.domains.crystals.mutations import mendeleev_number

LATENT = "latent space"
"""Origin of a proposal that a decoder wrote."""
MAX_PER_TYPE = 3
"""Structures of the same sites and elements that are kept: they differ in free coordinates and cells."""
REPEAT_PENALTY = 0.15
"""Difference that is added to the second structure of the same sites, and twice to the third."""
MAX_ASSIGNMENTS = 24
"""Ways to put the elements on the sites of a structure that are tried."""
SCALE_LENGTH = 10.0
"""Places on Pettifor's scale after which an element counts as another one."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A crystal of a formula that is to be compared with a measured pattern."""

    crystal: Crystal
    """The crystal, at the volume that is typical of its elements."""
    origin: str
    """Where its structure comes from."""
    difference: float
    """Chemical difference of the exchanged elements of a known structure: 0 for the same, nearly 1 for unlike ones."""


@dataclass(frozen=True, eq=False)
class _Known:
    """A structure of the corpus."""

    crystal: Crystal
    """The structure."""
    counts: Mapping[str, int]
    """Numbers of atoms in a formula unit."""
    sites: tuple[tuple[str, str], ...]
    """Element and letter of each orbit."""


@dataclass(frozen=True, eq=False)
class TemplateLibrary:
    """Structures of a corpus by the ratios of their elements, and typical volumes of the elements."""

    crystals: tuple[Crystal, ...]
    """The corpus."""

    @cached_property
    def by_ratio(self) -> dict[tuple[int, ...], list[_Known]]:
        """Structures by the numbers of atoms of each element in a formula unit, in ascending order."""
        groups: dict[tuple[int, ...], list[_Known]] = {}
        for crystal in self.crystals:
            counts = reduced_counts(crystal.counts)
            sites = tuple((orbit.element, orbit.letter) for orbit in crystal.orbits)
            groups.setdefault(tuple(sorted(counts.values())), []).append(_Known(crystal, counts, sites))
        return groups

    @cached_property
    def volumes(self) -> dict[str, float]:
        """Typical volume of an atom of each element of the corpus [angstrom^3]."""
        elements = sorted({element for crystal in self.crystals for element in crystal.counts})
        return dict(zip(elements, fit_atom_volumes(self.crystals, elements).tolist(), strict=True))

    @cached_property
    def volume_of_radius(self) -> float:
        """Mean ratio of an atom's volume to the cube of its covalent radius, for elements that the corpus lacks."""
        return float(np.mean([volume / covalent_radius(e) ** 3 for e, volume in self.volumes.items()]))

    def typical_volume(self, counts: Mapping[str, int]) -> float:
        """Return the typical volume of some atoms [angstrom^3]."""
        total = 0.0
        for element, n in counts.items():
            known = self.volumes.get(element)
            total += n * (self.volume_of_radius * covalent_radius(element) ** 3 if known is None else known)
        return total

    def proposals(self, counts: Mapping[str, int], n: int) -> list[Proposal]:
        """Return at most `n` known structures with the elements of a formula, those of similar elements first.

        Of the structures on the same sites, the second and the third come later, so that other ones are tried too.

        Args:
            counts: Number of atoms of each element in the formula.
            n: Largest number of templates.
        """
        found: dict[object, list[tuple[float, int, _Known, dict[str, str]]]] = {}
        for i, known in enumerate(self.by_ratio.get(tuple(sorted(reduced_counts(counts).values())), [])):
            for elements in assignments(known.counts, counts):
                difference = _difference(known.counts, elements)
                occupied = (known.crystal.space_group, tuple(sorted((elements[e], w) for e, w in known.sites)))
                found.setdefault(occupied, []).append((difference, i, known, elements))
        kept = [
            (row[0] + REPEAT_PENALTY * rank, row)
            for rows in found.values()
            for rank, row in enumerate(sorted(rows, key=lambda r: r[:2])[:MAX_PER_TYPE])
        ]
        kept.sort(key=lambda ranked: (ranked[0], ranked[1][1]))
        return [self._substitute(row[2].crystal, row[3], row[0]) for _, row in kept[:n]]

    def _substitute(self, source: Crystal, elements: Mapping[str, str], difference: float) -> Proposal:
        orbits = tuple(replace(orbit, element=elements[orbit.element]) for orbit in source.orbits)
        crystal = replace(source, orbits=orbits)
        factor = (self.typical_volume(crystal.counts) / cell_volume(source.cell)) ** (1 / 3)
        a, b, c, alpha, beta, gamma = source.cell
        scaled = replace(crystal, cell=(a * factor, b * factor, c * factor, alpha, beta, gamma))
        return Proposal(scaled, f"structure of {source.formula} ({source.space_group})", difference)


def library_of(corpus: Corpus[Crystal]) -> TemplateLibrary:
    """Return the templates of a corpus."""
    return TemplateLibrary(tuple(corpus.designs))


def reduced_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of atoms in a formula unit.

    Example:
        >>> reduced_counts({"Fe": 4, "O": 6})
        {'Fe': 2, 'O': 3}
    """
    divisor = gcd(*counts.values())
    return {element: n // divisor for element, n in counts.items()}


def assignments(source: Mapping[str, int], target: Mapping[str, int]) -> list[dict[str, str]]:
    """Return the ways to replace the elements of a structure by those of a formula with the same ratios.

    Example:
        >>> assignments({"Na": 4, "Cl": 4}, {"K": 1, "Br": 1})
        [{'Cl': 'Br', 'Na': 'K'}, {'Cl': 'K', 'Na': 'Br'}]
    """
    old, new, parts = reduced_counts(source), reduced_counts(target), []
    for amount in sorted(set(new.values())):
        olds = sorted(e for e, n in old.items() if n == amount)
        news = sorted(e for e, n in new.items() if n == amount)
        parts.append([dict(zip(olds, order, strict=True)) for order in itertools.permutations(news)])
    ways = itertools.islice(itertools.product(*parts), MAX_ASSIGNMENTS)
    return [{old: new for part in way for old, new in part.items()} for way in ways]


@lru_cache(maxsize=16384)
def element_difference(first: str, second: str) -> float:
    """Return 0 for the same element, nearly 1 for elements that are far apart on Pettifor's scale."""
    return float(1 - np.exp(-abs(mendeleev_number(first) - mendeleev_number(second)) / SCALE_LENGTH))


def _difference(counts: Mapping[str, int], elements: Mapping[str, str]) -> float:
    """Return the mean difference of the atoms of a structure and those that replace them."""
    return sum(n * element_difference(e, elements[e]) for e, n in counts.items()) / sum(counts.values())
