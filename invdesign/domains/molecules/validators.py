"""Validators and screens of molecules: each returns one named `Check` per design, with a detail that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Literal, get_args

from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors, FilterCatalog, rdMolDescriptors

from invdesign.core import Check, InvdesignError, Validator
from invdesign.domains.molecules.motifs import find_motifs
from invdesign.domains.molecules.oracles import synthetic_accessibility
from invdesign.domains.molecules.similarity import pattern
from invdesign.domains.molecules.smiles import parse

Catalog = Literal["PAINS", "BRENK", "NIH"]
"""Catalog of structural alerts in RDKit."""
ORGANIC = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")


def sanitizes(designs: Sequence[str]) -> list[Check]:
    """Check that RDKit parses and sanitizes the design (valences, aromaticity), within limits on its size."""
    return _check_each(designs, "sanitizes", lambda mol: (True, ""))


def text_length(designs: Sequence[str], *, max: int = 200) -> list[Check]:
    """Check that the SMILES has at most `max` characters.

    Args:
        designs: `n` SMILES.
        max: Largest number of characters.
    """
    return [Check("text_length", len(design) <= max, f"{len(design)} characters, at most {max}") for design in designs]


def heavy_atoms(designs: Sequence[str], *, min: int = 6, max: int = 60) -> list[Check]:
    """Check the number of atoms other than hydrogen.

    Args:
        designs: `n` SMILES.
        min: Smallest number of heavy atoms.
        max: Largest number of heavy atoms.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n = mol.GetNumHeavyAtoms()
        return min <= n <= max, f"{n} heavy atoms, allowed {min} to {max}"

    return _check_each(designs, "heavy_atoms", check_one)


def elements(designs: Sequence[str], *, allowed: Sequence[str] = ORGANIC) -> list[Check]:
    """Check that all elements are in a list.

    Args:
        designs: `n` SMILES.
        allowed: Symbols of the allowed elements.
    """
    allowed_symbols = set(allowed)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        others = sorted({atom.GetSymbol() for atom in mol.GetAtoms()} - allowed_symbols)
        return not others, f"has {', '.join(others)}" if others else ""

    return _check_each(designs, "elements", check_one)


def net_charge(designs: Sequence[str], *, lowest: int = -1, highest: int = 1) -> list[Check]:
    """Check the formal charge of the whole molecule.

    Args:
        designs: `n` SMILES.
        lowest: Smallest allowed charge.
        highest: Largest allowed charge.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        charge = Chem.GetFormalCharge(mol)
        return lowest <= charge <= highest, f"charge {charge:+d}, allowed {lowest:+d} to {highest:+d}"

    return _check_each(designs, "net_charge", check_one)


def one_piece(designs: Sequence[str]) -> list[Check]:
    """Check that the design is one molecule, not a salt or a mixture."""

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n = len(Chem.GetMolFrags(mol))
        return n == 1, f"{n} fragments" if n > 1 else ""

    return _check_each(designs, "one_piece", check_one)


def ring_sizes(designs: Sequence[str], *, smallest: int = 3, largest: int = 8, max_rings: int = 8) -> list[Check]:
    """Check the sizes and the number of the rings (smallest set).

    Args:
        designs: `n` SMILES.
        smallest: Smallest allowed ring size.
        largest: Largest allowed ring size.
        max_rings: Largest number of rings.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        sizes = sorted(len(ring) for ring in mol.GetRingInfo().AtomRings())
        outside = [size for size in sizes if not smallest <= size <= largest]
        problems = []
        if len(sizes) > max_rings:
            problems.append(f"{len(sizes)} rings, at most {max_rings}")
        if outside:
            problems.append(f"rings of {', '.join(map(str, outside))} atoms, allowed {smallest} to {largest}")
        return not problems, "; ".join(problems)

    return _check_each(designs, "ring_sizes", check_one)


def motifs(designs: Sequence[str], *, allowed: Sequence[str] = ()) -> list[Check]:
    """Check that the design has no strained or unstable motif of `motifs.MOTIFS`.

    Args:
        designs: `n` SMILES.
        allowed: Names of motifs that are allowed.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        found = [name for name in find_motifs(mol) if name not in allowed]
        return not found, "; ".join(found)

    return _check_each(designs, "motifs", check_one)


def alerts(designs: Sequence[str], *, catalog: Catalog, allowed: Sequence[str] = ()) -> list[Check]:
    """Check that the design has no structural alert of one of RDKit's catalogs.

    Args:
        designs: `n` SMILES.
        catalog: `"PAINS"`, `"BRENK"` or `"NIH"`.
        allowed: Descriptions of alerts that are allowed.

    Raises:
        InvdesignError: The catalog is unknown.

    References:
        PAINS: Baell and Holloway, J. Med. Chem. 2010, doi:10.1021/jm901137j; BRENK: Brenk et al., ChemMedChem 2008,
        doi:10.1002/cmdc.200700139; NIH: Jadhav et al., J. Med. Chem. 2010, doi:10.1021/jm901070c.
    """
    alert_catalog = _load_catalog(catalog)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        found = sorted({match.GetDescription() for match in alert_catalog.GetMatches(mol)} - set(allowed))
        return not found, "; ".join(found)

    return _check_each(designs, f"alerts_{catalog.lower()}", check_one)


def lipinski(designs: Sequence[str], *, violations: int = 1) -> list[Check]:
    """Check the rule of five: weight 500 [g/mol], log P 5, 5 hydrogen-bond donors, 10 acceptors (N and O).

    Args:
        designs: `n` SMILES.
        violations: Largest number of violated limits.

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
        violated = [f"{name} {value:.4g} > {limit:g}" for name, value, limit in rules if value > limit]
        return len(violated) <= violations, "; ".join(violated)

    return _check_each(designs, "lipinski", check_one)


