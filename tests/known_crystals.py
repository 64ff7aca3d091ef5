"""A few well-known crystals for the tests of several packages."""

from __future__ import annotations

from functools import cache

from pymatgen.core import Lattice, Structure

from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of

# Space group, lattice, and one atom per orbit.
KNOWN = {
    "NaCl": ("Fm-3m", Lattice.cubic(5.64), {"Na": (0, 0, 0), "Cl": (0.5, 0.5, 0.5)}),
    "MgO": ("Fm-3m", Lattice.cubic(4.212), {"Mg": (0, 0, 0), "O": (0.5, 0.5, 0.5)}),
    "CsCl": ("Pm-3m", Lattice.cubic(4.123), {"Cs": (0, 0, 0), "Cl": (0.5, 0.5, 0.5)}),
    "SrTiO3": ("Pm-3m", Lattice.cubic(3.905), {"Sr": (0, 0, 0), "Ti": (0.5, 0.5, 0.5), "O": (0.5, 0.5, 0)}),
    "TiSrO3": ("Pm-3m", Lattice.cubic(3.905), {"Ti": (0, 0, 0), "Sr": (0.5, 0.5, 0.5), "O": (0.5, 0.5, 0)}),
    "TiO2": ("P4_2/mnm", Lattice.tetragonal(4.594, 2.959), {"Ti": (0, 0, 0), "O": (0.305, 0.305, 0)}),
    "anatase": ("I4_1/amd", Lattice.tetragonal(3.785, 9.514), {"Ti": (0, 0, 0), "O": (0, 0, 0.208)}),
    "MoS2": ("P6_3/mmc", Lattice.hexagonal(3.16, 12.29), {"Mo": (1 / 3, 2 / 3, 0.25), "S": (1 / 3, 2 / 3, 0.6225)}),
    "SeleniumChain": ("P3_121", Lattice.hexagonal(4.366, 4.954), {"Se": (0.2254, 0, 1 / 3)}),
    "Ar": ("Fm-3m", Lattice.cubic(5.31), {"Ar": (0, 0, 0)}),
    "Si": ("Fd-3m", Lattice.cubic(5.43), {"Si": (0, 0, 0)}),
    "Cu": ("Fm-3m", Lattice.cubic(3.61), {"Cu": (0, 0, 0)}),
}


@cache
def structure(name: str) -> Structure:
    """Return the conventional cell; it is shared, so copy it before you modify it."""
    group, lattice, atoms = KNOWN[name]
    return Structure.from_spacegroup(group, lattice, list(atoms), list(atoms.values()))


@cache
def crystal(name: str) -> Crystal:
    """Return the symmetric description of a crystal."""
    return crystal_of(structure(name))


@cache
def binary_compounds() -> tuple[Crystal, ...]:
    """Return six compounds in each of three structures."""
    crystals = []
    for i, (cation, anion) in enumerate(
        [("Na", "Cl"), ("K", "Br"), ("Mg", "O"), ("Zn", "S"), ("Li", "F"), ("Ca", "S")]
    ):
        a = 4.2 + 0.3 * i
        salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])
        wurtzite = Structure.from_spacegroup(
            "P6_3mc",
            Lattice.hexagonal(a, 1.6 * a),
            [cation, anion],
            [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.37 + 0.01 * i]],
        )
        rutile = Structure.from_spacegroup(
            "P4_2/mnm",
            Lattice.tetragonal(a, 0.65 * a),
            [cation, anion],
            [[0, 0, 0], [0.3 + 0.005 * i, 0.3 + 0.005 * i, 0]],
        )
        crystals += [crystal_of(s) for s in (salt, wurtzite, rutile)]
    return tuple(crystals)
