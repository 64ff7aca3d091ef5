"""Likeness of molecules: unfolded count fingerprints, pharmacophores, SMARTS patterns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args

from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D

from invdesign.core import InvdesignError
from invdesign.domains.molecules.smiles import parse

Kind = Literal["ECFP4", "ECFP6", "FCFP4", "AP", "PHCO"]


@cache
def fingerprinter(kind: Kind) -> Callable[[Chem.Mol], Any]:
    """The function from a molecule to its fingerprint, chirality left out.

    Args:
        kind: `"ECFP4"`, `"ECFP6"` (Morgan, radius 2 and 3), `"FCFP4"` (Morgan on feature classes, radius 2), `"AP"`
            (atom pairs up to 10 bonds apart), `"PHCO"` (Gobbi's 2-D pharmacophores; milliseconds a molecule). All but
            the last count their features; none is folded.

    References:
        Rogers and Hahn, J. Chem. Inf. Model. 2010, doi:10.1021/ci100050t;
        Gobbi and Poppinger, Biotechnol. Bioeng. 1998.
    """
    if kind == "PHCO":
        return _pharmacophore
    if kind == "AP":
        return rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10).GetSparseCountFingerprint
    if kind == "FCFP4":
        invariants = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, atomInvariantsGenerator=invariants)
        return generator.GetSparseCountFingerprint
    if kind in ("ECFP4", "ECFP6"):
        radius = 2 if kind == "ECFP4" else 3
        return rdFingerprintGenerator.GetMorganGenerator(radius=radius).GetSparseCountFingerprint
    raise InvdesignError(f"fingerprint kind: expected one of {', '.join(get_args(Kind))}, got {kind!r}")


def similarity_to(reference: str, kind: Kind) -> Callable[[Chem.Mol], float]:
    """The Tanimoto similarity (0 to 1) of a molecule to a reference SMILES; the reference's fingerprint is kept."""
    fingerprint = fingerprinter(kind)
    known = _reference(reference, kind)
    return lambda mol: float(DataStructs.TanimotoSimilarity(known, fingerprint(mol)))


@cache
def pattern(smarts: str) -> Chem.Mol:
    """A SMARTS pattern, compiled once.

    Raises:
        InvdesignError: where the text is no SMARTS.
    """
    query = Chem.MolFromSmarts(smarts)
    if query is None or query.GetNumAtoms() == 0:
        raise InvdesignError(f"{smarts!r} is no SMARTS pattern; test it on a molecule that should match")
    return query


@cache
def _reference(reference: str, kind: Kind) -> Any:
    mol, reason = parse(reference)
    if mol is None:
        raise InvdesignError(f"the reference {reference[:80]!r} is no molecule: {reason}; expected a SMILES string")
    return fingerprinter(kind)(mol)


def _pharmacophore(mol: Chem.Mol) -> Any:
    return Generate.Gen2DFingerprint(mol, Gobbi_Pharm2D.factory)
