"""The 20 benchmark tasks of molecule design (GuacaMol v2 as corrected in PMO), as oracles.

A task is the geometric or arithmetic mean of components; a component is a descriptor of the molecule that a modifier
maps to 0..1.

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
from invdesign.domains.molecules.oracles import score_molecules
from invdesign.domains.molecules.similarity import Kind, pattern, similarity_to

Score = Callable[[Chem.Mol], float]
Modifier = Callable[[float], float]

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
    """Return the scores of designs in a task (`n`, 0 to 1); NaN where a design cannot be parsed.

    Args:
        designs: `n` SMILES.
        task: Name of the task, one of `TASKS`.

    Raises:
        InvdesignError: The task is unknown; the message names the nearest.

    Example:
        >>> guacamol(["CC(=O)Oc1ccccc1C(=O)O"], task="qed").round(2).tolist()
        [0.55]
    """
    return score_molecules(designs, _make_task(task))


def gauss(mu: float, sigma: float) -> Modifier:
    """Return the modifier `exp(-((x - mu) / sigma)^2 / 2)`."""
    return lambda x: math.exp(-0.5 * ((x - mu) / sigma) ** 2)


def min_gauss(mu: float, sigma: float) -> Modifier:
    """Return the modifier that is 1 up to `mu` and `gauss(mu, sigma)` above."""
    falling = gauss(mu, sigma)
    return lambda x: 1.0 if x <= mu else falling(x)


def max_gauss(mu: float, sigma: float) -> Modifier:
    """Return the modifier that is 1 from `mu` on and `gauss(mu, sigma)` below."""
    falling = gauss(mu, sigma)
    return lambda x: 1.0 if x >= mu else falling(x)


def clip(upper: float) -> Modifier:
    """Return the modifier `x / upper`, clipped to 0..1."""
    return lambda x: min(max(x / upper, 0.0), 1.0)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the `k`-th root of the product of `k` numbers that are not negative."""
    return float(math.prod(values) ** (1.0 / len(values)))


def isomer(formula: str) -> Score:
    """Return the score of the distance to a molecular formula.

    The score is the geometric mean of `gauss(count, 1)` for each element and `gauss(count, 2)` for all atoms.

    Args:
        formula: Molecular formula such as `"C7H8N2O2"`.
    """
    target = {element: int(count or 1) for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula)}
    by_element = {element: gauss(count, 1.0) for element, count in target.items()}
    by_total = gauss(sum(target.values()), 2.0)

    def score(mol: Chem.Mol) -> float:
        counts = atom_counts(mol)
        factors = [modify(counts[element]) for element, modify in by_element.items()]
        return geometric_mean([*factors, by_total(counts.total())])

    return score


def atom_counts(mol: Chem.Mol) -> Counter[str]:
    """Return the number of atoms of each element, with implicit hydrogens."""
    counts = Counter(atom.GetSymbol() for atom in mol.GetAtoms())
    counts["H"] += sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    return counts


def _similarity(reference: str, kind: Kind, modify: Modifier | None = None) -> Score:
    score = similarity_to(reference, kind)
    return score if modify is None else _modify(score, modify)


def _modify(score: Score, modify: Modifier) -> Score:
    return lambda mol: modify(float(score(mol)))


def _logp(modify: Modifier) -> Score:
    return _modify(Crippen.MolLogP, modify)


def _tpsa(modify: Modifier) -> Score:
    return _modify(rdMolDescriptors.CalcTPSA, modify)


def _has_pattern(smarts: str) -> Score:
    query = pattern(smarts)
    return lambda mol: float(mol.HasSubstructMatch(query))


def _lacks_pattern(smarts: str) -> Score:
    query = pattern(smarts)
    return lambda mol: float(not mol.HasSubstructMatch(query))


def _count_fluorine(mol: Chem.Mol) -> float:
    return float(sum(atom.GetAtomicNum() == 9 for atom in mol.GetAtoms()))


def _geometric_mean(*parts: Score) -> Score:
    return lambda mol: geometric_mean([part(mol) for part in parts])


def _arithmetic_mean(*parts: Score) -> Score:
    return lambda mol: sum(part(mol) for part in parts) / len(parts)


