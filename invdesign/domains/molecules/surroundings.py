"""Atoms of a molecule with their surroundings, and drawings with atoms marked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Draw import rdMolDraw2D

from invdesign.core import InvdesignError, Place
from invdesign.domains.molecules.drawing import TILE, quiet
from invdesign.domains.molecules.smiles import parse

RADII = (1, 2, 3)
"""Radii of the surroundings [bonds]."""
_GENERATOR = rdFingerprintGenerator.GetMorganGenerator(radius=max(RADII), includeRedundantEnvironments=True)


def atom_places(design: str) -> list[Place]:
    """Return the heavy atoms of a molecule; their surroundings are Morgan environments of 1, 2 and 3 bonds.

    References:
        Rogers and Hahn, J. Chem. Inf. Model. 2010, doi:10.1021/ci100050t.

    Example:
        >>> [place.name for place in atom_places("CCO")]
        ['C1', 'C2', 'O3']
    """
    mol, _ = parse(design)
    if mol is None:
        return []
    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    _GENERATOR.GetSparseCountFingerprint(mol, additionalOutput=output)
    environments: list[dict[int, str]] = [{} for _ in range(mol.GetNumAtoms())]
    for bit, centers in output.GetBitInfoMap().items():
        for atom, radius in centers:
            environments[atom][radius] = f"{radius}:{bit}"
    names = [f"{atom.GetSymbol()}{i + 1}" for i, atom in enumerate(mol.GetAtoms())]
    return [
        Place(name, tuple(found[radius] for radius in RADII if radius in found))
        for name, found in zip(names, environments, strict=True)
    ]


def draw_atoms(design: str, strengths: Sequence[float]) -> str:
    """Return a drawing of a molecule as SVG, its atoms on red circles by their strength.

    Args:
        design: SMILES.
        strengths: From 0 to 1, one for each heavy atom.

    Raises:
        InvdesignError: The design is not a molecule.
    """
    mol, reason = parse(design)
    if mol is None:
        raise InvdesignError(f"cannot draw {design[:80]!r}: {reason}. Give a SMILES string")
    marked = [i for i, strength in enumerate(strengths) if strength > 0]
    colours = {i: (1.0, 0.85 - 0.5 * float(strengths[i]), 0.8 - 0.55 * float(strengths[i])) for i in marked}
    drawer = rdMolDraw2D.MolDraw2DSVG(*TILE)
    drawer.drawOptions().clearBackground = False
    drawer.drawOptions().minFontSize = 8
    with quiet():
        rdMolDraw2D.PrepareAndDrawMolecule(
            drawer, mol, highlightAtoms=marked, highlightAtomColors=colours, highlightBonds=[]
        )
    drawer.FinishDrawing()
    return re.sub(r"<\?xml[^>]*\?>\s*|<!--.*?-->\s*", "", drawer.GetDrawingText(), flags=re.DOTALL)
