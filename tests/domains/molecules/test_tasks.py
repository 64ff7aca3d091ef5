"""The 20 benchmark tasks, compared with values computed directly with RDKit."""

from math import exp, prod

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED, Crippen, rdFingerprintGenerator, rdMolDescriptors
from rdkit.Chem.GraphDescriptors import BertzCT
from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D

from invdesign.core import InvdesignError
from invdesign.domains.molecules.tasks import TASKS, clip, gauss, guacamol, isomer, max_gauss, min_gauss

PROBES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CCOc1ccc(S(=O)(=O)N2CCN(C)CC2)cc1-c1nc2c(C)nn(C)c2c(=O)[nH]1",
    "COc1cc(Nc2nccc(-c3cn(C)c4ccccc34)n2)ccc1NC(=O)C=C",
    "O=C(CC(N)Cc1cc(F)c(F)cc1F)N1CCOCC1",
    "CCCOc1cc2ncnc(Nc3ccccc3)c2cc1OC",
    "CN(C=O)Cc1ccc(-c2ccccc2)cc1",
)

ECFP4 = rdFingerprintGenerator.GetMorganGenerator(radius=2)
ECFP6 = rdFingerprintGenerator.GetMorganGenerator(radius=3)
FCFP4 = rdFingerprintGenerator.GetMorganGenerator(
    radius=2, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
)
AP = rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10)

ALBUTEROL = "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1"
MESTRANOL = "COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1"
CELECOXIB = "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F"
TROGLITAZONE = "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O"
THIOTHIXENE = "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1"
CAMPHOR, MENTHOL = "CC1(C)C2CCC1(C)C(=O)C2", "CC(C)C1CCC(C)CC1O"
TADALAFIL = "O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C"
SILDENAFIL = "CCCC1=NN(C2=C1N=C(NC2=O)C3=C(C=CC(=C3)S(=O)(=O)N4CCN(CC4)C)OCC)C"
OSIMERTINIB = "COc1cc(N(C)CCN(C)C)c(NC(=O)C=C)cc1Nc2nccc(n2)c3cn(C)c4ccccc34"
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(cc1)C(O)CCCN2CCC(CC2)C(O)(c3ccccc3)c4ccccc4"
RANOLAZINE = "COc1ccccc1OCC(O)CN2CCN(CC(=O)Nc3c(C)cccc3C)CC2"
PERINDOPRIL = "O=C(OCC)C(NC(C(=O)N1C(C(=O)O)CC2CCCCC12)C)CCC"
AMLODIPINE = r"Clc1ccccc1C2C(=C(/N/C(=C2/C(=O)OCC)COCCN)C)\C(=O)OC"
SITAGLIPTIN = "Fc1cc(c(F)cc1F)CC(N)CC(=O)N3Cc2nnc(n2CC3)C(F)(F)F"
ZALEPLON = "O=C(C)N(CC)C1=CC=CC(C2=CC=NC3=C(C=NN23)C#N)=C1"
HOP = "CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C"
QUINAZOLINE = "[#7]-c1n[c;h1]nc2[c;h1]c(-[#8])[c;h0][c;h1]c12"


def tanimoto(a: Chem.Mol, b: Chem.Mol, generator) -> float:
    """Return the ratio of the summed minima to the summed maxima of two counts."""
    left = generator.GetSparseCountFingerprint(a).GetNonzeroElements()
    right = generator.GetSparseCountFingerprint(b).GetNonzeroElements()
    bits = set(left) | set(right)
    return sum(min(left.get(i, 0), right.get(i, 0)) for i in bits) / sum(
        max(left.get(i, 0), right.get(i, 0)) for i in bits
    )


def pharmacophore(a: Chem.Mol, b: Chem.Mol) -> float:
    left = set(Generate.Gen2DFingerprint(a, Gobbi_Pharm2D.factory).GetOnBits())
    right = set(Generate.Gen2DFingerprint(b, Gobbi_Pharm2D.factory).GetOnBits())
    return len(left & right) / len(left | right)


def bell(x: float, mu: float, sigma: float) -> float:
    return exp(-((x - mu) ** 2) / (2 * sigma**2))


