"""Writer of molecule files: SMILES, spreadsheet-safe tables, SD files with conformers, picture grids."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rdkit import Chem

from invdesign.core import InvdesignError
from invdesign.domains.molecules import drawing
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import cell_text
from invdesign.io.tables import check_columns, csv_text

WRITTEN = (".smi", ".csv", ".sdf", ".svg", ".png")


def write(designs: Sequence[str], path: Path | str, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
    """Write designs as .smi, .csv, .sdf (3-D conformers), or as a picture grid (.svg, .png).

    A record of an .sdf file is the same compound as its SMILES: where stereocentres are open it has no conformer.

    Args:
        designs: Canonical SMILES.
        path: Path of the file; its suffix selects the format. The file is written atomically.
        columns: Further values, one per design: columns of a .csv file, tags of an .sdf file. The first column names
            the rows of a .smi file and the pictures.

    Raises:
        InvdesignError: The suffix is unknown, a column has another length, a design of an .sdf file is not a molecule,
            or the file cannot be written.
    """
    path = Path(path)
    columns = {} if columns is None else dict(columns)
    check_columns(columns, len(designs))
    titles = [cell_text(cell) for cell in next(iter(columns.values()))] if columns else None
    suffix = path.suffix.lower()
    if suffix == ".smi":
        data = _smi(designs, titles).encode()
    elif suffix == ".csv":
        data = csv_text(["smiles", *columns], zip(designs, *columns.values(), strict=True)).encode()
    elif suffix == ".sdf":
        data = _sdf(designs, columns, titles).encode()
    elif suffix in (".svg", ".png"):
        data = drawing.grid(designs, legends=titles, png=suffix == ".png")
    else:
        raise InvdesignError(f"{path}: expected one of {', '.join(WRITTEN)}, got {suffix!r}. Choose another suffix")
    write_bytes(path, data)


def _smi(designs: Sequence[str], titles: Sequence[str] | None) -> str:
    if titles is None:
        return "".join(f"{design}\n" for design in designs)
    return "".join(f"{design}\t{_one_line(title)}\n" for design, title in zip(designs, titles, strict=True))


def _sdf(designs: Sequence[str], columns: Mapping[str, Sequence[Any]], titles: Sequence[str] | None) -> str:
    records = []
    for i, (design, (mol, block)) in enumerate(zip(designs, _in_threads(designs), strict=True)):
        mol.SetProp("_Name", _one_line(titles[i]) if titles else f"design {i + 1}")
        tags = {"smiles": design, "conformer": mol.GetProp("conformer")}
        tags |= {name: _one_line(cell_text(cells[i])) for name, cells in columns.items()}
        lines = "".join(f">  <{re.sub(r'[<>]', '_', _one_line(name))}>\n{value}\n\n" for name, value in tags.items())
        title = mol.GetProp("_Name")
        records.append(f"{title}\n{block.split(chr(10), 1)[1]}{lines}$$$$\n")
    return "".join(records)


def _in_threads(designs: Sequence[str]) -> list[tuple[Chem.Mol, str]]:
    """Return the records of designs; RDKit releases the interpreter while it embeds and minimizes."""
    with drawing.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_record, designs))


def _record(design: str) -> tuple[Chem.Mol, str]:
    """Return a molecule with coordinates and its record, which reads as the design.

    Coordinates can state more than a SMILES: those of an amine a configuration of its nitrogen, for example. Then the
    record is a drawing in two dimensions.
    """
    mol = drawing.conformer(design)
    block = Chem.MolToMolBlock(mol)
    if mol.GetProp("conformer") != "2D" and not _reads_as(block, design):
        mol = drawing.flat_drawing(design)
        block = Chem.MolToMolBlock(mol)
    return mol, block


def _reads_as(block: str, design: str) -> bool:
    with drawing.quiet():
        found, own = Chem.MolFromMolBlock(block), Chem.MolFromSmiles(design)
        return found is not None and Chem.MolToInchiKey(found) == Chem.MolToInchiKey(own)


def _one_line(text: str) -> str:
    """Return text with all white space replaced by single spaces."""
    return " ".join(text.split())
