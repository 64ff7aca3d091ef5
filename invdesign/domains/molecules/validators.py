"""Validators and screens of molecules: each answers one named Check per design, with the detail that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, get_args

from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors, FilterCatalog, rdMolDescriptors

from invdesign.core import Check, InvdesignError
from invdesign.domains.molecules.motifs import found_motifs
from invdesign.domains.molecules.oracles import synthetic_accessibility
from invdesign.domains.molecules.similarity import pattern
from invdesign.domains.molecules.smiles import parse

Catalog = Literal["PAINS", "BRENK", "NIH"]
ORGANIC = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")


def sanitizes(designs: Sequence[str]) -> list[Check]:
    """RDKit parses and sanitizes the design (valences, aromaticity), and the caps on its size hold."""
    return _each(designs, "sanitizes", lambda mol: (True, ""))


def text_length(designs: Sequence[str], *, max: int = 200) -> list[Check]:
    """The SMILES has at most so many characters."""
    return [Check("text_length", len(design) <= max, f"{len(design)} characters, at most {max}") for design in designs]


def heavy_atoms(designs: Sequence[str], *, min: int = 6, max: int = 60) -> list[Check]:
    """The number of atoms other than hydrogen."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n = mol.GetNumHeavyAtoms()
        return min <= n <= max, f"{n} heavy atoms, allowed {min} to {max}"

    return _each(designs, "heavy_atoms", check_one)


def elements(designs: Sequence[str], *, allowed: Sequence[str] = ORGANIC) -> list[Check]:
    """Only elements of a list."""
    known = set(allowed)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        strange = sorted({atom.GetSymbol() for atom in mol.GetAtoms()} - known)
        return not strange, f"has {', '.join(strange)}" if strange else ""

    return _each(designs, "elements", check_one)


def net_charge(designs: Sequence[str], *, lowest: int = -1, highest: int = 1) -> list[Check]:
    """The formal charge of the whole molecule."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        charge = Chem.GetFormalCharge(mol)
        return lowest <= charge <= highest, f"charge {charge:+d}, allowed {lowest:+d} to {highest:+d}"

    return _each(designs, "net_charge", check_one)


def one_piece(designs: Sequence[str]) -> list[Check]:
    """One molecule, not a salt or a mixture."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n = len(Chem.GetMolFrags(mol))
        return n == 1, f"{n} pieces" if n > 1 else ""

    return _each(designs, "one_piece", check_one)


def ring_sizes(designs: Sequence[str], *, smallest: int = 3, largest: int = 8, max_rings: int = 8) -> list[Check]:
    """Sizes of the rings (smallest set), and how many there are."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        sizes = sorted(len(ring) for ring in mol.GetRingInfo().AtomRings())
        strange = [size for size in sizes if not smallest <= size <= largest]
        said = f"rings of {', '.join(map(str, strange))} atoms, allowed {smallest} to {largest}" if strange else ""
        if len(sizes) > max_rings:
            said = f"{len(sizes)} rings, at most {max_rings}; {said}".rstrip("; ")
        return not said, said

    return _each(designs, "ring_sizes", check_one)


def motifs(designs: Sequence[str], *, allowed: Sequence[str] = ()) -> list[Check]:
    """No strained or unstable motif of the list in `motifs.py`, but for those whose names are allowed."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        found = [name for name in found_motifs(mol) if name not in allowed]
        return not found, "; ".join(found)

    return _each(designs, "motifs", check_one)


def alerts(designs: Sequence[str], *, catalog: Catalog, allowed: Sequence[str] = ()) -> list[Check]:
    """No structural alert of one of RDKit's catalogs, but for those whose descriptions are allowed.

    References:
        PAINS: Baell and Holloway, J. Med. Chem. 2010, doi:10.1021/jm901137j; BRENK: Brenk et al., ChemMedChem 2008,
        doi:10.1002/cmdc.200700139; NIH: Jadhav et al., J. Med. Chem. 2010, doi:10.1021/jm901070c.
    """
    known = _catalog(catalog)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        found = sorted({match.GetDescription() for match in known.GetMatches(mol)} - set(allowed))
        return not found, "; ".join(found)

    return _each(designs, f"alerts_{catalog.lower()}", check_one)


