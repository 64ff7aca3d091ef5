"""Drawings of molecules as SVG and PNG, grids of drawings, and 3-D conformers."""

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
"""Width and height of one drawing [pixels]."""
MAX_TILES = 200
"""Largest number of molecules in a grid."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the log of RDKit in a with block."""
    with rdBase.BlockLogs():
        yield


def svg(design: str, *, width: int = TILE[0], height: int = TILE[1]) -> str:
    """Return a drawing of a molecule as an SVG element for an HTML page.

    Args:
        design: SMILES.
        width: Width of the drawing [pixels].
        height: Height of the drawing [pixels].

    Raises:
        InvdesignError: The design is not a molecule.
    """
    mol, reason = parse(design)
    if mol is None:
        raise InvdesignError(f"cannot draw {design[:80]!r}: {reason}. Give a SMILES string")
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
    """Return a picture of many molecules, the first `MAX_TILES` of them.

    Args:
        designs: SMILES; a design that is not a molecule gives an empty drawing.
        legends: Text below each molecule.
        n_columns: Number of molecules per row.
        png: Return a PNG file instead of an SVG file.

    Returns:
        Content of an SVG or a PNG file.
    """
    mols = [parse(design)[0] or Chem.Mol() for design in designs[:MAX_TILES]]
    texts = list(legends[: len(mols)]) if legends is not None else [""] * len(mols)
    n_rows = max(1, -(-len(mols) // n_columns))
    size = (TILE[0] * n_columns, TILE[1] * n_rows, *TILE)
    drawer = rdMolDraw2D.MolDraw2DCairo(*size) if png else rdMolDraw2D.MolDraw2DSVG(*size)
    with quiet():
        if mols:
            for mol in mols:
                rdDepictor.Compute2DCoords(mol)
            drawer.DrawMolecules(mols, legends=texts)
    drawer.FinishDrawing()
    picture: str | bytes = drawer.GetDrawingText()
    return picture if isinstance(picture, bytes) else picture.encode()


def conformer(design: str, *, seed: int = 0, tries: int = 3) -> Chem.Mol:
    """Return the molecule with hydrogens and one 3-D conformer: ETKDGv3, then the MMFF94 force field.

    The property `conformer` of the molecule names the method: "ETKDGv3+MMFF94", "ETKDGv3" (MMFF94 has no parameters),
    or "2D" for a flat drawing without explicit hydrogens: where no embedding is found, and where stereocentres are
    open, because coordinates would make one stereoisomer of them.

    Args:
        design: SMILES.
        seed: Seed of the embedding.
        tries: Limit of the embedding, in units of 20 iterations.

    Raises:
        InvdesignError: The design is not a molecule.

    References:
        Wang et al., J. Chem. Inf. Model. 2020, doi:10.1021/acs.jcim.0c00025 (ETKDGv3);
        Tosco et al., J. Cheminform. 2014, doi:10.1186/s13321-014-0037-3 (MMFF94 in RDKit).
    """
    flat, reason = parse(design)
    if flat is None:
        raise InvdesignError(f"no conformer for {design[:80]!r}: {reason}. Give a SMILES string")
    embedded = None if has_open_stereo(flat) else _embed(flat, seed=seed, tries=tries)
    if embedded is None:
        return flat_drawing(design)
    with quiet():
        has_parameters = rdForceFieldHelpers.MMFFHasAllMoleculeParams(embedded)
        if has_parameters:
            rdForceFieldHelpers.MMFFOptimizeMolecule(embedded, maxIters=500)
    embedded.SetProp("conformer", "ETKDGv3+MMFF94" if has_parameters else "ETKDGv3")
    return embedded


def flat_drawing(design: str) -> Chem.Mol:
    """Return the molecule with 2-D coordinates, its open double bonds marked as such.

    Raises:
        InvdesignError: The design is not a molecule.
    """
    flat, reason = parse(design)
    if flat is None:
        raise InvdesignError(f"no drawing for {design[:80]!r}: {reason}. Give a SMILES string")
    with quiet():
        rdDepictor.Compute2DCoords(flat)
        for element in Chem.FindPotentialStereo(flat):
            is_bond = element.type == Chem.StereoType.Bond_Double
            if is_bond and element.specified != Chem.StereoSpecified.Specified:
                flat.GetBondWithIdx(element.centeredOn).SetStereo(Chem.BondStereo.STEREOANY)
    flat.SetProp("conformer", "2D")
    return flat


def has_open_stereo(mol: Chem.Mol) -> bool:
    """Return whether a stereocentre or a double bond has no stated configuration.

    Example:
        >>> has_open_stereo(parse("CC(N)c1ccccc1")[0]), has_open_stereo(parse("CCO")[0])
        (True, False)
    """
    with quiet():
        elements = Chem.FindPotentialStereo(mol)
    return any(element.specified != Chem.StereoSpecified.Specified for element in elements)


def _embed(flat: Chem.Mol, *, seed: int, tries: int) -> Chem.Mol | None:
    """Return a molecule with hydrogens and a conformer; None where none is found."""
    mol = Chem.AddHs(flat)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    parameters.maxIterations = 20 * tries
    parameters.timeout = 20
    with quiet():
        if rdDistGeom.EmbedMolecule(mol, parameters) == 0:
            return mol
        parameters.useRandomCoords = True
        return mol if rdDistGeom.EmbedMolecule(mol, parameters) == 0 else None
