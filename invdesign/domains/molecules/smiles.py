"""Molecules as text: parsing with limits, canonical SMILES, and the tokens of SMILES and SELFIES."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import selfies
from rdkit import Chem, rdBase

Representation = Literal["selfies", "smiles"]

MAX_TEXT_LENGTH = 2_000
MAX_ATOMS = 500
MAX_CHARGE = 4
"""Largest absolute formal charge of one atom."""
MAX_UNPAIRED = 2
"""Most unpaired electrons of one atom of a nonmetal: those of a carbene."""
MAX_EXTENSION_LENGTH = 20_000
NONMETALS = frozenset([1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54])
"""Atomic numbers of the elements that are no metals."""
VALENCE_ELECTRONS = {3: 1, 11: 1, 19: 1, 37: 1, 55: 1, 87: 1, 4: 2, 12: 2, 20: 2, 38: 2, 56: 2, 88: 2}
"""Valence electrons of the alkali and alkaline earth metals by atomic number."""
NO_BONDS = (Chem.BondType.DATIVE, Chem.BondType.ZERO, Chem.BondType.UNSPECIFIED)
"""Types of bonds that take no electron of a metal."""

_EXTENDED = re.compile(r"(\S+)\s+(\|[^|]*\|)")
_VARIABLE = re.compile(r"(?:^\||,)(?:Sg:n|Sg:any|m:|LN:)")
"""Extensions of polymers, variable attachment and repeats: several molecules in one text."""

_TOKEN = re.compile(r"\[[^\[\]]+\]|Br|Cl|%\(\d+\)|%\d\d|[A-Za-z]|\d|[-=#$:/\\.()~*@+?>]")


def parse(text: str) -> tuple[Chem.Mol | None, str]:
    """Parse one SMILES or CXSMILES of an untrusted source.

    Long text is rejected before parsing, because RDKit needs minutes for some of it. Text that RDKit accepts but that
    is not a design (no atoms, a wildcard atom, an implausible charge) is rejected afterwards. Atom map numbers are
    removed: they are labels of a drawing and do not belong to the molecule. The stereocentres of a racemate or an
    unknown enantiomer (enhanced stereo) are left open.

    Args:
        text: SMILES, or CXSMILES such as `C[C@H](O)F |&1:1|`.

    Returns:
        The sanitized molecule and an empty string, or None and the reason.

    Example:
        >>> parse("C(")
        (None, 'not a SMILES (syntax)')
    """
    if not isinstance(text, str):
        return None, f"expected a SMILES string, got {type(text).__name__}"
    mol, problem, smiles = _read(text)
    # What is wrong with a text is found by parsing it once more.
    return mol, problem or (_describe_problem(smiles) if mol is None else "")


def _read(text: str) -> tuple[Chem.Mol | None, str, str]:
    """Return a new molecule or None, the problem of the text, and its SMILES; RDKit states no problem of its own."""
    text = text.strip()
    extended = _EXTENDED.fullmatch(text) if text.endswith("|") else None
    smiles, extension = extended.groups() if extended else (text, "")
    problem = check_text(smiles) or _check_extension(extension)
    if problem:
        return None, problem, smiles
    mol, problem = _parse_text(smiles, extension)
    # Molecules are mutable, so every caller gets its own.
    return None if mol is None else Chem.Mol(mol), problem, smiles


# A design is parsed when it is decoded, screened, encoded and described; a copy costs a quarter of that.
@lru_cache(maxsize=4096)
def _parse_text(text: str, extension: str = "") -> tuple[Chem.Mol | None, str]:
    """Return the molecule, or None with the reason; the reason is empty where RDKit returns none."""
    with rdBase.BlockLogs():
        mol = _parse_extended(text, extension) if extension else Chem.MolFromSmiles(text)
        if mol is None:
            return None, ""
    open_mixtures(mol)
    problem = _check_atoms(mol, has_brackets=bool(extension) or "[" in text or "*" in text)
    return (None, problem) if problem else (mol, "")


def _parse_extended(text: str, extension: str) -> Chem.Mol | None:
    parameters = Chem.SmilesParserParams()
    parameters.strictCXSMILES = False
    parameters.parseName = False
    mol = Chem.MolFromSmiles(f"{text} {extension}", parameters)
    if mol is not None:
        mol.RemoveAllConformers()
    return mol


def open_mixtures(mol: Chem.Mol) -> None:
    """Open the stereocentres of racemates and unknown enantiomers (`&1`, `o1` of enhanced stereo) in place.

    A design is one compound, or a mixture of stereoisomers with open centres: a racemate must not become one of its
    enantiomers.
    """
    groups = mol.GetStereoGroups()
    if not groups:
        return
    for group in groups:
        if group.GetGroupType() == Chem.StereoGroupType.STEREO_ABSOLUTE:
            continue
        for atom in group.GetAtoms():
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        for bond in group.GetBonds():
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def canonical(text: str) -> str | None:
    """Return RDKit's canonical isomeric SMILES, or None where `parse` rejects the text.

    Example:
        >>> canonical("OCC")
        'CCO'
    """
    mol, _ = parse(text)
    return None if mol is None else Chem.MolToSmiles(mol)


def molecule(design: str) -> Chem.Mol | None:
    """Return the molecule of a design, or None where it cannot be parsed."""
    return _read(design)[0] if isinstance(design, str) else None


def has_radical(mol: Chem.Mol) -> bool:
    """Return whether an atom has unpaired electrons."""
    return any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())


def fill_valences(mol: Chem.Mol) -> str | None:
    """Return the canonical SMILES of a molecule with hydrogens for its unpaired electrons; None where there is none.

    Example:
        >>> fill_valences(molecule("C[CH]C"))
        'CCC'
    """
    filled = Chem.RWMol(mol)
    for atom in filled.GetAtoms():
        n_unpaired = atom.GetNumRadicalElectrons()
        if n_unpaired:
            atom.SetNumRadicalElectrons(0)
            atom.SetNumExplicitHs(atom.GetTotalNumHs() + n_unpaired)
            atom.SetNoImplicit(True)
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    closed = molecule(Chem.MolToSmiles(filled))
    return None if closed is None or has_radical(closed) else Chem.MolToSmiles(closed)


def tokenize_smiles(smiles: str) -> list[str]:
    """Return the tokens of a SMILES: atoms, bonds, branches and ring numbers; their concatenation is the text.

    Args:
        smiles: SMILES.

    References:
        Schwaller et al., ACS Cent. Sci. 2019, doi:10.1021/acscentsci.9b00576 (the pattern).
    """
    return _TOKEN.findall(smiles)


def ring_number(token: str) -> str | None:
    """Return the ring number that a SMILES token opens or closes, without `%` and brackets; None for another token."""
    number = token.strip("%()")
    return number if number.isdigit() else None


def encode_selfies(smiles: str) -> tuple[list[str], str]:
    """Return the SELFIES symbols of a SMILES.

    SELFIES limits the number of bonds of each element. A molecule that exceeds the limits (perchlorates, hypervalent
    iodine) still has symbols, but they decode to another molecule; then a reason is returned, too.

    Args:
        smiles: SMILES.

    Returns:
        Symbols and an empty string; or symbols (perhaps none) and the reason why they are not exact.
    """
    try:
        return list(selfies.split_selfies(selfies.encoder(smiles))), ""
    except selfies.EncoderError as error:
        strict = _summarize(error)
    try:
        return list(
            selfies.split_selfies(selfies.encoder(smiles, strict=False))
        ), f"SELFIES cannot represent it: {strict}"
    except selfies.EncoderError:
        return [], f"SELFIES cannot represent it: {strict}"


def decode_selfies(symbols: Sequence[str]) -> str | None:
    """Return the SMILES of SELFIES symbols, not canonical; None where they are not valid or empty."""
    try:
        smiles: str = selfies.decoder("".join(symbols))
    except (selfies.DecoderError, IndexError, KeyError):
        # Unknown symbols raise DecoderError; a malformed bracket can also surface as a lookup error.
        return None
    return smiles or None


def check_text(text: str) -> str:
    """Return why a text is rejected before parsing, or an empty string."""
    if not text:
        return "empty"
    if len(text) > MAX_TEXT_LENGTH:
        return f"{len(text):,} characters, more than {MAX_TEXT_LENGTH:,}"
    if not text.isascii() or text.split() != [text] or "\0" in text:
        return "characters that no SMILES has (white space, accents, or control characters)"
    return ""


def _check_extension(extension: str) -> str:
    """Return why a CXSMILES extension is rejected, or an empty string."""
    if len(extension) > MAX_EXTENSION_LENGTH or not extension.isascii():
        return f"an extension of more than {MAX_EXTENSION_LENGTH:,} characters, or not of ASCII"
    return "a polymer or a variable structure, not one molecule" if _VARIABLE.search(extension) else ""


def _check_atoms(mol: Chem.Mol, *, has_brackets: bool) -> str:
    """Return why a parsed molecule is rejected, or an empty string; atom map numbers are removed in place."""
    if mol.GetNumAtoms() == 0:
        return "no atoms"
    if mol.GetNumAtoms() > MAX_ATOMS:
        return f"{mol.GetNumAtoms()} heavy atoms, more than {MAX_ATOMS}"
    if not has_brackets:
        return ""
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0:
            return "a wildcard atom (*): a query or an R-group, not a molecule"
        if abs(atom.GetFormalCharge()) > MAX_CHARGE:
            return f"charge {atom.GetFormalCharge():+d} on one {atom.GetSymbol()}"
        if atom.GetNumRadicalElectrons() > MAX_UNPAIRED and atom.GetAtomicNum() in NONMETALS:
            return f"{atom.GetNumRadicalElectrons()} unpaired electrons on one {atom.GetSymbol()}"
        if _lacks_electrons(atom):
            return (
                f"{atom.GetSymbol()} with more charge and bonds than valence electrons; write ions apart, as in "
                "[Na+].[Cl-]"
            )
        isotope = atom.GetIsotope()
        if isotope and not Chem.GetPeriodicTable().GetMassForIsotope(atom.GetAtomicNum(), isotope):
            return f"an isotope that does not exist: {isotope}{atom.GetSymbol()}"
        if atom.GetAtomMapNum():
            atom.SetAtomMapNum(0)
    return ""


def _lacks_electrons(atom: Chem.Atom) -> bool:
    """Return whether a cation of an alkali or alkaline earth metal has bonds for which it has no electrons."""
    n_electrons = VALENCE_ELECTRONS.get(atom.GetAtomicNum())
    if n_electrons is None or atom.GetFormalCharge() <= 0:
        return False
    n_bonds = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds() if bond.GetBondType() not in NO_BONDS)
    return bool(atom.GetFormalCharge() + n_bonds + atom.GetTotalNumHs() > n_electrons)


def _describe_problem(text: str) -> str:
    """Return why RDKit reads no molecule from a text."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text, sanitize=False)
        if mol is None:
            return "not a SMILES (syntax)"
        problems = [p.Message() for p in Chem.DetectChemistryProblems(mol)]
    return "; ".join(problems[:3]) if problems else "RDKit cannot sanitize it"


def _summarize(error: Exception) -> str:
    """Return the most informative line of an error of SELFIES."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("SMILES:", "input", "[", "Index"))]
    return (useful or lines or [type(error).__name__])[-1][:200]
