"""Descriptor tables of space groups, sites and elements for the crystal model; row 0 of each stands for none."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pymatgen.core.periodic_table import Element
from torch import Tensor

from invdesign.domains.crystals.model.encoding import Vocabulary
from invdesign.domains.crystals.symmetry.wyckoff import FREE_CELL, family, free_cell, operators, polar_projector

FAMILY_NAMES = tuple(FREE_CELL)
N_GROUP_DESCRIPTORS, N_SITE_DESCRIPTORS = 10, 24
# Values for elements without tabulated data.
DEFAULT_ELECTRONEGATIVITY, DEFAULT_ATOMIC_RADIUS, DEFAULT_IONIC_RADIUS = 2.0, 1.5, 1.0

# Weights of the descriptors of `element_table` in the distance between elements: group and lowest oxidation state say
# more than rows whether one element can replace another.
SIMILARITY_WEIGHTS = (0.5, 6.0, 1.0, 1.0, 0.5, 0.3, 0.3, 3.0, 0.5, 0.5, 0.5, 0.5)
N_SIMILAR = 5


@dataclass(frozen=True, eq=False)
class GroupTable:
    """Descriptors of the vocabulary's `n - 1` space groups."""

    facts: Tensor
    """Descriptors, `n x 10`."""
    is_free: Tensor
    """Whether each of the six cell parameters is free, `n x 6` (0 or 1)."""


@dataclass(frozen=True, eq=False)
class SiteTable:
    """Descriptors of the vocabulary's `n - 1` sites."""

    facts: Tensor
    """Descriptors, `n x 24`."""
    group: Tensor
    """Number of the space group in the vocabulary, `n`."""
    n_free: Tensor
    """Number of free coordinates, `n`."""
    multiplicity: Tensor
    """Number of atoms in the conventional cell, `n`."""


def group_table(vocabulary: Vocabulary) -> GroupTable:
    """Return family (one-hot), number of operators, centring, inversion and polarity of the vocabulary's groups."""
    facts, is_free = [np.zeros(N_GROUP_DESCRIPTORS)], [np.zeros(6)]
    for group in vocabulary.groups:
        R, _ = operators(group)
        one_hot = np.eye(len(FAMILY_NAMES))[FAMILY_NAMES.index(family(group))]
        n_centring = sum(np.allclose(r, np.eye(3)) for r in R)
        has_inversion = any(np.allclose(r, -np.eye(3)) for r in R)
        polarity = np.trace(polar_projector(group)) / 3
        facts.append(np.array([*one_hot, np.log(len(R)) / 5, n_centring / 4, has_inversion, polarity]))
        is_free.append(np.isin(np.arange(6), free_cell(group)).astype(float))
    return GroupTable(torch.tensor(np.array(facts)).float(), torch.tensor(np.array(is_free)).float())


def site_table(vocabulary: Vocabulary) -> SiteTable:
    """Return offset (as Fourier features), basis, multiplicity and number of free coordinates of the sites."""
    numbers = vocabulary.group_numbers
    facts, group, n_free, multiplicity = [np.zeros(N_SITE_DESCRIPTORS)], [0], [0], [0.0]
    for site in vocabulary.sites:
        basis = np.zeros((3, 3))
        basis[: site.n_free] = np.array(site.basis, dtype=float).reshape(-1, 3)
        offset = np.array(site.offset)
        waves = [f(2 * np.pi * k * offset) for k, f in itertools.product((1, 2), (np.sin, np.cos))]
        site_symmetry_order = len(operators(site.space_group)[0]) / site.multiplicity
        scalars = [np.log(site.multiplicity) / 3, site.n_free, np.log(site_symmetry_order) / 3]
        facts.append(np.array([*np.concatenate(waves), *basis.ravel(), *scalars]))
        group.append(numbers[site.space_group])
        n_free.append(site.n_free)
        multiplicity.append(float(site.multiplicity))
    return SiteTable(
        torch.tensor(np.array(facts)).float(), torch.tensor(group), torch.tensor(n_free), torch.tensor(multiplicity)
    )


def element_table(elements: Sequence[str]) -> Tensor:
    """Return scaled properties of elements.

    Args:
        elements: `n` chemical symbols.

    Returns:
        `n x 12` properties: row, group, electronegativity, atomic and ionic radius, mean, maximum and minimum common
        oxidation state, and block (one-hot).
    """
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns where it has no electronegativity
        for symbol in elements:
            element = Element(symbol)
            electronegativity = element.X if np.isfinite(element.X) else DEFAULT_ELECTRONEGATIVITY
            radius = float(element.atomic_radius or DEFAULT_ATOMIC_RADIUS)
            ionic_radius = float(element.average_ionic_radius or DEFAULT_IONIC_RADIUS)
            oxidation_states = element.common_oxidation_states or (0,)
            rows.append(
                [
                    element.row / 4 - 1,
                    element.group / 9 - 1,
                    electronegativity - 2,
                    radius - 1.4,
                    ionic_radius - 0.8,
                    np.mean(oxidation_states) / 3,
                    max(oxidation_states) / 4,
                    min(oxidation_states) / 4,
                    *(float(element.block == block) for block in "spdf"),
                ]
            )
    return torch.tensor(rows, dtype=torch.float32)


def similar_elements(elements: Tensor) -> Tensor:
    """Return the most similar other elements of each element.

    Args:
        elements: `n x 12` properties, as from `element_table`.

    Returns:
        Numbers of the elements, counted from 1, `(n + 1) x m`, where `m` is at most `N_SIMILAR`; row 0 is 0. A single
        element is similar to itself.
    """
    n = len(elements)
    if n == 1:
        return torch.tensor([[0], [1]])
    weighted = elements * torch.tensor(SIMILARITY_WEIGHTS)
    distance = torch.cdist(weighted, weighted) + torch.diag(torch.full((n,), torch.inf))
    nearest = distance.topk(min(N_SIMILAR, n - 1), largest=False).indices + 1
    return torch.cat([torch.zeros_like(nearest[:1]), nearest])
