"""Matched molecular pairs: molecules that differ in one substituent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdMMPA

from invdesign.core import Corpus, Domain
from invdesign.domains.shared_links import Links, link_groups


def matched_pairs(domain: Domain[str, Any], corpus: Corpus[str], *, max_changed: int = 8, seed: int = 0) -> Links:
    """Return links between molecules that differ in one substituent.

    Each single bond outside of rings is cut; molecules with the same larger part are a series, and each is linked to
    three others of it.

    Args:
        domain: The kind of designs.
        corpus: The molecules.
        max_changed: Largest number of heavy atoms of the substituent.
        seed: Seed of the links within a series.

    References:
        Hussain and Rea, J. Chem. Inf. Model. 2010, doi:10.1021/ci900450m.
    """
    series: dict[str, list[int]] = {}
    for row, design in enumerate(corpus.designs):
        for core in cores(design, max_changed=max_changed):
            series.setdefault(core, []).append(row)
    return link_groups((rows for rows in series.values() if len(rows) > 1), seed=seed)


def cores(design: str, *, max_changed: int = 8) -> Sequence[str]:
    """Return what remains of a molecule without each of its substituents, with the place of the cut marked.

    Args:
        design: The molecule.
        max_changed: Largest number of heavy atoms of the substituent.

    Example:
        >>> cores("Cc1ccccc1")
        ['c1ccc([*:1])cc1']
    """
    mol = Chem.MolFromSmiles(design)
    if mol is None:
        return []
    found: dict[str, None] = {}
    for _, parts in rdMMPA.FragmentMol(mol, maxCuts=1, resultsAsMols=False):
        sized = sorted((Chem.MolFromSmiles(part).GetNumHeavyAtoms() - 1, part) for part in parts.split("."))
        if len(sized) == 2 and sized[0][0] <= max_changed and sized[0][0] < sized[1][0]:
            found[sized[1][1]] = None
    return list(found)
