"""Molecules as text: parsing with caps, canonical SMILES, and the tokens of SMILES and SELFIES."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import selfies
from rdkit import Chem, rdBase

Representation = Literal["selfies", "smiles"]

MAX_TEXT_LENGTH = 2_000
MAX_ATOMS = 500
MAX_CHARGE = 4

_TOKEN = re.compile(r"\[[^\[\]]+\]|Br|Cl|%\(\d+\)|%\d\d|[A-Za-z]|\d|[-=#$:/\\.()~*@+?>]")


def parse(text: str) -> tuple[Chem.Mol | None, str]:
    """Read one SMILES without trusting it.

    Long text is refused before the parser sees it, because RDKit takes minutes over some of it; what RDKit accepts but
    is no design (nothing, a wildcard atom, an absurd charge) is refused after. Atom map numbers are dropped: they are
    marks on a drawing, not chemistry.

    Returns:
        The sanitized molecule and an empty string, or None and the reason.
    """
    if not isinstance(text, str):
        return None, f"expected a SMILES string, got {type(text).__name__}"
    text = text.strip()
    if not text:
        return None, "empty"
    if len(text) > MAX_TEXT_LENGTH:
        return None, f"{len(text):,} characters, more than {MAX_TEXT_LENGTH:,}"
    if not text.isascii() or any(c.isspace() or c == "\0" for c in text):
        return (None, "characters that no SMILES has (white space, accents, or control characters)")
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text)
        if mol is None:
            return None, _problem(text)
    if mol.GetNumAtoms() == 0:
        return None, "no atoms"
    if mol.GetNumAtoms() > MAX_ATOMS:
        return None, f"{mol.GetNumAtoms()} heavy atoms, more than {MAX_ATOMS}"
    if "[" in text or "*" in text:
        for atom in mol.GetAtoms():
            if atom.GetAtomicNum() == 0:
                return (None, "a wildcard atom (*): a query or an R-group, not a molecule")
            if abs(atom.GetFormalCharge()) > MAX_CHARGE:
                return (None, f"charge {atom.GetFormalCharge():+d} on one {atom.GetSymbol()}")
            if atom.GetAtomMapNum():
                atom.SetAtomMapNum(0)
    return mol, ""


def canonical(text: str) -> str | None:
    """RDKit's canonical isomeric SMILES, or None where `parse` refuses the text."""
    mol, _ = parse(text)
    return None if mol is None else Chem.MolToSmiles(mol)


def molecule(design: str) -> Chem.Mol | None:
    """The molecule of a design, None where it cannot be parsed."""
    return parse(design)[0]


def tokenize_smiles(smiles: str) -> list[str]:
    """Cut a SMILES into atoms, bonds, branches and ring marks; joined again the tokens are the text.

    References:
        Schwaller et al., ACS Cent. Sci. 2019, doi:10.1021/acscentsci.9b00576 (the idea of the pattern).
    """
    return _TOKEN.findall(smiles)


def encode_selfies(smiles: str) -> tuple[list[str], str]:
    """The SELFIES symbols of a SMILES.

    SELFIES caps the bonds of each element; what exceeds its caps (perchlorates, hypervalent iodine) is still written,
    but reads back as another molecule, and the reason says so.

    Returns:
        Symbols and an empty string; or symbols (perhaps none) and what is wrong with them.
    """
    try:
        return list(selfies.split_selfies(selfies.encoder(smiles))), ""
    except selfies.EncoderError as error:
        strict = _one_line(error)
    try:
        return list(selfies.split_selfies(selfies.encoder(smiles, strict=False))), f"SELFIES cannot hold it: {strict}"
    except selfies.EncoderError:
        return [], f"SELFIES cannot hold it: {strict}"


def decode_selfies(symbols: Sequence[str]) -> str | None:
    """The SMILES that SELFIES symbols spell, not canonical; None where they spell nothing."""
    try:
        smiles: str = selfies.decoder("".join(symbols))
    except (selfies.DecoderError, IndexError, KeyError):
        # Unknown symbols raise DecoderError; a malformed bracket can also surface as a lookup error.
        return None
    return smiles or None


def _problem(text: str) -> str:
    mol = Chem.MolFromSmiles(text, sanitize=False)
    if mol is None:
        return "not a SMILES (syntax)"
    problems = [p.Message() for p in Chem.DetectChemistryProblems(mol)]
    return "; ".join(problems[:3]) if problems else "RDKit cannot sanitize it"


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("SMILES:", "input", "[", "Index"))]
    return (useful or lines or [type(error).__name__])[-1][:200]
