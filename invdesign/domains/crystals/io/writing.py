"""Crystals into files: symmetric CIFs, POSCARs, extended XYZ, tables; precursors, and inputs of a DFT relaxation."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymatgen.core import Composition

from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import cif
from invdesign.domains.crystals.symmetry.canonical import structure_of
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import safe_cell

# What `write` takes for any number of crystals; a single one may also go into a POSCAR (.vasp).
WRITTEN = (".cif", ".csv", ".extxyz", ".zip")

CARBONATES = {"Li": "Li2CO3", "Na": "Na2CO3", "K": "K2CO3", "Rb": "Rb2CO3", "Cs": "Cs2CO3"} | {
    "Ca": "CaCO3", "Sr": "SrCO3", "Ba": "BaCO3",
}  # fmt: skip
OXIDES = {
    "Be": "BeO", "Mg": "MgO", "Sc": "Sc2O3", "Y": "Y2O3", "La": "La2O3", "Ce": "CeO2", "Pr": "Pr6O11", "Nd": "Nd2O3",
    "Sm": "Sm2O3", "Eu": "Eu2O3", "Gd": "Gd2O3", "Tb": "Tb4O7", "Dy": "Dy2O3", "Ho": "Ho2O3", "Er": "Er2O3",
    "Tm": "Tm2O3", "Yb": "Yb2O3", "Lu": "Lu2O3", "Ti": "TiO2", "Zr": "ZrO2", "Hf": "HfO2", "V": "V2O5", "Nb": "Nb2O5",
    "Ta": "Ta2O5", "Cr": "Cr2O3", "Mo": "MoO3", "W": "WO3", "Mn": "MnO2", "Re": "Re2O7", "Fe": "Fe2O3", "Ru": "RuO2",
    "Co": "Co3O4", "Rh": "Rh2O3", "Ir": "IrO2", "Ni": "NiO", "Pd": "PdO", "Pt": "PtO2", "Cu": "CuO", "Ag": "Ag2O",
    "Au": "Au2O3", "Zn": "ZnO", "Cd": "CdO", "Hg": "HgO", "B": "B2O3", "Al": "Al2O3", "Ga": "Ga2O3", "In": "In2O3",
    "Tl": "Tl2O3", "Si": "SiO2", "Ge": "GeO2", "Sn": "SnO2", "Pb": "PbO", "As": "As2O3", "Sb": "Sb2O3", "Bi": "Bi2O3",
    "Se": "SeO2", "Te": "TeO2", "Th": "ThO2", "U": "UO2", "P": "NH4H2PO4", "S": "(NH4)2SO4", "Os": "OsO2",
}  # fmt: skip
SALTS = {"F": "NH4F", "Cl": "NH4Cl", "Br": "NH4Br", "I": "NH4I"}
GASES = {"O": "air or O2", "N": "N2 or NH3", "H": "H2", "He": "He", "Ne": "Ne", "Ar": "Ar", "Kr": "Kr", "Xe": "Xe"}


def write(designs: Sequence[Crystal], path: Path | str, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
    """Write crystals as .cif, .extxyz, .csv, as a .zip of POSCARs, or a single one as a POSCAR (.vasp).

    Args:
        designs: one data block, frame or row each; a CIF holds operators and one atom for each orbit, the other
            formats all atoms of the conventional cell.
        path: its suffix says the format. The file is written beside and renamed, so it is whole or absent.
        columns: further values, one per design: columns of .csv, `_invdesign_` items of .cif, keys of .extxyz; the
            first names blocks and POSCARs.

    Raises:
        InvdesignError: for an unknown suffix, columns of another length, or several crystals in one POSCAR.
    """
    path = Path(path)
    columns = {} if columns is None else dict(columns)
    for name, cells in columns.items():
        if len(cells) != len(designs):
            raise InvdesignError(f"column {name!r} has {len(cells)} values for {len(designs)} designs")
    titles = [_title(i, design, columns) for i, design in enumerate(designs)]
    more = [{name: cells[i] for name, cells in columns.items()} for i in range(len(designs))]
    suffix = path.suffix.lower()
    if suffix == ".cif":
        blocks = [cif.block(d, title, more=m) for d, title, m in zip(designs, titles, more, strict=True)]
        data = "\n".join(blocks).encode()
    elif suffix == ".csv":
        data = _csv(designs, titles, columns).encode()
    elif suffix in (".extxyz", ".xyz"):
        data = _extxyz(designs, titles, more).encode()
    elif suffix == ".zip":
        data = _zip(designs, titles)
    elif suffix in (".vasp", ".poscar"):
        if len(designs) != 1:
            raise InvdesignError(
                f"{path}: a POSCAR holds one crystal, got {len(designs)}; write a .zip (a POSCAR each) or a .cif"
            )
        data = _poscar(designs[0], titles[0]).encode()
    else:
        raise InvdesignError(f"{path}: expected one of {', '.join(WRITTEN)} (or .vasp for one crystal), got {suffix!r}")
    write_bytes(path, data)


def precursors(crystals: Sequence[Crystal]) -> dict[str, list[Any]]:
    """Usual solid sources of every element, with amounts for one formula unit: a start for planning a synthesis.

    In compounds of oxygen or a halogen: carbonates of alkali metals and heavy alkaline earths, and oxides, with
    halogens as ammonium salts; in others (sulfides, intermetallics) the elements. What a furnace's gas brings has no
    amount. Neither volatility nor oxidation states are looked at.

    Returns:
        Columns of one row per crystal and element: `crystal` (number, from 1), `formula`, `element`, `precursor`,
        `mol per formula unit`, `g per mol of formula units`.
    """
    names = ("crystal", "formula", "element", "precursor", "mol per formula unit", "g per mol of formula units")
    table: dict[str, list[Any]] = {name: [] for name in names}
    for number, crystal in enumerate(crystals, start=1):
        reduced, _ = Composition(crystal.counts).get_reduced_composition_and_factor()
        is_salt = not {"O", *SALTS}.isdisjoint(crystal.counts)
        for element in reduced.elements:
            source = _source(element.symbol, is_salt=is_salt)
            amount = mass = math.nan
            if element.symbol not in GASES:
                made = Composition(source)
                amount = reduced[element] / made[element]
                mass = amount * float(made.weight)
            row = (number, reduced.reduced_formula, element.symbol, source, amount, mass)
            for name, value in zip(names, row, strict=True):
                table[name].append(value)
    return table


def dft_inputs(crystal: Crystal, folder: Path | str) -> tuple[Path, ...]:
    """Write INCAR, KPOINTS, POSCAR (primitive cell) and POTCAR.spec (potentials by name) of a VASP relaxation.

    The settings are those of the Materials Project (pymatgen's `MPRelaxSet`); the potentials are licensed, so only
    their names are written.

    Args:
        crystal: to be relaxed.
        folder: made where it does not exist.

    Raises:
        InvdesignError: the set knows no potential for an element.

    References:
        Jain et al., APL Materials 2013, doi:10.1063/1.4812323.
    """
    from pymatgen.io.vasp.sets import MPRelaxSet

    folder = Path(folder)
    structure = structure_of(crystal, primitive=True).get_sorted_structure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = MPRelaxSet(structure)
            potentials = "\n".join(wanted.potcar_symbols) + "\n"
            texts = {"INCAR": str(wanted.incar), "KPOINTS": str(wanted.kpoints), "POSCAR": str(wanted.poscar)}
        except (KeyError, ValueError) as error:
            raise InvdesignError(
                f"no inputs for {crystal.formula}: the Materials Project's set lacks {error}; leave the crystal out"
            ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts, "POTCAR.spec": potentials}.items():
        write_bytes(folder / name, f"{text.rstrip()}\n".encode())
    return tuple(folder / name for name in (*texts, "POTCAR.spec"))


def table(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns of one length as the text of a .csv."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in columns])
    writer.writerows([safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True))
    return stream.getvalue()


def _source(element: str, *, is_salt: bool) -> str:
    fixed = GASES.get(element) or SALTS.get(element)
    if fixed or not is_salt:
        return fixed or element
    return CARBONATES.get(element) or OXIDES.get(element) or element


def _title(i: int, crystal: Crystal, columns: Mapping[str, Sequence[Any]]) -> str:
    first: Any = next(iter(columns.values()))[i] if columns else None
    return " ".join(str(first).split()) if cif.is_said(first) else f"{i + 1}_{crystal.formula}"


def _csv(designs: Sequence[Crystal], titles: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> str:
    shown: dict[str, Sequence[Any]] = dict(columns)
    shown.setdefault("formula", [d.formula for d in designs])
    shown.setdefault("space group", [d.space_group for d in designs])
    shown["cif"] = [cif.block(d, title) for d, title in zip(designs, titles, strict=True)]
    return table(shown)


def _extxyz(designs: Sequence[Crystal], titles: Sequence[str], more: Sequence[Mapping[str, Any]]) -> str:
    from ase import Atoms
    from ase.io.extxyz import write_xyz

    stream = io.StringIO()
    for design, title, values in zip(designs, titles, more, strict=True):
        structure = structure_of(design)
        info = {"name": title, "space_group": design.space_group}
        info |= {re.sub(r"\W+", "_", k).strip("_"): v for k, v in values.items() if cif.is_said(v)}
        symbols = [site.specie.symbol for site in structure]
        atoms = Atoms(symbols, cell=structure.lattice.matrix, scaled_positions=structure.frac_coords, pbc=True)
        atoms.info = {k: v if isinstance(v, int | float) else " ".join(str(v).split()) for k, v in info.items()}
        write_xyz(stream, atoms)
    return stream.getvalue()


def _zip(designs: Sequence[Crystal], titles: Sequence[str]) -> bytes:
    width = len(str(len(designs)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for i, (design, title) in enumerate(zip(designs, titles, strict=True), start=1):
            name = f"{i:0{width}d}_{re.sub(r'[^A-Za-z0-9_.+-]', '_', title)[:60]}.vasp"
            # A fixed date: the same crystals make the same file.
            about = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, _poscar(design, title))
    return stream.getvalue()


def _poscar(crystal: Crystal, title: str) -> str:
    from pymatgen.io.vasp.inputs import Poscar

    structure = structure_of(crystal).get_sorted_structure()
    return Poscar(structure, comment=f"{title} (space group {crystal.space_group})").get_str(significant_figures=10)