def veber(designs: Sequence[str], *, max_rotatable: int = 10, max_tpsa: float = 140.0) -> list[Check]:
    """Check Veber's limits for oral availability: rotatable bonds and polar surface area.

    Args:
        designs: `n` SMILES.
        max_rotatable: Largest number of rotatable bonds.
        max_tpsa: Largest topological polar surface area [angstrom^2].

    References:
        Veber et al., J. Med. Chem. 2002, doi:10.1021/jm020017n.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n_bonds = rdMolDescriptors.CalcNumRotatableBonds(mol)
        area = rdMolDescriptors.CalcTPSA(mol)
        violated = []
        if n_bonds > max_rotatable:
            violated.append(f"{n_bonds} rotatable bonds > {max_rotatable}")
        if area > max_tpsa:
            violated.append(f"TPSA {area:.1f} > {max_tpsa:g}")
        return not violated, "; ".join(violated)

    return _check_each(designs, "veber", check_one)


def accessibility(designs: Sequence[str], *, max: float = 5.0) -> list[Check]:
    """Check that the synthetic accessibility score (1 easy, 10 hard) is at most a threshold; see `oracles.sa_score`.

    Args:
        designs: `n` SMILES.
        max: Largest score.
    """
    score = synthetic_accessibility()

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        value = score(mol)
        return value <= max, f"SA {value:.2f}, at most {max:g}"

    return _check_each(designs, "accessibility", check_one)


def stereo_complete(designs: Sequence[str], *, max_open: int = 0) -> list[Check]:
    """Check that stereocentres and stereo bonds are specified, as an order of the molecule needs.

    Args:
        designs: `n` SMILES.
        max_open: Largest number of unspecified stereocentres and stereo bonds.
    """

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        unspecified = [stereo for stereo in Chem.FindPotentialStereo(mol) if not _is_specified(stereo)]
        kinds = Counter("bond" if "Bond" in str(stereo.type) else "centre" for stereo in unspecified)
        counts = [f"{n} open stereo {kind}{'s' if n > 1 else ''}" for kind, n in sorted(kinds.items())]
        return kinds.total() <= max_open, ", ".join(counts)

    return _check_each(designs, "stereo_complete", check_one)


def has_smarts(designs: Sequence[str], *, smarts: str, name: str = "has_smarts", min: int = 1) -> list[Check]:
    """Check that a required pattern occurs at least `min` times.

    Args:
        designs: `n` SMILES.
        smarts: The pattern.
        name: Name of the check.
        min: Smallest number of matches.

    Raises:
        InvdesignError: The pattern is not a SMARTS.
    """
    query = pattern(smarts)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        n = len(mol.GetSubstructMatches(query))
        return n >= min, f"{n} times {smarts}, expected at least {min}"

    return _check_each(designs, name, check_one)


def lacks_smarts(designs: Sequence[str], *, smarts: str, name: str = "lacks_smarts") -> list[Check]:
    """Check that a forbidden pattern does not occur.

    Args:
        designs: `n` SMILES.
        smarts: The pattern.
        name: Name of the check.

    Raises:
        InvdesignError: The pattern is not a SMARTS.
    """
    query = pattern(smarts)

    def check_one(mol: Chem.Mol) -> tuple[bool, str]:
        has_match = mol.HasSubstructMatch(query)
        return not has_match, f"has {smarts}" if has_match else ""

    return _check_each(designs, name, check_one)


def _check_each(designs: Sequence[str], name: str, check_one: Callable[[Chem.Mol], tuple[bool, str]]) -> list[Check]:
    """Return one check per design; a design that cannot be parsed fails with the reason of the parser."""
    checks = []
    for design in designs:
        mol, reason = parse(design)
        passed, detail = (False, reason) if mol is None else check_one(mol)
        checks.append(Check(name, bool(passed), detail))
    return checks


def _is_specified(stereo: Chem.StereoInfo) -> bool:
    return bool(stereo.specified == Chem.StereoSpecified.Specified)


@cache
def _load_catalog(catalog: Catalog) -> FilterCatalog.FilterCatalog:
    if catalog not in get_args(Catalog):
        raise InvdesignError(
            f"alerts: expected one of the catalogs {', '.join(get_args(Catalog))}, got {catalog!r}. Correct the catalog"
        )
    parameters = FilterCatalog.FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalog.FilterCatalogParams.FilterCatalogs, catalog))
    return FilterCatalog.FilterCatalog(parameters)


DRUGLIKE: tuple[Validator, ...] = (
    sanitizes,
    text_length,
    heavy_atoms,
    elements,
    net_charge,
    one_piece,
    ring_sizes,
    motifs,
    lipinski,
    veber,
    partial(alerts, catalog="BRENK"),
    accessibility,
)
"""Screens of drug-like molecules: those of the preset `base=molecules`."""
