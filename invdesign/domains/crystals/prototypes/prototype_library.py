"""Table of prototype structures: the source of the built-in corpus and of the prototype names of crystals."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.prototypes.radii import Ion, parse_ions
from invdesign.domains.crystals.symmetry.wyckoff import Site, place


@dataclass(frozen=True)
class Prototype:
    """Structure type and the ions that can occupy its sites."""

    name: str
    """Name of the structure type."""
    space_group: int
    """Number of the space group, 1 to 230."""
    lengths: tuple[float, ...]
    """Free cell lengths of the reference crystal [angstrom]."""
    roles: tuple[str, ...]
    """Role of each site, e.g. `"A"`, `"B"`, `"X"`; sites with the same role have the same element."""
    reference: tuple[Ion, ...]
    """Ion on each site of the reference crystal."""
    bonds: tuple[int, ...]
    """Number of anions around the cation on each site; 0 for an anion."""
    positions: tuple[tuple[float, ...], ...]
    """Fractional coordinates of each site, in spglib's standard setting."""
    choices: tuple[tuple[str, tuple[Ion, ...]], ...]
    """Allowed ions of each role."""
    ratios: tuple[tuple[str, tuple[float, float]], ...]
    """Allowed window of the ratio of cation to anion radius, by role."""
    tolerance: tuple[float, float] | None
    """Allowed window of Goldschmidt's tolerance factor of perovskites; None for other types."""
    may_collapse: bool
    """Whether some ions make the structure so regular that its space group is a higher one."""


@cache
def prototypes() -> dict[str, Prototype]:
    """Return all prototypes by name, from `prototypes.csv`.

    The reference crystals are minerals and simple compounds, measured or computed with density functional theory.

    References:
        Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi:10.1016/j.commatsci.2017.01.017;
        Jain et al., APL Mater. 1, 011002 (2013), doi:10.1063/1.4812323.

    Example:
        >>> prototypes()["rock salt"].space_group
        225
    """
    return {row["name"]: _parse_row(row) for row in csv.DictReader(_read_table().decode().splitlines())}


@cache
def sites_of(prototype: Prototype) -> list[tuple[Site, Array]]:
    """Return the Wyckoff position and the free coordinates of each site of the reference crystal."""
    placed = (place(prototype.space_group, np.array(x), tolerance=1e-3) for x in prototype.positions)
    return [(site, np.array(u)) for site, u in placed]


def table_sha256() -> str:
    """Return the SHA-256 checksum of `prototypes.csv`."""
    return hashlib.sha256(_read_table()).hexdigest()


def _read_table() -> bytes:
    return resources.files("invdesign.domains.crystals.prototypes").joinpath("prototypes.csv").read_bytes()


def _parse_row(row: dict[str, str]) -> Prototype:
    """Return the prototype of a row.

    The cells `sites`, `choices` and `ratios` are lists separated by semicolons: `role ion bonds x y z` per site (`-`
    bonds for an anion), `role ions...` per role, and `role low high` per window.
    """
    sites = [site.split() for site in row["sites"].split(";")]
    windows: dict[str, tuple[float, float]] = {}
    for text in row["ratios"].split(";"):
        if text:
            role, low, high = text.split()
            windows[role] = (float(low), float(high))
    choices = []
    for text in row["choices"].split(";"):
        role, *names = text.split()
        choices.append((role, tuple(ion for name in names for ion in parse_ions(name))))
    tolerance = [float(v) for v in row["tolerance"].split()]
    return Prototype(
        name=row["name"],
        space_group=int(row["space_group"]),
        lengths=tuple(float(v) for v in row["cell"].split()),
        roles=tuple(site[0] for site in sites),
        reference=tuple(parse_ions(site[1])[0] for site in sites),
        bonds=tuple(0 if site[2] == "-" else int(site[2]) for site in sites),
        positions=tuple(tuple(float(Fraction(v)) for v in site[3:]) for site in sites),
        choices=tuple(choices),
        ratios=tuple(windows.items()),
        tolerance=(tolerance[0], tolerance[1]) if tolerance else None,
        may_collapse=row["may_collapse"] == "yes",
    )