def composition(mol: Chem.Mol, target: dict[str, int]) -> float:
    symbols = [atom.GetSymbol() for atom in Chem.AddHs(mol).GetAtoms()]
    factors = [bell(symbols.count(element), n, 1) for element, n in target.items()]
    factors.append(bell(len(symbols), sum(target.values()), 2))
    return prod(factors) ** (1 / len(factors))


def expected(task: str, smiles: str) -> float:
    m = Chem.MolFromSmiles(smiles)
    logp, tpsa = Crippen.MolLogP(m), rdMolDescriptors.CalcTPSA(m)

    def like(reference: str, generator) -> float:
        return tanimoto(m, Chem.MolFromSmiles(reference), generator)

    def has(smarts: str) -> bool:
        return m.HasSubstructMatch(Chem.MolFromSmarts(smarts))

    match task:
        case "albuterol_similarity":
            return min(like(ALBUTEROL, FCFP4) / 0.75, 1)
        case "mestranol_similarity":
            return min(like(MESTRANOL, AP) / 0.75, 1)
        case "celecoxib_rediscovery":
            return like(CELECOXIB, ECFP4)
        case "troglitazone_rediscovery":
            return like(TROGLITAZONE, ECFP4)
        case "thiothixene_rediscovery":
            return like(THIOTHIXENE, ECFP4)
        case "isomers_c7h8n2o2":
            return composition(m, {"C": 7, "H": 8, "N": 2, "O": 2})
        case "isomers_c9h10n2o2pf2cl":
            return composition(m, {"C": 9, "H": 10, "N": 2, "O": 2, "P": 1, "F": 2, "Cl": 1})
        case "median1":
            return (like(CAMPHOR, ECFP4) * like(MENTHOL, ECFP4)) ** 0.5
        case "median2":
            return (like(TADALAFIL, ECFP6) * like(SILDENAFIL, ECFP6)) ** 0.5
        case "osimertinib_mpo":
            near = like(OSIMERTINIB, ECFP6)
            return (
                min(like(OSIMERTINIB, FCFP4) / 0.8, 1)
                * (1 if near <= 0.85 else bell(near, 0.85, 0.1))
                * (1 if tpsa >= 100 else bell(tpsa, 100, 10))
                * (1 if logp <= 1 else bell(logp, 1, 1))
            ) ** 0.25
        case "fexofenadine_mpo":
            return (
                min(like(FEXOFENADINE, AP) / 0.8, 1)
                * (1 if tpsa >= 90 else bell(tpsa, 90, 10))
                * (1 if logp <= 4 else bell(logp, 4, 1))
            ) ** (1 / 3)
        case "ranolazine_mpo":
            return (
                min(like(RANOLAZINE, AP) / 0.7, 1)
                * (1 if logp >= 7 else bell(logp, 7, 1))
                * bell(smiles.count("F"), 1, 1)
                * (1 if tpsa >= 95 else bell(tpsa, 95, 20))
            ) ** 0.25
        case "perindopril_mpo":
            return (like(PERINDOPRIL, ECFP4) * bell(rdMolDescriptors.CalcNumAromaticRings(m), 2, 0.5)) ** 0.5
        case "amlodipine_mpo":
            return (like(AMLODIPINE, ECFP4) * bell(rdMolDescriptors.CalcNumRings(m), 3, 0.5)) ** 0.5
        case "sitagliptin_mpo":
            formula = composition(m, {"C": 16, "H": 15, "F": 6, "N": 5, "O": 1})
            return (
                bell(like(SITAGLIPTIN, ECFP4), 0, 0.1) * bell(logp, 2.0165, 0.2) * bell(tpsa, 77.04, 5) * formula
            ) ** 0.25
        case "zaleplon_mpo":
            return (like(ZALEPLON, ECFP4) * composition(m, {"C": 19, "H": 17, "N": 3, "O": 2})) ** 0.5
        case "valsartan_smarts":
            core = has("CN(C=O)Cc1ccc(c2ccccc2)cc1")
            return (core * bell(logp, 2.0165, 0.2) * bell(tpsa, 77.04, 5) * bell(BertzCT(m), 896.3805, 30)) ** 0.25
        case "deco_hop":
            return (
                min(pharmacophore(m, Chem.MolFromSmiles(HOP)) / 0.85, 1)
                + (not has("CS([#6])(=O)=O"))
                + (not has("[#7]-c1ccc2ncsc2c1"))
                + has(QUINAZOLINE)
            ) / 4
        case "scaffold_hop":
            chain = "[#6]-[#6]-[#6]-[#8]-[#6]~[#6]~[#6]~[#6]~[#6]-[#7]-c1ccc2ncsc2c1"
            return (min(pharmacophore(m, Chem.MolFromSmiles(HOP)) / 0.75, 1) + has(chain) + (not has(QUINAZOLINE))) / 3
        case "qed":
            return QED.qed(m)
    raise AssertionError(task)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_the_value_of_its_definition(task):
    references = (OSIMERTINIB, HOP, SITAGLIPTIN, ZALEPLON)
    designs = [Chem.CanonSmiles(s) for s in (*PROBES, *references)]
    np.testing.assert_allclose(guacamol(designs, task=task), [expected(task, s) for s in designs], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("task", "reference"),
    [
        ("albuterol_similarity", ALBUTEROL),
        ("mestranol_similarity", MESTRANOL),
        ("celecoxib_rediscovery", CELECOXIB),
        ("troglitazone_rediscovery", TROGLITAZONE),
        ("thiothixene_rediscovery", THIOTHIXENE),
        ("isomers_c7h8n2o2", "COc1ccc(C(N)=O)nc1"),
        ("zaleplon_mpo", ZALEPLON),
    ],
)
def test_the_reference_itself_has_the_expected_score(task, reference):
    score = guacamol([reference], task=task)[0]
    if task == "zaleplon_mpo":
        # Zaleplon is C17H15N5O: C, H, N and O are off by 2, 2, 2 and 1; 38 atoms instead of 41.
        isomer_score = exp(-(4 + 4 + 4 + 1) / 2 - 9 / 8) ** (1 / 5)
        assert score == pytest.approx(isomer_score**0.5, abs=1e-9)
    else:
        assert score == pytest.approx(1.0, abs=1e-9)


