"""Molecules whose fingerprint is near to a given one that no molecule has, e.g. one that a surrogate picked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from rdkit.Chem import rdFingerprintGenerator

from invdesign.core import Array, InvdesignError
from invdesign.domains.molecules.graph_mutations import mutate
from invdesign.domains.molecules.smiles import molecule

N_PARENTS, N_CHILDREN, N_ROUNDS, MAX_EDITS = 20, 120, 15, 2
PATIENCE = 4
"""Rounds without a nearer molecule after which the search ends."""


def tanimoto(counts: Array, wanted: Array) -> Array:
    """Return the Tanimoto similarity of count fingerprints (`n x bits`) with one (`bits`)."""
    least, most = np.minimum(counts, wanted).sum(1), np.maximum(counts, wanted).sum(1)
    similarity: Array = least / np.maximum(most, 1e-12)
    return similarity


def approach(wanted: Array, known: Sequence[str], *, radius: int = 3, seed: int = 0) -> tuple[str, float]:
    """Return a molecule with a fingerprint near to a given one, and their Tanimoto similarity.

    The most similar known molecules are edited and combined, and the most similar ones kept, until no better one is
    found.

    Args:
        wanted: The fingerprint: counts or averages of counts, `bits`.
        known: SMILES to start from.
        radius: Radius of the fingerprint [bonds].
        seed: Seed of the edits.

    Raises:
        InvdesignError: No known molecule can be read.
    """
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=len(wanted))

    def rate(designs: Sequence[str]) -> list[tuple[float, str]]:
        mols = [(design, mol) for design in designs if (mol := molecule(design)) is not None]
        if not mols:
            return []
        counts = np.array([generator.GetCountFingerprintAsNumPy(mol) for _, mol in mols], dtype=np.float64)
        return list(zip(tanimoto(counts, wanted).tolist(), (design for design, _ in mols), strict=True))

    best = sorted(rate(known), reverse=True)[:N_PARENTS]
    if not best:
        raise InvdesignError("fingerprints: expected known molecules, got none that can be read. Give SMILES")
    n_stalled = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(N_ROUNDS):
            children = mutate([design for _, design in best], N_CHILDREN, radius=MAX_EDITS)
            merged = sorted({*best, *rate(children)}, reverse=True)[:N_PARENTS]
            n_stalled = 0 if merged[0] > best[0] else n_stalled + 1
            best = merged
            if n_stalled == PATIENCE or best[0][0] == 1.0:
                break
    similarity, smiles = best[0]
    return smiles, similarity
