"""Molecules into files: SMILES, spreadsheet-safe tables, SD files with conformers, picture grids."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdkit import Chem

from invdesign.core import InvdesignError
from invdesign.domains.molecules import drawing
from invdesign.io.cells import cell_text, safe_cell

WRITTEN = (".smi", ".csv", ".sdf", ".svg", ".png")


def write(designs: Sequence[str], path: Path | str, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
    """Write designs as .smi, .csv, .sdf (3-D conformers), or as a picture grid (.svg, .png).

    Args:
        designs: canonical SMILES.
        path: its suffix says the format. The file is written beside and renamed, so it is whole or absent.
        columns: further values, one per design: columns of .csv, tags of .sdf; the first names .smi rows and pictures.

    Raises:
        InvdesignError: for an unknown suffix, columns of another length, or (.sdf) a design that is no molecule.
    """
    path = Path(path)
    columns = {} if columns is None else dict(columns)
    for name, cells in columns.items():
        if len(cells) != len(designs):
            raise InvdesignError(f"column {name!r} has {len(cells)} values for {len(designs)} designs")
    titles = [cell_text(cell) for cell in next(iter(columns.values()))] if columns else None
    suffix = path.suffix.lower()
    if suffix == ".smi":
        lines = designs if titles is None else [f"{d}\t{_flat(t)}" for d, t in zip(designs, titles, strict=True)]
        data = "".join(f"{line}\n" for line in lines).encode()
    elif suffix == ".csv":
        data = _csv(designs, columns).encode()
    elif suffix == ".sdf":
        data = _sdf(designs, columns, titles).encode()
    elif suffix in (".svg", ".png"):
        data = drawing.grid(designs, legends=titles, png=suffix == ".png")
    else:
        raise InvdesignError(f"{path}: expected one of {', '.join(WRITTEN)}, got {suffix!r}")
    replace_file(path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside, flush it to the disk and rename it, so that it is whole or absent."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def _csv(designs: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["smiles", *map(safe_cell, columns)])
    for i, design in enumerate(designs):
        writer.writerow([safe_cell(design), *(safe_cell(cells[i]) for cells in columns.values())])
    return stream.getvalue()


def _sdf(designs: Sequence[str], columns: Mapping[str, Sequence[Any]], titles: Sequence[str] | None) -> str:
    records = []
    for i, design in enumerate(designs):
        mol = drawing.conformer(design)
        mol.SetProp("_Name", _flat(titles[i]) if titles else f"design {i + 1}")
        tags = {"smiles": design, "conformer": mol.GetProp("conformer")}
        tags |= {name: _flat(cell_text(cells[i])) for name, cells in columns.items()}
        lines = "".join(f">  <{re.sub(r'[<>]', '_', _flat(name))}>\n{value}\n\n" for name, value in tags.items())
        records.append(f"{Chem.MolToMolBlock(mol)}{lines}$$$$\n")
    return "".join(records)


def _flat(text: str) -> str:
    return " ".join(text.split())