def lipinski(designs: Sequence[str], *, violations: int = 1) -> list[Check]:
    """At most so many breaches of the rule of five: weight 500, log P 5, 5 donors, 10 acceptors (N and O).

    References:
        Lipinski et al., Adv. Drug Deliv. Rev. 1997, doi:10.1016/S0169-409X(96)00423-1.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        rules = (
            ("weight", Descriptors.MolWt(mol), 500.0),
            ("logP", Crippen.MolLogP(mol), 5.0),
            ("donors", rdMolDescriptors.CalcNumLipinskiHBD(mol), 5),
            ("acceptors", rdMolDescriptors.CalcNumLipinskiHBA(mol), 10),
        )
        broken = [f"{name} {value:.4g} > {most:g}" for name, value, most in rules if value > most]
        return len(broken) <= violations, "; ".join(broken)

    return _each(designs, "lipinski", check_one)


def veber(designs: Sequence[str], *, max_rotatable: int = 10, max_tpsa: float = 140.0) -> list[Check]:
    """Rotatable bonds and polar surface area (square angstrom) of orally available molecules.

    References:
        Veber et al., J. Med. Chem. 2002, doi:10.1021/jm020017n.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        bonds, area = rdMolDescriptors.CalcNumRotatableBonds(mol), rdMolDescriptors.CalcTPSA(mol)
        broken = [f"{bonds} rotatable bonds > {max_rotatable}"] if bonds > max_rotatable else []
        broken += [f"TPSA {area:.1f} > {max_tpsa:g}"] if area > max_tpsa else []
        return not broken, "; ".join(broken)

    return _each(designs, "veber", check_one)


def accessibility(designs: Sequence[str], *, max: float = 5.0) -> list[Check]:
    """The synthetic accessibility score (1 easy, 10 hard) is at most a threshold; see `oracles.sa_score`."""
    score = synthetic_accessibility()

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        value = score(mol)
        return value <= max, f"SA {value:.2f}, at most {max:g}"

    return _each(designs, "accessibility", check_one)


def stereo_complete(designs: Sequence[str], *, max_open: int = 0) -> list[Check]:
    """Every stereocentre and stereo bond is specified, but for so many: what a chemist must know to order it."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        found = Chem.FindPotentialStereo(mol)
        kinds = Counter("bond" if "Bond" in str(s.type) else "centre" for s in found if not _is_specified(s))
        said = ", ".join(f"{n} open stereo {kind}{'s' * (n > 1)}" for kind, n in sorted(kinds.items()))
        return kinds.total() <= max_open, said

    return _each(designs, "stereo_complete", check_one)


def has_smarts(designs: Sequence[str], *, smarts: str, name: str = "has_smarts", min: int = 1) -> list[Check]:
    """A required pattern occurs at least so often."""
    query = pattern(smarts)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n = len(mol.GetSubstructMatches(query))
        return n >= min, f"{n} times {smarts}, at least {min}"

    return _each(designs, name, check_one)


def lacks_smarts(designs: Sequence[str], *, smarts: str, name: str = "lacks_smarts") -> list[Check]:
    """A forbidden pattern does not occur."""
    query = pattern(smarts)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        found = mol.HasSubstructMatch(query)
        return not found, f"has {smarts}" if found else ""

    return _each(designs, name, check_one)


def _each(designs: Sequence[str], name: str, check_one: Callable[[Chem.Mol], tuple[bool, str]]) -> list[Check]:
    """One check per design; what cannot be parsed fails with the parser's reason."""
    checks = []
    for design in designs:
        mol, reason = parse(design)
        passed, detail = (False, reason) if mol is None else check_one(mol)
        checks.append(Check(name, bool(passed), detail))
    return checks


def _is_specified(stereo: Chem.StereoInfo) -> bool:
    return stereo.specified == Chem.StereoSpecified.Specified


@cache
def _catalog(catalog: Catalog) -> FilterCatalog.FilterCatalog:
    if catalog not in get_args(Catalog):
        raise InvdesignError(f"alert catalog: expected one of {', '.join(get_args(Catalog))}, got {catalog!r}")
    chosen = FilterCatalog.FilterCatalogParams()
    chosen.AddCatalog(getattr(FilterCatalog.FilterCatalogParams.FilterCatalogs, catalog))
    return FilterCatalog.FilterCatalog(chosen)
