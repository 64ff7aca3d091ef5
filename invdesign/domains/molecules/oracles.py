"""Oracles of molecules: computed properties, likeness to a reference, and values that were measured.

Each takes `n` designs and answers `n` (or `n x m`) numbers; NaN says that a design could not be measured.
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
from invdesign.domains.molecules import files
from invdesign.domains.molecules.similarity import Kind, pattern, similarity_to
from invdesign.domains.molecules.smiles import canonical, molecule


def scored(designs: Sequence[str], score: Callable[[Chem.Mol], float]) -> Array:
    """A score per design (`n`), NaN where a design cannot be parsed."""
    mols = (molecule(design) for design in designs)
    return np.array([np.nan if mol is None else score(mol) for mol in mols], dtype=np.float64)


def qed(designs: Sequence[str]) -> Array:
    """Quantitative estimate of drug-likeness, 0 to 1 (`n`).

    References:
        Bickerton et al., Nat. Chem. 2012, doi:10.1038/nchem.1243.
    """
    return scored(designs, QED.qed)


def logp(designs: Sequence[str]) -> Array:
    """Crippen's estimate of log P, octanol over water (`n`).

    References:
        Wildman and Crippen, J. Chem. Inf. Comput. Sci. 1999, doi:10.1021/ci990307l.
    """
    return scored(designs, Crippen.MolLogP)


def sa_score(designs: Sequence[str]) -> Array:
    """Synthetic accessibility, 1 (easy) to 10 (hard) (`n`).

    References:
        Ertl and Schuffenhauer, J. Cheminform. 2009, doi:10.1186/1758-2946-1-8.
    """
    return scored(designs, synthetic_accessibility())


def tpsa(designs: Sequence[str]) -> Array:
    """Topological polar surface area in square angstrom (`n`)."""
    return scored(designs, rdMolDescriptors.CalcTPSA)


def molecular_weight(designs: Sequence[str]) -> Array:
    """Molecular weight in g/mol, natural isotopes (`n`)."""
    return scored(designs, Descriptors.MolWt)


def tanimoto_similarity(designs: Sequence[str], *, reference: str, kind: Kind = "ECFP4") -> Array:
    """Tanimoto similarity to a reference SMILES, 0 to 1 (`n`); see `similarity.fingerprinter` for the kinds."""
    return scored(designs, similarity_to(reference, kind))


def smarts_presence(designs: Sequence[str], *, smarts: str) -> Array:
    """1 where a design has the SMARTS pattern, 0 where not (`n`)."""
    query = pattern(smarts)
    return scored(designs, lambda mol: float(mol.HasSubstructMatch(query)))


def penalized_logp(designs: Sequence[str]) -> Array:
    """Log P less synthetic difficulty and rings larger than six, each standardized on ZINC250k (`n`).

    It has no upper bound (ever longer chains win): a regression check, not a design goal.

    References:
        Gomez-Bombarelli et al., ACS Cent. Sci. 2018, doi:10.1021/acscentsci.7b00572.
    """
    accessibility = synthetic_accessibility()

    def score(mol: Chem.Mol) -> float:
        largest = max((len(ring) for ring in Chem.GetSSSR(mol)), default=0)
        return (
            (Crippen.MolLogP(mol) - 2.4570953396190123) / 1.434324401111988
            + (3.0525811293166134 - accessibility(mol)) / 0.8335207024513095
            + (0.0485696876403053 - max(0, largest - 6)) / 0.2860212110245455
        )

    return scored(designs, score)


def measured_table(
    designs: Sequence[str], *, path: str | Path, columns: str | Sequence[str], smiles_column: str | None = None
) -> Array:
    """Look measured values up in a table: `n`, or `n x m` for several columns; NaN where the table has none.

    Raises:
        InvdesignError: where the table or a column of it cannot be read.
    """
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    place = Path(path)
    if not place.exists():
        raise InvdesignError(f"cannot read {place}: no such file. Check the path of the measured table")
    table = _table(place.resolve(), place.stat().st_mtime_ns, names, smiles_column)
    unknown = (np.nan,) * len(names)
    rows = np.array([table.get(canonical(d) or "", unknown) for d in designs], dtype=np.float64).reshape(-1, len(names))
    return rows[:, 0] if isinstance(columns, str) else rows


@lru_cache(maxsize=8)
def _table(
    path: Path, changed: int, columns: tuple[str, ...], smiles_column: str | None
) -> dict[str, tuple[float, ...]]:
    corpus = files.read(path, smiles_column=smiles_column, properties={name: name for name in columns})
    values = np.stack([corpus.properties[name] for name in columns], axis=1).tolist()
    return {design: tuple(row) for design, row in zip(corpus.designs, values, strict=True)}


@cache
def synthetic_accessibility() -> Callable[[Chem.Mol], float]:
    """RDKit's SA scorer, which its wheel carries as a script outside any package."""
    place = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("rdkit_sascorer", place)
    if spec is None or spec.loader is None or not place.exists():
        raise InvdesignError(f"expected RDKit's SA scorer at {place}; install the rdkit wheel, which carries it")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    score: Callable[[Chem.Mol], float] = module.calculateScore
    return score
