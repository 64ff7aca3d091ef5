"""Structure types: the table of prototypes that the built-in corpus is made of, and that crystals are named by."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.prototypes.radii import Ion, ions
from invdesign.domains.crystals.symmetry.wyckoff import Site, place


@dataclass(frozen=True)
class Prototype:
    """A structure type, and the ions that may take part in it.

    Args:
        name: of the type.
        space_group: 1 to 230.
        lengths: free cell lengths of the reference crystal (angstrom).
        roles: of each site, e.g. `"A"`, `"B"`, `"X"`; sites of one role hold the same element.
        reference: the ion on each site of the reference crystal.
        bonds: anions around each cation; 0 for an anion.
        positions: fractional coordinates of each site, in spglib's standard setting.
        choices: the ions that each role may be given.
        ratios: windows of the ratio of cation to anion radius, by role.
        tolerance: window of Goldschmidt's tolerance factor of perovskites, if there is one.
        may_collapse: whether some ions make it so regular that it has a higher symmetry.
    """

    name: str
    space_group: int
    lengths: tuple[float, ...]
    roles: tuple[str, ...]
    reference: tuple[Ion, ...]
    bonds: tuple[int, ...]
    positions: tuple[tuple[float, ...], ...]
    choices: tuple[tuple[str, tuple[Ion, ...]], ...]
    ratios: tuple[tuple[str, tuple[float, float]], ...]
    tolerance: tuple[float, float] | None
    may_collapse: bool


@cache
def prototypes() -> dict[str, Prototype]:
    """All prototypes by name, from `prototypes.csv`.

    References are minerals and simple compounds as measured, or as computed by density functional theory.

    References:
        Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi:10.1016/j.commatsci.2017.01.017;
        Jain et al., APL Mater. 1, 011002 (2013), doi:10.1063/1.4812323.
    """
    return {row["name"]: _parsed(row) for row in csv.DictReader(_table().decode().splitlines())}


@cache
def sites_of(prototype: Prototype) -> list[tuple[Site, Array]]:
    """Wyckoff position and free coordinates of each site of the reference crystal."""
    placed = (place(prototype.space_group, np.array(x), tolerance=1e-3) for x in prototype.positions)
    return [(site, np.array(u)) for site, u in placed]


def table_sha256() -> str:
    """Checksum of the table."""
    return hashlib.sha256(_table()).hexdigest()


def _table() -> bytes:
    return resources.files("invdesign.domains.crystals.prototypes").joinpath("prototypes.csv").read_bytes()


def _parsed(row: dict[str, str]) -> Prototype:
    sites = [site.split() for site in row["sites"].split(";")]
    window = {role: (float(low), float(high)) for role, low, high in (r.split() for r in row["ratios"].split(";") if r)}
    choices = [choice.split() for choice in row["choices"].split(";")]
    low_high = [float(v) for v in row["tolerance"].split()]
    return Prototype(
        name=row["name"],
        space_group=int(row["space_group"]),
        lengths=tuple(float(v) for v in row["cell"].split()),
        roles=tuple(site[0] for site in sites),
        reference=tuple(ions(site[1])[0] for site in sites),
        bonds=tuple(0 if site[2] == "-" else int(site[2]) for site in sites),
        positions=tuple(tuple(float(Fraction(v)) for v in site[3:]) for site in sites),
        choices=tuple((role, tuple(ion for word in words for ion in ions(word))) for role, *words in choices),
        ratios=tuple(window.items()),
        tolerance=(low_high[0], low_high[1]) if low_high else None,
        may_collapse=row["may_collapse"] == "yes",
    )
