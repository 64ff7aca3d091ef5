"""Strained, unstable and hydrolysing motifs: a list of patterns, each with a name and an example that matches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from invdesign.domains.molecules.similarity import pattern


@dataclass(frozen=True)
class Motif:
    """A pattern that no molecule to be synthesized should have."""

    name: str
    """Name, for people."""
    smarts: str
    """SMARTS pattern."""
    example: str
    """SMILES that matches the pattern."""


SP2 = "[#6X3;!$(*=[!R])]"

MOTIFS = (
    # Chains of heteroatoms
    Motif("peroxide", "[OX2][OX2]", "COOC"),
    Motif("N-N-N chain", "[#7X3;!a;+0]-[#7;!a;+0]-[#7X3;!a;+0]", "CN(C)N(C)N(C)C"),
    Motif("triazene", "[#7X3;!a]-[NX2;!a]=[NX2;!a]", "CN(C)N=NC"),
    Motif("trisulfide chain", "[SX2][SX2][SX2]", "CSSSC"),
    Motif("heteroatom chain", "[NX3,OX2,SX2;!a;+0]-[NX3,OX2,SX2;!a;+0]-[OX2,SX2;!a]", "CON(C)OC"),
    Motif("persulfide", "[SX2][SX2H]", "CSS"),
    Motif("sulfenic acid", "[#6][SX2][OX2H]", "CSO"),
    Motif("heteroatom halide", "[NX3,OX2,SX2,PX3;!a][F,Cl,Br,I]", "CN(C)Cl"),
    Motif("N-nitroso", "[#7][NX2]=[OX1]", "CN(C)N=O"),
    Motif("nitrite ester", "[OX2][NX2]=[OX1]", "CON=O"),
    Motif("diazonium", "[#6][N+]#N", "c1ccccc1[N+]#N"),
    Motif("diazo", "[#6]=[N+]=[N-]", "CC(C)=[N+]=[N-]"),
    # Reactive with water or with themselves
    Motif("acyl halide", "[CX3](=[O,S])[F,Cl,Br,I]", "CC(=O)Cl"),
    Motif("sulfonyl halide", "[SX4](=O)(=O)[Cl,Br,I]", "CS(=O)(=O)Cl"),
    Motif("anhydride", "[CX3;!a](=O)[OX2;!a][CX3;!a](=O)", "CC(=O)OC(C)=O"),
    Motif("ketene or ketenimine", "[CX3]=[CX2]=[O,N,S]", "CC=C=O"),
    Motif("isocyanate", "[#6][NX2]=[CX2]=[OX1]", "CN=C=O"),
    Motif("cumulene", "[#6]=[CX2]=[CX2]=[#6]", "CC=C=C=CC"),
    Motif("carbamic or carbonic acid", "[OX2H][CX3](=O)[NX3,OX2,SX2]", "CN(C)C(=O)O"),
    Motif("beta-keto acid", "[OX2H][CX3](=O)[CX4;!$(C(F)F)][CX3](=O)[#6]", "CC(=O)CC(=O)O"),
    Motif("thial or thioketone", "[#6][CX3;!a;H1,$(C([#6])[#6])]=[SX1]", "CC(C)=S"),
    Motif("alpha-halo amine or ether", "[CX4]([Cl,Br,I])[NX3,OX2,SX2;!$(*-[#6,S,P]=[O,N])]", "COCCl"),
    Motif("geminal halohydrin", "[CX4]([F,Cl,Br,I])[OX2H]", "CC(O)F"),
    # Minor tautomers and hydrates
    Motif(
        "enol",
        "[OX2H][CX3;!a;!$(C([OX2H])[O,N,S])]=[CX3;!a;!$(C-[CX3]=[O,N,S]);!$(C-C#N);!$(C-[S,N,P]=,-[O-,O])]",
        "CC(O)=CC",
    ),
    Motif(
        "primary enamine",
        "[NX3H2][CX3;!a;!$(C-[CX3]=O)]=[CX3;!a;!$(C-[CX3]=[O,N,S]);!$(C-C#N);!$(C-[S,N,P]=,-[O-,O]);!$(C-a)]",
        "CC(N)=CC",
    ),
    Motif("ynol or ynamine", "[CX2]#[CX2][OX2H,NX3H2,NX3H1]", "CC#CO"),
    Motif("gem-diol", "[CX4]([OX2H])[OX2H]", "CC(O)O"),
    Motif("hemiaminal", "[CX4]([OX2H])[#7;!a;+0]", "CC(O)NC"),
    Motif("open hemiacetal", "[CX4;!R]([OX2H])[OX2][#6]", "CC(O)OC"),
    Motif("hemithioacetal", "[CX4]([OX2H])[SX2]", "CC(O)SC"),
    Motif("geminal thiol", "[CX4]([SX2H])[#7,#8,#16]", "CC(S)OC"),
    Motif("amine beside a heteroatom", "[CX4]([NX3H2;+0])[#7X3,OX2,SX2;!a;!$(*-[#6,S]=O);+0]", "CC(N)OC"),
    Motif("imine N-H", "[CX3;!a;!$(C-[#7,#8,#16])]=[NX2H1;+0]", "CC(C)=N"),
    Motif("open aliphatic imine", "[CX3;!R;!$(C-[#7,#8,#16])]=[NX2;!R;+0][CX4]", "CC=NC"),
    Motif("keto tautomer of a phenol", "[O,N]=[C;R]1[#6;!a]=[#6;!a][#6;!a]=[#6;!a][CX4;!H0]1", "O=C1C=CC=CC1"),
    # Strain and antiaromaticity
    Motif("allene in a ring", "[#6;R]=@[#6;R]=@[#6;R]", "C1CCC=C=CC1"),
    Motif("alkyne in a small ring", "[r3,r4,r5,r6,r7,r8]#@[r3,r4,r5,r6,r7,r8]", "C1CCC#CCC1"),
    Motif("cyclobutadiene", "[#6;r4]1=,:[#6;r4]~[#6;r4]=,:[#6;r4]1", "CC1=CC=C1"),
    Motif("double bond in a three-membered ring", "[r3]1=,:*~*1", "CC1=CC1"),
    Motif("double bond on a three-membered ring", "[#6;r3;!a]=[!r3]", "C=C1CC1"),
    Motif("imine in a four-membered ring", "[#7;r4]=@[r4]", "C1=NCC1"),
    Motif("bicyclobutane", "*12~*~*1~*2", "C12CC1C2"),
    Motif("two heteroatoms in a three-membered ring", "[!#6;r3]1~[!#6;r3]~*1", "C1NO1"),
    Motif("heteroatoms side by side in a four-membered ring", "[!#6;r4]@[!#6;r4]", "C1OOC1"),
    Motif("cyclopentadienone", "O=C1[#6;!a]=[#6;!a][#6;!a]=[#6;!a]1", "O=C1C=CC=C1"),
    Motif("pentalene", f"[#6X3]12~{SP2}~{SP2}~{SP2}~[#6X3]~1~{SP2}~{SP2}~{SP2}~2", "C1=CC2=CC=CC2=C1"),
    Motif("antiaromatic eight-ring", "[#6]1=[#6][#6]=[#6][#6]=[#6][#6]=[#6]1", "C1=CC=CC=CC=C1"),
    # Valence states that cannot be isolated
    Motif("hypervalent halogen", "[Cl,Br,I;X3,X4,X5,X6,X7]", "O=I(=O)c1ccccc1"),
    Motif("phosphine P-H", "[PX3;!H0;+0]", "CPC"),
    Motif("carbocation", "[#6+;!$([#6+]~[#7,#8,#16]);!a]", "C[CH+]C"),
    Motif("carbanion", "[#6-;!$([#6-]#[#7+,#8+]);!$([#6-]~[#6,#7,#16]=,#[#7,#8,#16])]", "C[CH-]C"),
)  # fmt: skip


def find_motifs(mol: Chem.Mol) -> list[str]:
    """Return the names of all motifs of a molecule.

    Radicals and bridgehead double bonds, which no pattern can express, are included.

    Args:
        mol: Sanitized molecule.
    """
    names = [motif.name for motif, query in _queries() if mol.HasSubstructMatch(query)]
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        names.append("radical")
    if _breaks_bredt(mol):
        names.append("bridgehead double bond")
    return names


@cache
def _queries() -> tuple[tuple[Motif, Chem.Mol], ...]:
    return tuple((motif, pattern(motif.smarts)) for motif in MOTIFS)


def _breaks_bredt(mol: Chem.Mol, *, max_ring_size: int = 7) -> bool:
    """Return whether a bridgehead atom has a double bond in a ring, in a bicycle of rings up to `max_ring_size`."""
    heads: list[int] = []
    if not rdMolDescriptors.CalcNumBridgeheadAtoms(mol, heads):
        return False
    rings = mol.GetRingInfo()
    for head in set(heads):
        atom = mol.GetAtomWithIdx(head)
        if max(rings.AtomRingSizes(head)) > max_ring_size:
            continue
        has_ring_double_bond = any(b.GetBondType() == Chem.BondType.DOUBLE and b.IsInRing() for b in atom.GetBonds())
        if atom.GetIsAromatic() or has_ring_double_bond:
            return True
    return False