def test_hops_reward_other_decorations_and_the_scaffold():
    # The target has both forbidden decorations and the required scaffold: (1 + 0 + 0 + 1) / 4; (1 + 1 + 0) / 3.
    assert guacamol([HOP], task="deco_hop")[0] == pytest.approx(0.5)
    assert guacamol([HOP], task="scaffold_hop")[0] == pytest.approx(2 / 3)


def test_a_design_that_is_not_a_molecule_is_nan_in_every_task():
    for task in TASKS:
        assert np.isnan(guacamol(["", "C(C", "C(C)(C)(C)(C)C"], task=task)).all()


def test_an_unknown_task_is_an_error_that_names_the_nearest():
    with pytest.raises(InvdesignError, match="osimertinib_mpo"):
        guacamol(["CCO"], task="osimertinib")


def test_modifiers_have_the_values_of_their_formulas():
    assert gauss(2, 0.5)(2.5) == pytest.approx(exp(-0.5))
    assert min_gauss(1, 1)(-3) == 1 and min_gauss(1, 1)(3) == pytest.approx(exp(-2))
    assert max_gauss(100, 10)(140) == 1 and max_gauss(100, 10)(90) == pytest.approx(exp(-0.5))
    assert clip(0.75)(0.375) == 0.5 and clip(0.75)(0.8) == 1 and clip(0.75)(-1) == 0


def test_an_isomer_score_has_the_value_of_its_formula():
    # Benzene C6H6 against C7H8N2O2: C off 1, H off 2, N off 2, O off 2, total 12 of 19.
    by_hand = exp(-(1 + 4 + 4 + 4) / 2 - 49 / 8) ** (1 / 5)
    assert isomer("C7H8N2O2")(Chem.MolFromSmiles("c1ccccc1")) == pytest.approx(by_hand, abs=1e-12)
