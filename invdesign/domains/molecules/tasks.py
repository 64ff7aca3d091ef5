"""The 20 benchmark tasks of molecule design (GuacaMol v2 as corrected in PMO), as oracles.

A task is an aggregate (geometric or arithmetic mean) of components; a component is a number read off the molecule and
shaped to 0..1 by a modifier.

References:
    Brown et al., J. Chem. Inf. Model. 2019, doi:10.1021/acs.jcim.8b00839 (GuacaMol);
    Gao et al., NeurIPS 2022, arXiv:2206.12411 (PMO).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache

from rdkit import Chem
from rdkit.Chem import QED, Crippen, GraphDescriptors, rdMolDescriptors

from invdesign.core import Array, InvdesignError
from invdesign.domains.molecules.oracles import scored
from invdesign.domains.molecules.similarity import Kind, pattern, similarity_to

Score = Callable[[Chem.Mol], float]
Modifier = Callable[[float], float]

TASKS = (
    "albuterol_similarity",
    "amlodipine_mpo",
    "celecoxib_rediscovery",
    "deco_hop",
    "fexofenadine_mpo",
    "isomers_c7h8n2o2",
    "isomers_c9h10n2o2pf2cl",
    "median1",
    "median2",
    "mestranol_similarity",
    "osimertinib_mpo",
    "perindopril_mpo",
    "qed",
    "ranolazine_mpo",
    "scaffold_hop",
    "sitagliptin_mpo",
    "thiothixene_rediscovery",
    "troglitazone_rediscovery",
    "valsartan_smarts",
    "zaleplon_mpo",
)

ALBUTEROL = "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1"
AMLODIPINE = r"Clc1ccccc1C2C(=C(/N/C(=C2/C(=O)OCC)COCCN)C)\C(=O)OC"
CAMPHOR = "CC1(C)C2CCC1(C)C(=O)C2"
CELECOXIB = "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F"
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(cc1)C(O)CCCN2CCC(CC2)C(O)(c3ccccc3)c4ccccc4"
HOP = "CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C"
MENTHOL = "CC(C)C1CCC(C)CC1O"
MESTRANOL = "COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1"
OSIMERTINIB = "COc1cc(N(C)CCN(C)C)c(NC(=O)C=C)cc1Nc2nccc(n2)c3cn(C)c4ccccc34"
PERINDOPRIL = "O=C(OCC)C(NC(C(=O)N1C(C(=O)O)CC2CCCCC12)C)CCC"
RANOLAZINE = "COc1ccccc1OCC(O)CN2CCN(CC(=O)Nc3c(C)cccc3C)CC2"
SILDENAFIL = "CCCC1=NN(C2=C1N=C(NC2=O)C3=C(C=CC(=C3)S(=O)(=O)N4CCN(CC4)C)OCC)C"
SITAGLIPTIN = "Fc1cc(c(F)cc1F)CC(N)CC(=O)N3Cc2nnc(n2CC3)C(F)(F)F"
TADALAFIL = "O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C"
THIOTHIXENE = "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1"
TROGLITAZONE = "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O"
ZALEPLON = "O=C(C)N(CC)C1=CC=CC(C2=CC=NC3=C(C=NN23)C#N)=C1"

VALSARTAN_CORE = "CN(C=O)Cc1ccc(c2ccccc2)cc1"
QUINAZOLINE = "[#7]-c1n[c;h1]nc2[c;h1]c(-[#8])[c;h0][c;h1]c12"
DECORATIONS = ("CS([#6])(=O)=O", "[#7]-c1ccc2ncsc2c1")
CHAIN = "[#6]-[#6]-[#6]-[#8]-[#6]~[#6]~[#6]~[#6]~[#6]-[#7]-c1ccc2ncsc2c1"


def guacamol(designs: Sequence[str], *, task: str) -> Array:
    """Score designs (`n`, 0 to 1) in one of the tasks; NaN where a design cannot be parsed.

    Args:
        designs: SMILES.
        task: one of `TASKS`.

    Raises:
        InvdesignError: for an unknown task, with the nearest known one.
    """
    return scored(designs, _task(task))


def gauss(mu: float, sigma: float) -> Modifier:
    """1 at `mu`, falling off on both sides."""
    return lambda x: math.exp(-0.5 * ((x - mu) / sigma) ** 2)


def min_gauss(mu: float, sigma: float) -> Modifier:
    """1 up to `mu`, falling off above."""
    falling = gauss(mu, sigma)
    return lambda x: 1.0 if x <= mu else falling(x)


def max_gauss(mu: float, sigma: float) -> Modifier:
    """1 from `mu` on, falling off below."""
    falling = gauss(mu, sigma)
    return lambda x: 1.0 if x >= mu else falling(x)


def clip(upper: float) -> Modifier:
    """`x / upper`, within 0 and 1."""
    return lambda x: min(max(x / upper, 0.0), 1.0)


def geometric_mean(values: Sequence[float]) -> float:
    """The `k`-th root of the product of `k` numbers that are not negative."""
    return float(math.prod(values) ** (1.0 / len(values)))


def isomer(formula: str) -> Score:
    """How near a molecule is to a molecular formula: the geometric mean of one factor per element and one for all.

    Args:
        formula: such as `"C7H8N2O2"`.
    """
    wanted = {element: int(count or 1) for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula)}
    by_element = {element: gauss(count, 1.0) for element, count in wanted.items()}
    by_total = gauss(sum(wanted.values()), 2.0)

    def score(mol: Chem.Mol) -> float:
        counts = atom_counts(mol)
        factors = [near(counts[element]) for element, near in by_element.items()]
        return geometric_mean([*factors, by_total(counts.total())])

    return score


def atom_counts(mol: Chem.Mol) -> Counter[str]:
    """Atoms of each element, hydrogens too."""
    counts = Counter(atom.GetSymbol() for atom in mol.GetAtoms())
    counts["H"] += sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    return counts


def _like(reference: str, kind: Kind, modify: Modifier | None = None) -> Score:
    similarity = similarity_to(reference, kind)
    return similarity if modify is None else _shaped(similarity, modify)


def _shaped(score: Score, modify: Modifier) -> Score:
    return lambda mol: modify(float(score(mol)))


def _logp(modify: Modifier) -> Score:
    return _shaped(Crippen.MolLogP, modify)


def _tpsa(modify: Modifier) -> Score:
    return _shaped(rdMolDescriptors.CalcTPSA, modify)


def _has(smarts: str) -> Score:
    query = pattern(smarts)
    return lambda mol: float(mol.HasSubstructMatch(query))


def _lacks(smarts: str) -> Score:
    query = pattern(smarts)
    return lambda mol: float(not mol.HasSubstructMatch(query))


def _n_fluorine(mol: Chem.Mol) -> float:
    return float(sum(atom.GetAtomicNum() == 9 for atom in mol.GetAtoms()))


def _geometric(*parts: Score) -> Score:
    return lambda mol: geometric_mean([part(mol) for part in parts])


def _arithmetic(*parts: Score) -> Score:
    return lambda mol: sum(part(mol) for part in parts) / len(parts)


@cache
def _task(task: str) -> Score:
    match task:
        case "albuterol_similarity":
            return _like(ALBUTEROL, "FCFP4", clip(0.75))
        case "mestranol_similarity":
            return _like(MESTRANOL, "AP", clip(0.75))
        case "celecoxib_rediscovery":
            return _like(CELECOXIB, "ECFP4")
        case "troglitazone_rediscovery":
            return _like(TROGLITAZONE, "ECFP4")
        case "thiothixene_rediscovery":
            return _like(THIOTHIXENE, "ECFP4")
        case "isomers_c7h8n2o2":
            return isomer("C7H8N2O2")
        case "isomers_c9h10n2o2pf2cl":
            return isomer("C9H10N2O2PF2Cl")
        case "median1":
            return _geometric(_like(CAMPHOR, "ECFP4"), _like(MENTHOL, "ECFP4"))
        case "median2":
            return _geometric(_like(TADALAFIL, "ECFP6"), _like(SILDENAFIL, "ECFP6"))
        case "osimertinib_mpo":
            return _geometric(
                _like(OSIMERTINIB, "FCFP4", clip(0.8)),
                _like(OSIMERTINIB, "ECFP6", min_gauss(0.85, 0.1)),
                _tpsa(max_gauss(100, 10)),
                _logp(min_gauss(1, 1)),
            )
        case "fexofenadine_mpo":
            return _geometric(_like(FEXOFENADINE, "AP", clip(0.8)), _tpsa(max_gauss(90, 10)), _logp(min_gauss(4, 1)))
        case "ranolazine_mpo":
            return _geometric(
                _like(RANOLAZINE, "AP", clip(0.7)),
                _logp(max_gauss(7, 1)),
                _shaped(_n_fluorine, gauss(1, 1)),
                _tpsa(max_gauss(95, 20)),
            )
        case "perindopril_mpo":
            return _geometric(
                _like(PERINDOPRIL, "ECFP4"), _shaped(rdMolDescriptors.CalcNumAromaticRings, gauss(2, 0.5))
            )
        case "amlodipine_mpo":
            return _geometric(_like(AMLODIPINE, "ECFP4"), _shaped(rdMolDescriptors.CalcNumRings, gauss(3, 0.5)))
        case "sitagliptin_mpo":
            return _geometric(
                _like(SITAGLIPTIN, "ECFP4", gauss(0, 0.1)),
                _logp(gauss(2.0165, 0.2)),
                _tpsa(gauss(77.04, 5)),
                isomer("C16H15F6N5O"),
            )
        case "zaleplon_mpo":
            return _geometric(_like(ZALEPLON, "ECFP4"), isomer("C19H17N3O2"))
        case "valsartan_smarts":
            return _geometric(
                _has(VALSARTAN_CORE),
                _logp(gauss(2.0165, 0.2)),
                _tpsa(gauss(77.04, 5)),
                _shaped(GraphDescriptors.BertzCT, gauss(896.3805, 30)),
            )
        case "deco_hop":
            return _arithmetic(
                _like(HOP, "PHCO", clip(0.85)), *(_lacks(smarts) for smarts in DECORATIONS), _has(QUINAZOLINE)
            )
        case "scaffold_hop":
            return _arithmetic(_like(HOP, "PHCO", clip(0.75)), _has(CHAIN), _lacks(QUINAZOLINE))
        case "qed":
            return QED.qed
    close = get_close_matches(task, TASKS, n=1, cutoff=0.3)
    hint = f"; nearest: {close[0]!r}" if close else ""
    raise InvdesignError(f"no task {task!r}{hint}. The tasks: {', '.join(TASKS)}")
