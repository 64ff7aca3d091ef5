"""Reader of molecule files: tables, SMILES files and SD files, with a reason for every rejected row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from rdkit import Chem, rdBase

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.molecules.smiles import canonical, parse
from invdesign.domains.molecules.standardize import identity_key, standardize
from invdesign.io.cells import merge_cells, plain_cell
from invdesign.io.design_tables import (
    NAME_COLUMNS,
    DesignSource,
    Parsed,
    ReadOptions,
    Row,
    corpus_name,
    find_design_column,
    join_names,
    read_designs,
    table_rows,
    table_text,
)
from invdesign.io.design_tables import TABLES as TABLES
from invdesign.io.design_tables import OnInvalid as OnInvalid
from invdesign.io.text_files import decode_text, read_bytes

Salts = Literal["keep", "parent", "largest", "reject"]

LINES = (".smi", ".smiles", ".ism", ".txt")
READ = (*LINES, ".csv", ".tsv", ".xlsx", ".sdf")
SMILES_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "structure", "mol")

MAX_BYTES = 200_000_000
MAX_CELL_LENGTH = 131_072
MAX_BLOCK = 1_000_000
REPORT_EVERY = 2000


def read(
    path: Path | str,
    *,
    smiles_column: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    labels: Sequence[str] = (),
    on_invalid: OnInvalid = "skip",
    salts: Salts | None = None,
    standard: bool | None = None,
    max_designs: int | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the molecules of a .smi, .txt, .csv, .tsv, .xlsx or .sdf file, plain or gzipped.

    Args:
        path: Path of the file. Any line ends, a byte order mark, commas, semicolons or tabs between columns.
        smiles_column: Column of a table that contains SMILES; found by its name where it is not given.
        properties: Measured properties: name -> column (or SD tag). An empty cell is an unknown value (NaN).
        weight_column: Column of non-negative training weights.
        labels: Columns of labels, e.g. `[laboratory, assay]`, for a conditional VAE.
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first. A repeated molecule
            is reported, and never an error.
        salts: Treatment of a molecule with several fragments: `"keep"` all; leave out listed counter-ions and solvents
            (`"parent"`); of what remains then take the `"largest"`; or `"reject"` it. By default `"parent"` where
            `standard` holds, otherwise `"keep"`.
        standard: Whether salts, charge states and tautomers of a compound are one design, written in its neutral form
            (see `standardize`). By default where measured values are read: a value belongs to the compound.
        max_designs: Largest number of molecules to read.
        max_bytes: Largest size of the unpacked file [bytes].
        progress: Called with ("reading", rows done, lines of the file).

    Returns:
        Distinct canonical designs in the order of the file, each with the mean of its measured values; see
        `io.repeats`. What was left out of a salt is reported, with a reason that begins with "repaired".

    Raises:
        InvdesignError: The file is missing, has an unknown format, lacks a column or contains no molecule, or a row is
            invalid and `on_invalid="error"`.
    """
    path = Path(path)
    options = ReadOptions(dict(properties or {}), weight_column, on_invalid, max_designs, labels=tuple(labels))
    is_table = path.name.lower().removesuffix(".gz").endswith(TABLES)
    text = table_text(path, max_bytes=max_bytes) if is_table else decode_text(read_bytes(path, max_bytes=max_bytes))
    source = DesignSource(
        path=str(path),
        name=corpus_name(path),
        noun="molecule",
        to_check=f"the format ({', '.join(READ)}) and the SMILES column",
        n_rows=text.count("\n") + 1,
        report_every=REPORT_EVERY,
    )
    rows = _read_rows(path, text, smiles_column, options.columns)
    is_standard = bool(options.properties) if standard is None else standard
    parse_row = partial(_parse_row, salts=salts or ("parent" if is_standard else "keep"), standard=is_standard)
    return read_designs(rows, parse_row, source=source, options=options, progress=progress)


def _read_rows(path: Path, text: str, smiles_column: str | None, columns: Sequence[str]) -> Iterator[Row]:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in TABLES:
        return _table_rows(path, text, smiles_column, columns)
    if suffix == ".sdf":
        return _sdf_rows(text)
    if suffix not in LINES:
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), got {suffix!r}")
    if columns:
        raise InvdesignError(f"{path}: expected a table for {columns}, got a {suffix} file. Write the values as .csv")
    return _line_rows(text)


