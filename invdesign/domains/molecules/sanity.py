"""Measures of sanity: what tells molecules from nonsense in samples of a latent space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from invdesign.core import Array
from invdesign.domains.molecules.oracles import qed, sa_score, score_molecules
from invdesign.domains.molecules.smiles import has_radical

MAX_ACCESSIBILITY = 4.5
"""Largest synthetic accessibility score of a sane molecule; 93 % of ZINC250k lie below."""
MAX_RING = 6
"""Atoms of the largest ring of a sane molecule; 96 % of ZINC250k have no larger one."""


def measure_sanity(designs: Sequence[str]) -> dict[str, Array]:
    """Return measures of molecules by name, `n` values each; NaN where a design cannot be parsed.

    Example:
        >>> {name: values.round(1).tolist() for name, values in measure_sanity(["c1ccccc1", "[CH2]CC"]).items()}
        {'QED': [0.4, 0.4], 'SA': [1.0, 3.2], 'radical': [0.0, 1.0], 'large ring': [0.0, 0.0], 'nonsense': [0.0, 1.0]}
    """
    accessibility = sa_score(designs)
    radical, ring = score_molecules(designs, _has_radical), score_molecules(designs, has_large_ring)
    is_inaccessible = np.where(np.isnan(accessibility), np.nan, accessibility > MAX_ACCESSIBILITY)
    return {
        "QED": qed(designs),
        "SA": accessibility,
        "radical": radical,
        "large ring": ring,
        "nonsense": np.fmax(np.fmax(radical, ring), is_inaccessible),
    }


def has_large_ring(mol: Chem.Mol) -> float:
    """Return 1 for a molecule with a ring of over 6 atoms, else 0."""
    return float(any(len(ring) > MAX_RING for ring in mol.GetRingInfo().AtomRings()))


def _has_radical(mol: Chem.Mol) -> float:
    return float(has_radical(mol))
