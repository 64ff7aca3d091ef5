"""Oracles of molecules: computed properties, similarity to a reference, and measured values.

Each takes `n` designs and returns `n` (or `n x m`) numbers; NaN means that a design cannot be measured.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import QED, Crippen, Descriptors, RDConfig, rdMolDescriptors

from invdesign.core import Array, InvdesignError
from invdesign.core.capabilities import stating
from invdesign.domains.molecules import files
from invdesign.domains.molecules.similarity import Kind, pattern, similarity_to
from invdesign.domains.molecules.smiles import canonical, molecule


def score_molecules(designs: Sequence[str], score: Callable[[Chem.Mol], float]) -> Array:
    """Return the score of each design (`n`), NaN where a design cannot be parsed.

    Args:
        designs: `n` SMILES.
        score: Function from a sanitized molecule to its score.
    """
    mols = (molecule(design) for design in designs)
    return np.array([np.nan if mol is None else score(mol) for mol in mols], dtype=np.float64)


def qed(designs: Sequence[str]) -> Array:
    """Return the quantitative estimate of drug-likeness, 0 to 1 (`n`).

    Args:
        designs: `n` SMILES.

    References:
        Bickerton et al., Nat. Chem. 2012, doi:10.1038/nchem.1243.

    Example:
        >>> qed(["CC(=O)Oc1ccccc1C(=O)O"]).round(2).tolist()
        [0.55]
    """
    return score_molecules(designs, QED.qed)


def logp(designs: Sequence[str]) -> Array:
    """Return Crippen's estimate of log P, the partition coefficient of octanol and water (`n`).

    Args:
        designs: `n` SMILES.

    References:
        Wildman and Crippen, J. Chem. Inf. Comput. Sci. 1999, doi:10.1021/ci990307l.
    """
    return score_molecules(designs, Crippen.MolLogP)


def sa_score(designs: Sequence[str]) -> Array:
    """Return the synthetic accessibility score, 1 (easy) to 10 (hard) (`n`).

    Args:
        designs: `n` SMILES.

    References:
        Ertl and Schuffenhauer, J. Cheminform. 2009, doi:10.1186/1758-2946-1-8.
    """
    return score_molecules(designs, synthetic_accessibility())


def tpsa(designs: Sequence[str]) -> Array:
    """Return the topological polar surface area [angstrom^2] (`n`)."""
    return score_molecules(designs, rdMolDescriptors.CalcTPSA)


def molecular_weight(designs: Sequence[str]) -> Array:
    """Return the molecular weight [g/mol] with natural isotopes (`n`)."""
    return score_molecules(designs, Descriptors.MolWt)


def heavy_atoms(designs: Sequence[str]) -> Array:
    """Return the number of atoms other than hydrogen (`n`)."""
    return score_molecules(designs, lambda mol: float(mol.GetNumHeavyAtoms()))


def tanimoto_similarity(designs: Sequence[str], *, reference: str, kind: Kind = "ECFP4") -> Array:
    """Return the Tanimoto similarity to a reference, 0 to 1 (`n`).

    Args:
        designs: `n` SMILES.
        reference: SMILES of the reference.
        kind: Kind of the fingerprint, see `similarity.fingerprinter`.

    Raises:
        InvdesignError: The reference is not a molecule, or the kind is unknown.
    """
    return score_molecules(designs, similarity_to(reference, kind))


def smarts_presence(designs: Sequence[str], *, smarts: str) -> Array:
    """Return 1 where a design matches a SMARTS pattern, 0 where it does not (`n`).

    Args:
        designs: `n` SMILES.
        smarts: The pattern.

    Raises:
        InvdesignError: The pattern is not a SMARTS.
    """
    query = pattern(smarts)
    return score_molecules(designs, lambda mol: float(mol.HasSubstructMatch(query)))


def penalized_logp(designs: Sequence[str]) -> Array:
    """Return log P minus synthetic difficulty and a penalty for rings larger than six (`n`).

    Each of the three terms is standardized on ZINC250k. The sum has no upper bound (longer chains always score higher):
    it serves as a regression check, not as a design goal.

    Args:
        designs: `n` SMILES.

    References:
        Gomez-Bombarelli et al., ACS Cent. Sci. 2018, doi:10.1021/acscentsci.7b00572.
    """
    accessibility = synthetic_accessibility()

    def score(mol: Chem.Mol) -> float:
        largest = max((len(ring) for ring in Chem.GetSSSR(mol)), default=0)
        value: float = (
            (Crippen.MolLogP(mol) - 2.4570953396190123) / 1.434324401111988
            + (3.0525811293166134 - accessibility(mol)) / 0.8335207024513095
            + (0.0485696876403053 - max(0, largest - 6)) / 0.2860212110245455
        )
        return value

    return score_molecules(designs, score)


@stating("measured")
def measured_table(
    designs: Sequence[str], *, path: str | Path, columns: str | Sequence[str], smiles_column: str | None = None
) -> Array:
    """Return measured values of a table: `n`, or `n x m` for several columns; NaN where the table has no value.

    Args:
        designs: `n` SMILES, in any spelling.
        path: Path of the table.
        columns: Column of the values, or `m` columns.
        smiles_column: Column that contains SMILES; found by its name where it is not given.

    Raises:
        InvdesignError: The table or a column of it cannot be read.
    """
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    path = Path(path)
    if not path.exists():
        raise InvdesignError(f"{path}: no such file. Check the path of the measured table")
    table = _read_values(path.resolve(), path.stat().st_mtime_ns, names, smiles_column)
    unknown = (np.nan,) * len(names)
    values = [table.get(canonical(design) or "", unknown) for design in designs]
    rows = np.array(values, dtype=np.float64).reshape(-1, len(names))
    return rows[:, 0] if isinstance(columns, str) else rows


@lru_cache(maxsize=8)
def _read_values(
    path: Path, modified: int, columns: tuple[str, ...], smiles_column: str | None
) -> dict[str, tuple[float, ...]]:
    """Return the values of each design of a table; `modified` (time of the last change) is part of the cache's key."""
    corpus = files.read(path, smiles_column=smiles_column, properties={name: name for name in columns})
    values = np.stack([corpus.properties[name] for name in columns], axis=1).tolist()
    return {design: tuple(row) for design, row in zip(corpus.designs, values, strict=True)}


@cache
def synthetic_accessibility() -> Callable[[Chem.Mol], float]:
    """Return RDKit's function from a molecule to its SA score; the wheel has it as a script outside the package.

    Raises:
        InvdesignError: The installation of RDKit lacks the script.
    """
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("rdkit_sascorer", path)
    if spec is None or spec.loader is None or not path.exists():
        raise InvdesignError(f"SA score: expected RDKit's script at {path}, got no file. Install the rdkit wheel")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    score: Callable[[Chem.Mol], float] = module.calculateScore
    return score
