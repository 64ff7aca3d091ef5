"""Writer of crystal files: symmetric CIFs, POSCARs, extended XYZ, tables; precursors, and inputs of DFT relaxations."""

from __future__ import annotations

import io
import math
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymatgen.core.composition import Composition

from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import cif
from invdesign.domains.crystals.symmetry.canonical import structure_of
from invdesign.io.atomic import write_bytes
from invdesign.io.tables import check_columns, csv_text

WRITTEN = (".cif", ".csv", ".extxyz", ".zip")
"""Formats of any number of crystals; a single crystal may also be written as a POSCAR (.vasp)."""

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
        designs: Crystals, one data block, frame or row each. A CIF contains operators and one atom for each orbit, the
            other formats all atoms of the conventional cell.
        path: Path of the file; its suffix selects the format. The file is written atomically.
        columns: Further values, one per design: columns of a .csv file, `_invdesign_` items of a .cif file, keys of an
            .extxyz file. The first column names blocks and POSCARs.

    Raises:
        InvdesignError: The suffix is unknown, a column has another length, several crystals are given for one POSCAR,
            or the file cannot be written.
    """
    path = Path(path)
    columns = {} if columns is None else dict(columns)
    check_columns(columns, len(designs))
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
                f"{path}: expected one crystal for a POSCAR, got {len(designs)}. Write a .zip (a POSCAR each) or a .cif"
            )
        data = _poscar(designs[0], titles[0]).encode()
    else:
        raise InvdesignError(
            f"{path}: expected one of {', '.join(WRITTEN)} (or .vasp for one crystal), got {suffix!r}. Choose another "
            "suffix"
        )
    write_bytes(path, data)


def precursors(crystals: Sequence[Crystal]) -> dict[str, list[Any]]:
    """Return usual solid sources of every element, with amounts for one formula unit, to start planning a synthesis.

    In compounds of oxygen or a halogen these are carbonates of alkali metals and heavy alkaline earths, oxides, and
    ammonium salts of halogens; in others (sulfides, intermetallics) they are the elements. Elements that come from the
    gas of the furnace have no amount. Volatility and oxidation states are not considered.

    Args:
        crystals: Crystals to synthesize.

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
                precursor = Composition(source)
                amount = reduced[element] / precursor[element]
                mass = amount * float(precursor.weight)
            row = (number, reduced.reduced_formula, element.symbol, source, amount, mass)
            for name, value in zip(names, row, strict=True):
                table[name].append(value)
    return table


def dft_inputs(crystal: Crystal, folder: Path | str) -> tuple[Path, ...]:
    """Write INCAR, KPOINTS, POSCAR (primitive cell) and POTCAR.spec (names of potentials) of a VASP relaxation.

    The settings are those of the Materials Project (pymatgen's `MPRelaxSet`). The potentials are licensed, so only
    their names are written.

    Args:
        crystal: Crystal to relax.
        folder: Folder of the files; it is created where it does not exist.

    Returns:
        Paths of the files.

    Raises:
        InvdesignError: The set has no potential for an element.

    References:
        Jain et al., APL Materials 2013, doi:10.1063/1.4812323.
    """
    from pymatgen.io.vasp.sets import MPRelaxSet

    folder = Path(folder)
    structure = structure_of(crystal, primitive=True).get_sorted_structure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            inputs = MPRelaxSet(structure)
            potentials = "\n".join(inputs.potcar_symbols) + "\n"
            texts = {"INCAR": str(inputs.incar), "KPOINTS": str(inputs.kpoints), "POSCAR": str(inputs.poscar)}
        except (KeyError, ValueError) as error:
            raise InvdesignError(
                f"{crystal.formula}: no VASP inputs, since the set of the Materials Project lacks {error}. Leave the "
                "crystal out"
            ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts, "POTCAR.spec": potentials}.items():
        write_bytes(folder / name, f"{text.rstrip()}\n".encode())
    return tuple(folder / name for name in (*texts, "POTCAR.spec"))


def table(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return columns of one length as the text of a .csv file with spreadsheet-safe cells."""
    return csv_text(columns, zip(*columns.values(), strict=True))


def _source(element: str, *, is_salt: bool) -> str:
    """Return the usual source of an element, in a compound of oxygen or a halogen (`is_salt`) or another."""
    gas_or_salt = GASES.get(element) or SALTS.get(element)
    if gas_or_salt:
        return gas_or_salt
    if not is_salt:
        return element
    return CARBONATES.get(element) or OXIDES.get(element) or element


def _title(i: int, crystal: Crystal, columns: Mapping[str, Sequence[Any]]) -> str:
    first: Any = next(iter(columns.values()))[i] if columns else None
    return " ".join(str(first).split()) if cif.has_value(first) else f"{i + 1}_{crystal.formula}"


def _csv(designs: Sequence[Crystal], titles: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> str:
    all_columns: dict[str, Sequence[Any]] = dict(columns)
    all_columns.setdefault("formula", [d.formula for d in designs])
    all_columns.setdefault("space group", [d.space_group for d in designs])
    all_columns["cif"] = [cif.block(d, title) for d, title in zip(designs, titles, strict=True)]
    return table(all_columns)


def _extxyz(designs: Sequence[Crystal], titles: Sequence[str], more: Sequence[Mapping[str, Any]]) -> str:
    from ase import Atoms
    from ase.io.extxyz import write_xyz

    stream = io.StringIO()
    for design, title, values in zip(designs, titles, more, strict=True):
        structure = structure_of(design)
        info = {"name": title, "space_group": design.space_group}
        info |= {re.sub(r"\W+", "_", k).strip("_"): v for k, v in values.items() if cif.has_value(v)}
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
            # The date is fixed, so that the same crystals give the same file.
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, _poscar(design, title))
    return stream.getvalue()


def _poscar(crystal: Crystal, title: str) -> str:
    from pymatgen.io.vasp.inputs import Poscar

    structure = structure_of(crystal).get_sorted_structure()
    return Poscar(structure, comment=f"{title} (space group {crystal.space_group})").get_str(significant_figures=10)
