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
NO_ACCEPTOR = "!$(C-[CX3]=[O,N,S]);!$(C-C#N);!$(C-[S,N,P]=,-[O-,O]);!$(C-C=C-C=O);!$(C-C(F)(F)F)"
"""Conditions on the far atom of a double bond that no electron-withdrawing group stabilizes."""
AMINE = "NX3;!a;+0;!$(N-[#6,#16,#15]=[O,N,S]);!$(N-C#N);!$(N-[N+]);!$(N-N=*)"
"""Conditions on the nitrogen of an amine, not of an amide, amidine, sulfonamide or aromatic ring."""
CARBON_METHIDE = "CX3;!a;!$(C-a);!$(C-[#7,#8,#16]);!$(C-C#N);!$(C-[CX3]=[O,N])"
"""Conditions on an exocyclic carbon that no aromatic ring, donor or acceptor stabilizes."""
METHYLIDENE = "[CX3;!R;!$(C-a);!$(C-[CX3]=O)]=[C;R]"
"""Double bond out of a ring, not to a benzylidene or acylmethylidene carbon."""
PAIR = "[#6,#7;!a]=[#6,#7;!a]"
"""Double bond of carbon and nitrogen atoms that are not aromatic."""

MIN_BRIDGE = {2: 7, 3: 8}
"""Atoms of the shortest bridge over an arene by the number of bonds between its ends: 2 (meta), 3 (para)."""

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
    Motif("cumulene", "[#6,#7,#8,#16]=[CX2]=[CX2]", "CC=C=C=CC"),
    Motif("carbamic or carbonic acid", "[OX2H][CX3](=O)[NX3,OX2,SX2]", "CN(C)C(=O)O"),
    Motif("beta-keto acid", "[OX2H][CX3](=O)[CX4;!$(C(F)F)][CX3](=O)[#6]", "CC(=O)CC(=O)O"),
    Motif("thial or thioketone", "[#6][CX3;!a;H1,$(C([#6])[#6])]=[SX1]", "CC(C)=S"),
    Motif("alpha-halo amine or ether", "[CX4]([Cl,Br,I])[NX3,OX2,SX2;!$(*-[#6,S,P]=[O,N])]", "COCCl"),
    Motif("geminal halohydrin", "[CX4]([F,Cl,Br,I])[OX2H]", "CC(O)F"),
    # Minor tautomers and hydrates
    Motif(
        "enol",
        "[OX2H][CX3;!a;!$(C([OX2H])[O,N,S]);!$(C-[CX3]=O)]=[CX3;!a;!$(C-[CX3]=[O,N,S]);!$(C-C#N);!$(C-[S,N,P]=,-[O-,O])]",
        "CC(O)=CC",
    ),
    Motif(
        "primary enamine",
        "[NX3H2][CX3;!a;!$(C-[CX3]=O)]=[CX3;!a;!$(C-[CX3]=[O,N,S]);!$(C-C#N);!$(C-[S,N,P]=,-[O-,O]);!$(C-a)]",
        "CC(N)=CC",
    ),
    Motif("ynol or ynamine", "[CX2]#[CX2][OX2H,NX3H2,NX3H1]", "CC#CO"),
    Motif("gem-diol", "[CX4]([OX2H])[OX2H]", "CC(O)O"),
    Motif("hemiaminal", "[CX4]([OX2H])[NX3;!a;+0;!$(N-C=[O,N,S]);!$(N-S=O)]", "CC(O)NC"),
    Motif("open N-acyl hemiaminal", "[CX4;!R]([OX2H])[NX3;!a;+0]", "CC(O)NC(C)=O"),
    Motif("cyanohydrin", "[CX4]([OX2H])C#N", "CC(C)(O)C#N"),
    Motif("thioenol", f"[SX2H][CX3;!a;!$(C=[O,N,S])]=[CX3;!a;{NO_ACCEPTOR}]", "CC(S)=CC"),
    Motif("N-vinyl amine", f"[{AMINE}]-[CX3;!a]=[CX3;!a;{NO_ACCEPTOR}]", "CN(C)C=CC"),
    Motif("open aminal", f"[{AMINE}]-[CX4;!R]-[{AMINE}]", "CN(C)CN(C)C"),
    Motif("open N,O-acetal", f"[{AMINE}]-[CX4;!R]-[OX2,SX2;!a]", "CN(C)COC"),
    Motif("amine at an acetal carbon", f"[{AMINE};!R]-[CX4;R]-[OX2,SX2,NX3;R;!a;!$(*-[#6]=[O,N,S])]", "CN(C)C1CCCCO1"),
    Motif("open orthoester", "[CX4;!R]([OX2,NX3;!a])([OX2,NX3;!a])[OX2,NX3;!a]", "COC(OC)OC"),
    Motif("open hemiacetal", "[CX4;!R]([OX2H])[OX2][#6]", "CC(O)OC"),
    Motif("hemithioacetal", "[CX4]([OX2H])[SX2]", "CC(O)SC"),
    Motif("geminal thiol", "[CX4]([SX2H])[#7,#8,#16]", "CC(S)OC"),
    Motif("amine beside a heteroatom", "[CX4]([NX3H2;+0])[#7X3,OX2,SX2;!a;!$(*-[#6,S]=O);+0]", "CC(N)OC"),
    Motif("imine N-H", "[CX3;!a;!$(C-[#7,#8,#16])]=[NX2H1;+0]", "CC(C)=N"),
    Motif("open aliphatic imine", "[CX3;!R;!$(C-[#7,#8,#16])]=[NX2;!R;+0][CX4]", "CC=NC"),
    # Isomers that become aromatic by the shift of a hydrogen
    Motif(
        "keto tautomer of a phenol", "[O,N,S]=[C;R]1[#6,#7;!a]=[#6,#7;!a][#6;!a]=[#6,#7;!a][CX4;!H0]1", "O=C1C=CC=CC1"
    ),
    Motif("para keto tautomer of a phenol", "[O,N,S]=[C;R]1[#6;!a]=[#6;!a][CX4;!H0][#6;!a]=[#6;!a]1", "O=C1C=CCC=C1"),
    Motif("methylene cyclohexadiene", f"[CX3;!R]=[C;R]1{PAIR}{PAIR}[CX4;!H0]1", "C=C1C=CC=CC1"),
    Motif("para methylene cyclohexadiene", f"[CX3;!R]=[C;R]1{PAIR}[CX4;!H0]{PAIR}1", "C=C1C=CCC=C1"),
    Motif(
        "ortho quinone methide or xylylene",
        f"[{CARBON_METHIDE}]=[#6;R]1[#6](=*)[#6]=,:[#6][#6]=,:[#6]1",
        "C=C1C=CC=CC1=C",
    ),
    Motif(
        "para quinone methide or xylylene",
        f"[{CARBON_METHIDE}]=[C;R]1[#6]=,:[#6]C(=*)[#6]=,:[#6]1",
        "C=C1C=CC(=O)C=C1",
    ),
    Motif("methide of an aromatic ring", f"[{CARBON_METHIDE}]=[c]", "C=c1cccc/c1=C/C"),
    Motif("fulvene", f"[{CARBON_METHIDE};!R]=[C;R]1[#6;!a]=[#6;!a][#6;!a]=[#6;!a]1", "CC=C1C=CC=C1"),
    Motif("methylene dihydrofuran or -pyrrole", f"{METHYLIDENE}1[#6;!a]=[#6;!a][O,S,N;!a][CX4;!H0]1", "C=C1COC=C1"),
    Motif("methylene dihydrofuran or -pyrrole (2)", f"{METHYLIDENE}1[#6;!a]=[#6;!a][CX4;!H0][O,S,N;!a]1", "C=C1C=CCO1"),
    Motif("methylene dihydrofuran or -pyrrole (3)", f"{METHYLIDENE}1[CX4;!H0][#6;!a]=[#6;!a][O,S,N;!a]1", "C=C1CC=CO1"),
    Motif("cyclopentadiene or 2H-azole", "[CX4;!H0]1[#6,#7;!a]=[#6,#7;!a][#6,#7;!a]=[#6,#7;!a]1", "C1C=CC=C1"),
    Motif("2H-azole", "[CX4;!H0]1[#7]=[#6;!a][#6;!a]=[#7]1", "C1N=CC=N1"),
    Motif("3H-indole", "[CX4;!H0]1[#6,#7;!a]=[#7X2]c2ccccc12", "C1C=Nc2ccccc12"),
    Motif("isobenzofuran", "[cH]1[o,s][cH]c2ccccc12", "c1occ2ccccc12"),
    # Chains of double and triple bonds
    Motif("polyene", "[CX3;!R;!a]=[CX3;!R;!a]-[CX3;!R;!a]=[CX3;!a]-[CX3;!a]=[CX3;!a]", "CC=CC=CC=CC"),
    Motif("polyene with a ring", "[CX3;!a]=[CX3;!a]-[CX3;!R;!a]=[CX3;!a]-[CX3;!a]=[CX3;!R;!a]", "C1CCCC1=CC=CC=CC"),
    Motif("polyyne", "[CX2]#[CX2][CX2]#[CX2][CX2]#[CX2]", "CC#CC#CC#CC"),
    Motif("allene", "[CX3]=[CX2]=[CX3]", "CC=C=CC"),
    Motif("carbodiimide", "[NX2]=[CX2]=[NX2]", "CN=C=NC"),
    # Strain and antiaromaticity
    Motif("allene in a ring", "[#6;R]=@[#6;R]=@[#6;R]", "C1CCC=C=CC1"),
    Motif("alkyne in a small ring", "[r3,r4,r5,r6,r7,r8]#@[r3,r4,r5,r6,r7,r8]", "C1CCC#CCC1"),
    Motif("cyclobutadiene", "[#6;r4;!$(*=O)]1=,:[#6;r4;!$(*=O)]~[#6;r4;!$(*=O)]=,:[#6;r4;!$(*=O)]1", "CC1=CC=C1"),
    Motif("double bond in a three-membered ring", "[r3]1=,:*~*1", "CC1=CC1"),
    Motif("double bond on a three-membered ring", "[#6;r3;!a]=[!r3]", "C=C1CC1"),
    Motif("imine in a four-membered ring", "[#7;r4]=@[r4]", "C1=NCC1"),
    Motif("bicyclobutane", "*12~*~*1~*2", "C12CC1C2"),
    Motif("two heteroatoms in a three-membered ring", "[!#6;r3]1~[!#6;r3]~*1", "C1NO1"),
    Motif("heteroatoms side by side in a four-membered ring", "[!#6;r4]@[!#6;r4]", "C1OOC1"),
    Motif("cyclopentadienone", "O=C1[#6;!a]=[#6;!a][#6;!a]=[#6;!a]1", "O=C1C=CC=C1"),
    Motif("pentalene", f"[#6X3]12~{SP2}~{SP2}~{SP2}~[#6X3]~1~{SP2}~{SP2}~{SP2}~2", "C1=CC2=CC=CC2=C1"),
    Motif("antiaromatic eight-ring", "[#6]1=[#6][#6]=[#6][#6]=[#6][#6]=[#6]1", "C1=CC=CC=CC=C1"),
    Motif("linear atom in a small ring", "[$([CX2;!a;v4]),$([#7X2+;!a]);r3,r4,r5,r6,r7,r8]", "C1CC=[N+]=CC1"),
    Motif("three-membered ring on an aromatic ring", "[a;r3]", "c1ccc2c(c1)C2"),
    Motif("bicyclo[2.1.0]pentane", "*12**1**2", "C1CC2CC12"),
    Motif("heteroatom in an unsaturated four-membered ring", "[#7,#8,#16;r4]@[#6;r4]=@[#6;r4]", "C1OC=C1"),
    Motif(
        "heteroatom on an epoxide or aziridine",
        "[O,N,S;r3]1[#6;r3][#6;r3]1-[#7,#8,#16,F,Cl,Br,I;!r3]",
        "COC1CO1",
    ),
    # Valence states that cannot be isolated
    Motif("alkoxide or thiolate", "[O-,S-;X1][CX4;!$(C[N+])]", "CC[O-]"),
    Motif("enolate", f"[O-,S-;X1][CX3;!a;!$(C=[O,N,S])]=[CX3;!a;{NO_ACCEPTOR}]", "CC([O-])=CC"),
    Motif("amide anion", "[NX2-;!a]([CX4,c,#1])[CX4,c,#1]", "C[N-]C"),
    Motif("oxonium or sulfonium hydride", "[#8X3+;!a]", "C[OH+]C"),
    Motif("oxocarbenium", "[#8X2+,#16X2+;!a]", "CC=[O+]C"),
    Motif("open iminium", "[CX3;!R;!a;!$(C-[#7,#8,#16]);!$(C-[#6]=,:*)]=[NX3+;!$(N-[O-])]", "CC=[N+](C)C"),
    Motif("S(IV) or S(VI) hydride", "[#16;v4,v5,v6;!H0]", "C[SH](C)C"),
    Motif("sulfurane", "[#16;X4;v4]", "CS(C)(C)C"),
    Motif("sulfur cumulene", "[#16X2;v4;!a](=*)=*", "CN=S=NC"),
    Motif("S(IV) ylide or thiabenzene", "[#16X3;v4;+0]=,:[#6]", "C=S(C)C"),
    Motif("phosphorane", "[#15;X5]", "CP(C)(C)(C)C"),
    Motif("hypervalent halogen", "[Cl,Br,I;X3,X4,X5,X6,X7]", "O=I(=O)c1ccccc1"),
    Motif("phosphine P-H", "[PX3;!H0;+0]", "CPC"),
    Motif("carbocation", "[#6+;!$([#6+]~[#7,#8,#16]);!a]", "C[CH+]C"),
    Motif("carbanion", "[#6-;!$([#6-]#[#7+,#8+]);!$([#6-]~[#6,#7,#16]=,#[#7,#8,#16])]", "C[CH-]C"),
)


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
    if _has_bridged_arene(mol):
        names.append("bridged arene")
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


def _has_bridged_arene(mol: Chem.Mol) -> bool:
    """Return whether a chain that is too short bridges atoms of an aromatic ring that are not neighbours.

    A planar fused ring shares one bond with the aromatic ring; a bridge in meta position shares two, in para position
    three. The shortest bridges that leave the arene nearly flat have `MIN_BRIDGE` atoms.

    References:
        Tobe, Strained [n]cyclophanes, Top. Curr. Chem. 1994, 172, 1.
    """
    rings = mol.GetRingInfo().BondRings()
    arenes = [set(ring) for ring in rings if all(mol.GetBondWithIdx(i).GetIsAromatic() for i in ring)]
    for arene in arenes:
        for ring in map(set, rings):
            n_shared = len(arene & ring)
            # A ring of `size` bonds shares `n_shared + 1` atoms with the arene.
            if ring != arene and len(ring) - n_shared - 1 < MIN_BRIDGE.get(n_shared, 0):
                return True
    return False