_BUILDERS: dict[str, Callable[[], Score]] = {
    "albuterol_similarity": lambda: _similarity(ALBUTEROL, "FCFP4", clip(0.75)),
    "amlodipine_mpo": lambda: _geometric_mean(
        _similarity(AMLODIPINE, "ECFP4"), _modify(rdMolDescriptors.CalcNumRings, gauss(3, 0.5))
    ),
    "celecoxib_rediscovery": lambda: _similarity(CELECOXIB, "ECFP4"),
    "deco_hop": lambda: _arithmetic_mean(
        _similarity(HOP, "PHCO", clip(0.85)),
        *(_lacks_pattern(smarts) for smarts in DECORATIONS),
        _has_pattern(QUINAZOLINE),
    ),
    "fexofenadine_mpo": lambda: _geometric_mean(
        _similarity(FEXOFENADINE, "AP", clip(0.8)), _tpsa(max_gauss(90, 10)), _logp(min_gauss(4, 1))
    ),
    "isomers_c7h8n2o2": lambda: isomer("C7H8N2O2"),
    "isomers_c9h10n2o2pf2cl": lambda: isomer("C9H10N2O2PF2Cl"),
    "median1": lambda: _geometric_mean(_similarity(CAMPHOR, "ECFP4"), _similarity(MENTHOL, "ECFP4")),
    "median2": lambda: _geometric_mean(_similarity(TADALAFIL, "ECFP6"), _similarity(SILDENAFIL, "ECFP6")),
    "mestranol_similarity": lambda: _similarity(MESTRANOL, "AP", clip(0.75)),
    "osimertinib_mpo": lambda: _geometric_mean(
        _similarity(OSIMERTINIB, "FCFP4", clip(0.8)),
        _similarity(OSIMERTINIB, "ECFP6", min_gauss(0.85, 0.1)),
        _tpsa(max_gauss(100, 10)),
        _logp(min_gauss(1, 1)),
    ),
    "perindopril_mpo": lambda: _geometric_mean(
        _similarity(PERINDOPRIL, "ECFP4"), _modify(rdMolDescriptors.CalcNumAromaticRings, gauss(2, 0.5))
    ),
    "qed": lambda: QED.qed,
    "ranolazine_mpo": lambda: _geometric_mean(
        _similarity(RANOLAZINE, "AP", clip(0.7)),
        _logp(max_gauss(7, 1)),
        _modify(_count_fluorine, gauss(1, 1)),
        _tpsa(max_gauss(95, 20)),
    ),
    "scaffold_hop": lambda: _arithmetic_mean(
        _similarity(HOP, "PHCO", clip(0.75)), _has_pattern(CHAIN), _lacks_pattern(QUINAZOLINE)
    ),
    "sitagliptin_mpo": lambda: _geometric_mean(
        _similarity(SITAGLIPTIN, "ECFP4", gauss(0, 0.1)),
        _logp(gauss(2.0165, 0.2)),
        _tpsa(gauss(77.04, 5)),
        isomer("C16H15F6N5O"),
    ),
    "thiothixene_rediscovery": lambda: _similarity(THIOTHIXENE, "ECFP4"),
    "troglitazone_rediscovery": lambda: _similarity(TROGLITAZONE, "ECFP4"),
    "valsartan_smarts": lambda: _geometric_mean(
        _has_pattern(VALSARTAN_CORE),
        _logp(gauss(2.0165, 0.2)),
        _tpsa(gauss(77.04, 5)),
        _modify(GraphDescriptors.BertzCT, gauss(896.3805, 30)),
    ),
    "zaleplon_mpo": lambda: _geometric_mean(_similarity(ZALEPLON, "ECFP4"), isomer("C19H17N3O2")),
}
TASKS = tuple(_BUILDERS)
"""Names of all tasks."""


@cache
def _make_task(task: str) -> Score:
    if task not in _BUILDERS:
        close = get_close_matches(task, TASKS, n=1, cutoff=0.3)
        hint = f"; nearest: {close[0]!r}" if close else ""
        raise InvdesignError(f"guacamol: expected one of {', '.join(TASKS)}, got {task!r}{hint}. Correct the task")
    return _BUILDERS[task]()