def _line_rows(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split(None, 1)
        if not words or words[0].startswith("#") or (number == 1 and words[0].lower() in SMILES_NAMES):
            continue
        rest = words[1] if len(words) > 1 else ""
        extension = re.match(r"\|[^|]*\|(?=\s|$)", rest)
        content = f"{plain_cell(words[0])} {extension.group()}" if extension else plain_cell(words[0])
        name = rest[extension.end() :] if extension else rest
        yield Row(number, content, name=plain_cell(name.strip()))


def _table_rows(path: Path, text: str, smiles_column: str | None, columns: Sequence[str]) -> Iterator[Row]:
    def find_design(header: Sequence[str]) -> tuple[int, str]:
        remedy = "Name the SMILES column: --column NAME, or smiles_column in a campaign"
        position = find_design_column(
            path, header, smiles_column, SMILES_NAMES, is_design=_is_smiles, remedy=remedy, allow_single=True
        )
        return position, "smiles"

    return table_rows(path, text, find_design=find_design, columns=columns, max_cell_length=MAX_CELL_LENGTH)


def _is_smiles(heading: str) -> bool:
    return parse(heading)[0] is not None


def _sdf_rows(text: str) -> Iterator[Row]:
    blocks = re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE)
    for number, block in enumerate(blocks, start=1):
        if block.strip():
            yield _sdf_row(number, block)


def _sdf_row(number: int, block: str) -> Row:
    """Return a record of an SD file as a row: its SMILES and its tags."""
    title = block.split("\n", 1)[0].strip()
    counts_and_atoms = block.split("M  END", 1)[0].split("\n", 3)[-1]
    if len(block) > MAX_BLOCK:
        return Row(number, title, problem=f"a record of {len(block):,} characters, more than {MAX_BLOCK:,}")
    if re.search(r"\b(nan|inf)", counts_and_atoms, flags=re.IGNORECASE):
        return Row(number, title, problem="coordinates that are not finite")
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock(block)
    if mol is None:
        return Row(number, title, problem="RDKit cannot read or sanitize the record")
    if mol.GetConformer().Is3D():
        # The N-H of an amine inverts and exchanges: its configuration in a conformer is no stereocentre.
        for atom in mol.GetAtoms():
            if atom.GetAtomicNum() == 7 and atom.GetTotalNumHs() > 0:
                atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    tags = _tags(block)
    name = join_names([title, *(value for tag, value in tags.items() if tag.lower() in NAME_COLUMNS)])
    # Enhanced stereo (V3000) marks a record as a racemate; SMILES alone would make it one enantiomer.
    enhanced = Chem.MolToCXSmiles(mol, Chem.SmilesWriteParams(), Chem.CXSmilesFields.CX_ENHANCEDSTEREO)
    return Row(number, enhanced if mol.GetStereoGroups() else Chem.MolToSmiles(mol), cells=tags, name=name)


def _tags(block: str) -> dict[str, str]:
    """Return the tags of a record of an SD file with all lines of their values."""
    parts = re.split(r"^>.*?<(.+?)>.*\n", block.partition("M  END")[2], flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    texts = ((name, "\n".join(line.strip() for line in value.strip().split("\n"))) for name, value in pairs)
    return merge_cells(texts, ignore_case=True)


def _parse_row(row: Row, *, salts: Salts, standard: bool) -> Parsed[str]:
    if row.problem:
        return Parsed(reason=row.problem, remedy="fix the row")
    mol, problem = parse(row.content)
    if mol is None:
        is_perhaps_table = "," in row.content and row.form != "smiles"
        remedy = "save the file as .csv if it is a table" if is_perhaps_table else "draw the molecule and export SMILES"
        return Parsed(reason=problem, remedy=remedy)
    design: str = Chem.MolToSmiles(mol)
    is_opened = "|" in row.content and design != canonical(row.content.split()[0])
    changes = ["a racemate or unknown enantiomer: its stereocentres stay open"] if is_opened else []
    if "." in design and salts == "reject":
        n_fragments = design.count(".") + 1
        return Parsed(reason=f"{n_fragments} fragments (a salt or a mixture)", remedy="pass salts='parent' or 'keep'")
    if standard or ("." in design and salts != "keep"):
        standardized = standardize(mol, keep_salts=salts == "keep", keep_charges=not standard)
        design = standardized.design
        changes += [standardized.changes] if standardized.changes else []
    if "." in design and salts == "largest":
        fragments = Chem.GetMolFrags(Chem.MolFromSmiles(design), asMols=True)
        design = Chem.MolToSmiles(max(fragments, key=lambda fragment: fragment.GetNumHeavyAtoms()))
        changes.append("the largest fragment taken")
    key = identity_key(design) if standard else design
    return Parsed(
        design, key, f"repaired: {'; '.join(changes)}" if changes else "", "kept; nothing to do" * bool(changes)
    )
