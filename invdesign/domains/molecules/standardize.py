"""Identity of compounds: the parent of a salt, its neutral form, and one key for its tautomers."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolHash
from rdkit.Chem.MolStandardize import rdMolStandardize

from invdesign.domains.molecules.smiles import NONMETALS, molecule, parse

NORMAL_FORMS = """// Name SMIRKS
Azide\t[*:1][N-:2][N+:3]#[N:4]>>[*:1][N+0:2]=[N+:3]=[N-:4]
Sulfoxide\t[#6:1][S+;X3:2]([O-:3])[#6:4]>>[*:1][S+0:2](=[O-0:3])[*:4]
Phosphine oxide\t[P+;X4:1][O-:2]>>[P+0:1]=[O-0:2]
"""
"""Groups that are drawn with charges or without them, in the form that has none where both are usual."""
N_INORGANIC = 1
"""Tier of inorganic ions."""


@dataclass(frozen=True)
class Standardized:
    """A compound in its standard form."""

    design: str
    """Canonical SMILES of the parent in its neutral form; a mixture keeps its components."""
    left_out: tuple[str, ...] = ()
    """Names of the counter-ions and solvents that were removed."""
    is_neutralized: bool = False
    """Whether protons were added or removed."""

    @property
    def changes(self) -> str:
        """What was changed, in words; empty where nothing was."""
        salt = f"{', '.join(self.left_out)} left out (salt or solvate)" if self.left_out else ""
        return "; ".join(filter(None, [salt, "neutral form taken" if self.is_neutralized else ""]))


def standardize(mol: Chem.Mol, *, keep_salts: bool = False, keep_charges: bool = False) -> Standardized:
    """Return the parent of a compound in its neutral form.

    Fragments are compared with a list of solvents and counter-ions (`counter_ions.csv`), not by size. They are removed
    in the order water, inorganic ions, solvents, strong acids, carboxylic acids, bases, as long as another fragment
    remains: of ethanolamine tosylate ethanolamine remains, of sodium acetate acetic acid. An inorganic salt and a
    compound of a metal that is no listed counter-ion stay as they are. The tautomer stays as drawn; `identity_key` is
    the same for all of them.

    Args:
        mol: Sanitized molecule.
        keep_salts: Keep all fragments.
        keep_charges: Keep the charges.

    References:
        Bento et al., J. Cheminform. 2020, doi:10.1186/s13321-020-00456-1 (the ChEMBL structure pipeline).

    Example:
        >>> standardize(molecule("NCCO.Cc1ccc(S(=O)(=O)O)cc1"))
        Standardized(design='NCCO', left_out=('tosylate',), is_neutralized=False)
        >>> standardize(molecule("CC(=O)[O-].[Na+]")).design
        'CC(=O)O'
    """
    given: str = Chem.MolToSmiles(mol)
    with rdBase.BlockLogs():
        found = (mol, ()) if keep_salts else _parent(mol)
        if found is None:
            return Standardized(given)
        parent, left_out = found
        normal = _normalizer().normalize(parent) if "+" in given else parent
        neutral = normal if keep_charges else _neutralize(normal)
        design = Chem.MolToSmiles(neutral)
    if molecule(design) is None:
        return Standardized(given)
    had_charges = Chem.GetFormalCharge(parent) != Chem.GetFormalCharge(neutral) or design.count("+") < given.count("+")
    return Standardized(design, left_out, is_neutralized=had_charges and design != Chem.MolToSmiles(parent))


def neutralize(mol: Chem.Mol) -> Chem.Mol:
    """Return a molecule without the charges that protons can neutralize; zwitterions too.

    Example:
        >>> Chem.MolToSmiles(neutralize(molecule("[NH3+]CC(=O)[O-]")))
        'NCC(=O)O'
    """
    if not any(atom.GetFormalCharge() for atom in mol.GetAtoms()):
        return mol
    with rdBase.BlockLogs():
        return _neutralize(mol)


@lru_cache(maxsize=100_000)
def identity_key(design: str) -> str:
    """Return one key for the salts, charge states and tautomers of a compound; stereoisomers have different keys.

    The key is a checksum of RDKit's tautomer hash of the neutral parent, and of its stereocentres, which that hash
    leaves open where a tautomer could change them.

    Args:
        design: SMILES.

    Returns:
        The key; the text itself where it is no molecule.

    Example:
        >>> identity_key("Oc1ccccn1") == identity_key("O=c1cccc[nH]1")
        True
        >>> identity_key("C[C@H](F)C(C)=O") == identity_key("C[C@@H](F)C(C)=O")
        False
    """
    mol = molecule(design)
    if mol is None:
        return design
    neutral = molecule(standardize(mol).design)
    if neutral is None:
        return design
    with rdBase.BlockLogs():
        text = rdMolHash.MolHash(Chem.Mol(neutral), rdMolHash.HashFunction.HetAtomTautomerv2)
    return hashlib.sha256(f"{text} {_stereo_layer(neutral)}".encode()).hexdigest()[:27]


def _parent(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]] | None:
    """Return the fragments that are no counter-ions or solvents, each once, and the names of the others.

    None for an inorganic salt and a compound of a metal, which stay as they are.
    """
    has_metal = _is_metallic(mol)
    if not has_metal and len(Chem.GetMolFrags(mol)) < 2:
        return mol, ()
    divided = _divide_alkali(mol) if has_metal else mol
    fragments = list(Chem.GetMolFrags(divided, asMols=True))
    listed = _counter_ions()
    found = [listed.get(_flat(fragment)) for fragment in fragments]
    if any(entry is None and _is_metallic(fragment) for entry, fragment in zip(found, fragments, strict=True)):
        return None
    tiers = [-1 if entry is None else entry[0] for entry in found]
    kept = list(range(len(fragments)))
    for tier in sorted({tier for tier in tiers if tier >= 0}):
        others = [i for i in kept if tiers[i] != tier]
        kept = others or kept
    if all(tiers[i] == N_INORGANIC for i in kept):
        return None
    names = [entry[1] for i, entry in enumerate(found) if entry is not None and i not in kept]
    different = {Chem.MolToSmiles(_neutralize(fragments[i])): fragments[i] for i in kept}
    parent, *more = different.values()
    for other in more:
        parent = Chem.CombineMols(parent, other)
    Chem.SanitizeMol(parent)
    return parent, tuple(dict.fromkeys(names))


def _divide_alkali(mol: Chem.Mol) -> Chem.Mol:
    """Return a molecule whose bonds of an alkali metal to O, N or S are drawn as ions."""
    matches = mol.GetSubstructMatches(_alkali_bond())
    if not matches:
        return mol
    divided = Chem.RWMol(mol)
    for metal, other in matches:
        divided.RemoveBond(metal, other)
        divided.GetAtomWithIdx(metal).SetFormalCharge(1)
        divided.GetAtomWithIdx(other).SetFormalCharge(-1)
    return divided.GetMol() if Chem.SanitizeMol(divided, catchErrors=True) == Chem.SANITIZE_NONE else mol


def _neutralize(mol: Chem.Mol) -> Chem.Mol:
    neutral = rdMolStandardize.Uncharger(True).uncharge(mol)
    if Chem.SanitizeMol(neutral, catchErrors=True) != Chem.SANITIZE_NONE:
        return mol  # An ion such as PF6- takes no proton.
    Chem.AssignStereochemistry(neutral, cleanIt=True, force=True)
    return neutral


@cache
def _normalizer() -> rdMolStandardize.Normalizer:
    return rdMolStandardize.NormalizerFromData(NORMAL_FORMS, rdMolStandardize.CleanupParameters())


@cache
def _alkali_bond() -> Chem.Mol:
    return Chem.MolFromSmarts("[Li,Na,K,Rb,Cs;+0;D1]-[#7,#8,#16;+0]")


def _is_metallic(mol: Chem.Mol) -> bool:
    return any(atom.GetAtomicNum() not in NONMETALS for atom in mol.GetAtoms())


@cache
def _counter_ions() -> Mapping[str, tuple[int, str]]:
    """Return tier and name of each solvent and counter-ion by its neutral SMILES without stereo."""
    text = (files("invdesign.domains.molecules") / "counter_ions.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    found: dict[str, tuple[int, str]] = {}
    for row in rows:
        mol = parse(row["smiles"])[0]
        if mol is not None:
            found.setdefault(_flat(mol), (int(row["tier"]), row["name"]))
    return found


def _flat(mol: Chem.Mol) -> str:
    """Return the neutral SMILES of a fragment without stereo."""
    with rdBase.BlockLogs():
        smiles: str = Chem.MolToSmiles(_neutralize(mol), isomericSmiles=False)
    return smiles


def _stereo_layer(mol: Chem.Mol) -> str:
    """Return the stereo descriptors of centres and double bonds, by ranks that are the same for all tautomers."""
    skeleton = Chem.RWMol(mol)
    for atom in skeleton.GetAtoms():
        atom.SetFormalCharge(0)
        atom.SetIsAromatic(False)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond in skeleton.GetBonds():
        bond.SetIsAromatic(False)
        bond.SetStereo(Chem.BondStereo.STEREONONE)
        bond.SetBondType(Chem.BondType.SINGLE)
    ranks: Sequence[int] = Chem.CanonicalRankAtoms(skeleton, breakTies=False)
    centres = [
        f"{ranks[atom.GetIdx()]}{atom.GetProp('_CIPCode')}" for atom in mol.GetAtoms() if atom.HasProp("_CIPCode")
    ]
    bonds = [
        f"{sorted((ranks[bond.GetBeginAtomIdx()], ranks[bond.GetEndAtomIdx()]))}{bond.GetStereo()}"
        for bond in mol.GetBonds()
        if bond.GetStereo() > Chem.BondStereo.STEREOANY
    ]
    return " ".join([*sorted(centres), *sorted(bonds)])
