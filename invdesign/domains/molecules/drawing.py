"""Pictures and shapes of molecules: SVG and PNG drawings, grids, and 3-D conformers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor, rdDistGeom, rdForceFieldHelpers
from rdkit.Chem.Draw import rdMolDraw2D

from invdesign.core import InvdesignError
from invdesign.domains.molecules.smiles import parse

TILE = (260, 200)
MAX_TILES = 200


@contextmanager
def quiet() -> Iterator[None]:
    """Silence RDKit's log for a while."""
    with rdBase.BlockLogs():
        yield


def svg(design: str, *, width: int = TILE[0], height: int = TILE[1]) -> str:
    """One molecule as an SVG element that can be pasted into a page.

    Raises:
        InvdesignError: where the design is no molecule.
    """
    mol, reason = parse(design)
    if mol is None:
        raise InvdesignError(f"cannot draw {design[:80]!r}: {reason}")
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    drawer.drawOptions().clearBackground = False
    drawer.drawOptions().minFontSize = 8
    with quiet():
        rdMolDraw2D.PrepareAndDrawMolecule(drawer, mol)
    drawer.FinishDrawing()
    return re.sub(r"<\?xml[^>]*\?>\s*|<!--.*?-->\s*", "", drawer.GetDrawingText(), flags=re.DOTALL)


def grid(
    designs: Sequence[str], *, legends: Sequence[str] | None = None, n_columns: int = 5, png: bool = False
) -> bytes:
    """A picture of many molecules, the first `MAX_TILES` of them.

    Returns:
        An SVG or a PNG file as bytes.
    """
    mols = [parse(design)[0] or Chem.Mol() for design in designs[:MAX_TILES]]
    words = list(legends[: len(mols)]) if legends is not None else [""] * len(mols)
    n_rows = max(1, -(-len(mols) // n_columns))
    size = (TILE[0] * n_columns, TILE[1] * n_rows, *TILE)
    drawer = rdMolDraw2D.MolDraw2DCairo(*size) if png else rdMolDraw2D.MolDraw2DSVG(*size)
    with quiet():
        if mols:
            for mol in mols:
                rdDepictor.Compute2DCoords(mol)
            drawer.DrawMolecules(mols, legends=words)
    drawer.FinishDrawing()
    text = drawer.GetDrawingText()
    return text if isinstance(text, bytes) else text.encode()


def conformer(design: str, *, seed: int = 0, tries: int = 3) -> Chem.Mol:
    """The molecule with hydrogens and one 3-D conformer: ETKDGv3, then the MMFF94 force field.

    The property `conformer` says how far it got: "ETKDGv3+MMFF94", "ETKDGv3" (no MMFF parameters), or "2D" (no
    embedding found).

    Raises:
        InvdesignError: where the design is no molecule.

    References:
        Wang et al., J. Chem. Inf. Model. 2020, doi:10.1021/acs.jcim.0c00025 (ETKDGv3);
        Tosco et al., J. Cheminform. 2014, doi:10.1186/s13321-014-0037-3 (MMFF94 in RDKit).
    """
    flat, reason = parse(design)
    if flat is None:
        raise InvdesignError(f"no conformer for {design[:80]!r}: {reason}")
    mol = Chem.AddHs(flat)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    parameters.maxIterations = 20 * tries
    parameters.timeout = 20
    with quiet():
        found = rdDistGeom.EmbedMolecule(mol, parameters) == 0
        if not found:
            parameters.useRandomCoords = True
            found = rdDistGeom.EmbedMolecule(mol, parameters) == 0
        if not found:
            rdDepictor.Compute2DCoords(flat)
            flat.SetProp("conformer", "2D")
            return flat
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
            rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=500)
            mol.SetProp("conformer", "ETKDGv3+MMFF94")
        else:
            mol.SetProp("conformer", "ETKDGv3")
    return mol
