"""What the model is told of space groups, sites and elements, as tables; row 0 of each is none."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pymatgen.core import Element
from torch import Tensor

from invdesign.domains.crystals.model.encoding import Vocabulary
from invdesign.domains.crystals.symmetry.wyckoff import FREE_CELL, family, free_cell, operators, polar

FAMILY_NAMES = tuple(FREE_CELL)


@dataclass(frozen=True, eq=False)
class GroupTable:
    """Facts of each group (`n x p`), and which of its six cell parameters are free (`n x 6`, 0 or 1)."""

    facts: Tensor
    is_free: Tensor


@dataclass(frozen=True, eq=False)
class SiteTable:
    """Facts of each site (`n x p`), its group's number, how many coordinates are free, and its multiplicity (`n`)."""

    facts: Tensor
    group: Tensor
    n_free: Tensor
    multiplicity: Tensor


def group_table(vocabulary: Vocabulary) -> GroupTable:
    """Family, number of operators, centring and polarity of the vocabulary's groups."""
    facts, is_free = [np.zeros(10)], [np.zeros(6)]
    for group in vocabulary.groups:
        R, _ = operators(group)
        kind = np.eye(6)[FAMILY_NAMES.index(family(group))]
        n_centring = sum(np.allclose(r, np.eye(3)) for r in R)
        has_inversion = any(np.allclose(r, -np.eye(3)) for r in R)
        facts.append(np.array([*kind, np.log(len(R)) / 5, n_centring / 4, has_inversion, np.trace(polar(group)) / 3]))
        is_free.append(np.isin(np.arange(6), free_cell(group)).astype(float))
    return GroupTable(torch.tensor(np.array(facts)).float(), torch.tensor(np.array(is_free)).float())


def site_table(vocabulary: Vocabulary) -> SiteTable:
    """Where the vocabulary's sites are, how they may move, and how many atoms they make."""
    numbers = vocabulary.group_numbers
    facts, group, n_free, multiplicity = [np.zeros(24)], [0], [0], [0.0]
    for site in vocabulary.sites:
        basis = np.zeros((3, 3))
        basis[: site.n_free] = np.array(site.basis, dtype=float).reshape(-1, 3)
        waves = [f(2 * np.pi * k * np.array(site.offset)) for k, f in itertools.product((1, 2), (np.sin, np.cos))]
        share = len(operators(site.space_group)[0]) / site.multiplicity
        facts.append(
            np.array(
                [*np.concatenate(waves), *basis.ravel(), np.log(site.multiplicity) / 3, site.n_free, np.log(share) / 3]
            )
        )
        group.append(numbers[site.space_group])
        n_free.append(site.n_free)
        multiplicity.append(float(site.multiplicity))
    return SiteTable(
        torch.tensor(np.array(facts)).float(), torch.tensor(group), torch.tensor(n_free), torch.tensor(multiplicity)
    )


def element_table(elements: Sequence[str]) -> Tensor:
    """Properties of elements (`n x 12`): row, group, electronegativity, radii, valence electrons, block; scaled."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen says where it knows no electronegativity
        for symbol in elements:
            e = Element(symbol)
            x = e.X if np.isfinite(e.X) else 2.0
            radius = float(e.atomic_radius or 1.5)
            ionic = float(e.average_ionic_radius or 1.0)
            oxidation = e.common_oxidation_states or (0,)
            rows.append(
                [
                    e.row / 4 - 1,
                    e.group / 9 - 1,
                    x - 2,
                    radius - 1.4,
                    ionic - 0.8,
                    np.mean(oxidation) / 3,
                    max(oxidation) / 4,
                    min(oxidation) / 4,
                    *(float(e.block == block) for block in "spdf"),
                ]
            )
    return torch.tensor(rows, dtype=torch.float32)
