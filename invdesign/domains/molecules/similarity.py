"""Similarity of molecules: unfolded count fingerprints, pharmacophores, SMARTS patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D

from invdesign.core import Array, InvdesignError
from invdesign.domains.molecules.smiles import molecule, parse

Kind = Literal["ECFP4", "ECFP6", "FCFP4", "AP", "PHCO"]
"""Kind of a fingerprint."""


@cache
def fingerprinter(kind: Kind) -> Callable[[Chem.Mol], Any]:
    """Return the function from a molecule to its fingerprint, without chirality.

    Args:
        kind: `"ECFP4"`, `"ECFP6"` (Morgan, radius 2 and 3), `"FCFP4"` (Morgan on feature classes, radius 2), `"AP"`
            (atom pairs up to 10 bonds apart), `"PHCO"` (Gobbi's 2-D pharmacophores; milliseconds per molecule). All but
            the last are count fingerprints; none is folded.

    Raises:
        InvdesignError: The kind is unknown.

    References:
        Rogers and Hahn, J. Chem. Inf. Model. 2010, doi:10.1021/ci100050t;
        Gobbi and Poppinger, Biotechnol. Bioeng. 1998.
    """
    if kind == "PHCO":
        return _pharmacophore_fingerprint
    generator: Any
    if kind == "AP":
        generator = rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10)
    elif kind == "FCFP4":
        invariants = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, atomInvariantsGenerator=invariants)
    elif kind in ("ECFP4", "ECFP6"):
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=2 if kind == "ECFP4" else 3)
    else:
        raise InvdesignError(
            f"fingerprint: expected one of {', '.join(get_args(Kind))}, got {kind!r}. Correct the kind"
        )
    fingerprint: Callable[[Chem.Mol], Any] = generator.GetSparseCountFingerprint
    return fingerprint


def tanimoto(designs: Sequence[str], others: Sequence[str]) -> Array:
    """Return Tanimoto similarities of ECFP4 counts between `n` and `k` SMILES, `n x k`.

    Example:
        >>> tanimoto(["CCO"], ["CCO", "CCN"]).round(2).tolist()
        [[1.0, 0.33]]
    """
    compute = fingerprinter("ECFP4")
    first = [compute(molecule(smiles) or Chem.Mol()) for smiles in designs]
    second = [compute(molecule(smiles) or Chem.Mol()) for smiles in others]
    rows = [DataStructs.BulkTanimotoSimilarity(fingerprint, second) for fingerprint in first]
    return np.array(rows, dtype=np.float64).reshape(len(designs), len(others))


def similarity_to(reference: str, kind: Kind) -> Callable[[Chem.Mol], float]:
    """Return the function from a molecule to its Tanimoto similarity (0 to 1) to a reference.

    Args:
        reference: SMILES of the reference; its fingerprint is computed once.
        kind: Kind of the fingerprint, see `fingerprinter`.

    Raises:
        InvdesignError: The reference is not a molecule, or the kind is unknown.
    """
    fingerprint = fingerprinter(kind)
    reference_fingerprint = _fingerprint_reference(reference, kind)
    return lambda mol: float(DataStructs.TanimotoSimilarity(reference_fingerprint, fingerprint(mol)))


@cache
def pattern(smarts: str) -> Chem.Mol:
    """Return a SMARTS pattern as a query molecule, compiled once.

    Args:
        smarts: The pattern.

    Raises:
        InvdesignError: The text is not a SMARTS.
    """
    query = Chem.MolFromSmarts(smarts)
    if query is None or query.GetNumAtoms() == 0:
        raise InvdesignError(f"expected a SMARTS pattern, got {smarts!r}. Test it on a molecule that should match")
    return query


@cache
def _fingerprint_reference(reference: str, kind: Kind) -> Any:
    mol, reason = parse(reference)
    if mol is None:
        raise InvdesignError(f"reference: expected a SMILES string, got {reference[:80]!r} ({reason}). Correct it")
    return fingerprinter(kind)(mol)


def _pharmacophore_fingerprint(mol: Chem.Mol) -> Any:
    return Generate.Gen2DFingerprint(mol, Gobbi_Pharm2D.factory)
