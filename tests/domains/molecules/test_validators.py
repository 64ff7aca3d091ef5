"""Validators of molecules: what passes, what fails, and the detail of the check."""

import pytest
from rdkit import Chem

from invdesign import Campaign, Filters, Objective, Pretrained, Task
from invdesign.config import compose
from invdesign.config.instantiate import build
from invdesign.core import InvdesignError
from invdesign.domains.molecules import Molecules, validators
from invdesign.domains.molecules.motifs import MOTIFS, find_motifs
from invdesign.domains.molecules.oracles import qed

DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "imatinib": "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1",
    "atorvastatin": "CC(C)c1c(C(=O)Nc2ccccc2)c(-c2ccccc2)c(-c2ccc(F)cc2)n1CC[C@@H](O)C[C@@H](O)CC(=O)O",
    "sildenafil": "CCCc1nn(C)c2c(=O)[nH]c(-c3cc(S(=O)(=O)N4CCN(C)CC4)ccc3OCC)nc12",
    "metformin": "CN(C)C(=N)NC(=N)N",
    "morphine": "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",
    "penicillin G": "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
    "glucose": "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O",
    "tetracycline core": "CN(C)[C@H]1C(O)=C(C(N)=O)C(=O)CC1",
    "losartan": "CCCCc1nc(Cl)c(CO)n1Cc1ccc(-c2ccccc2-c2nn[nH]n2)cc1",
    "camphor": "CC1(C)C2CCC1(C)C(=O)C2",
    "norbornene": "C1=CC2CCC1C2",
    "nitrofurantoin": "O=C1CN(N=Cc2ccc([N+](=O)[O-])o2)C(=O)N1",
    "nifedipine": "COC(=O)C1=C(C)NC(C)=C(C(=O)OC)C1c1ccccc1[N+](=O)[O-]",
    "amlodipine": "CCOC(=O)C1=C(COCCN)NC(C)=C(C(=O)OC)C1c1ccccc1Cl",
    "methotrexate": "CN(Cc1cnc2nc(N)nc(N)c2n1)c1ccc(C(=O)NC(CCC(=O)O)C(=O)O)cc1",
    "efavirenz": "O=C1Nc2ccc(Cl)cc2[C@@](C#CC2CC2)(C(F)(F)F)O1",
}


@pytest.mark.parametrize("name", DRUGS)
def test_a_drug_has_no_unstable_motif(name):
    assert find_motifs(Chem.MolFromSmiles(DRUGS[name])) == []


@pytest.mark.parametrize("motif", MOTIFS, ids=lambda motif: motif.name)
def test_a_motif_is_found_in_its_example(motif):
    assert motif.name in find_motifs(Chem.MolFromSmiles(motif.example))


@pytest.mark.parametrize("smiles", ["C1=C2CCC(C1)C2", "C1CC2=CC1CC2"])
def test_a_double_bond_at_a_bridgehead_is_found(smiles):
    assert "bridgehead double bond" in find_motifs(Chem.MolFromSmiles(smiles))


def test_a_radical_is_found():
    assert find_motifs(Chem.MolFromSmiles("C[CH]C")) == ["radical"]


def test_motifs_can_be_allowed_by_name():
    assert [c.passed for c in validators.motifs(["CC(=O)Cl", "CC"])] == [False, True]
    assert validators.motifs(["CC(=O)Cl"])[0].detail == "acyl halide"
    assert validators.motifs(["CC(=O)Cl"], allowed=["acyl halide"])[0].passed


@pytest.mark.parametrize(
    ("check", "options", "passes", "fails", "detail"),
    [
        (validators.sanitizes, {}, "CCO", "C(C)(C)(C)(C)C", "valence"),
        (validators.text_length, {"max": 5}, "CCO", "CCCCCC", "6 characters"),
        (validators.heavy_atoms, {"min": 2, "max": 3}, "CCO", "CCCO", "4 heavy atoms"),
        (validators.elements, {}, "CCO", "C[Se]C", "Se"),
        (validators.net_charge, {}, "C[NH3+]", "[NH3+]CC[NH3+]", "+2"),
        (validators.one_piece, {}, "CCO", "CC[NH3+].[Cl-]", "2 fragments"),
        (validators.ring_sizes, {"largest": 7}, "C1CCCCC1", "C1CCCCCCC1", "rings of 8"),
        (validators.ring_sizes, {"max_rings": 0}, "CC", "C1CC1", "1 rings, at most 0"),
        (validators.alerts, {"catalog": "PAINS"}, DRUGS["imatinib"], "O=C1C=CC(=O)C=C1", "quinone"),
        (validators.alerts, {"catalog": "BRENK"}, "CCO", "CC(=O)Cl", "acid_halide"),
        (validators.alerts, {"catalog": "NIH"}, "CCO", "CC(=O)Cl", ""),
        (validators.lipinski, {}, DRUGS["aspirin"], "C" * 40, "logP"),
        (validators.veber, {}, DRUGS["aspirin"], "C" * 20, "rotatable"),
        (validators.accessibility, {"max": 3.0}, DRUGS["aspirin"], DRUGS["morphine"], "at most 3"),
        (validators.stereo_complete, {}, "C[C@H](O)F", "CC(O)F", "1 open stereo centre"),
        (validators.stereo_complete, {}, "F/C=C/F", "FC=CF", "1 open stereo bond"),
        (validators.has_smarts, {"smarts": "[OX2H]", "min": 2}, "OCCO", "CCO", "1 times"),
        (validators.lacks_smarts, {"smarts": "Br"}, "CCO", "CCBr", "has Br"),
    ],
)
def test_a_check_passes_and_fails_as_expected(check, options, passes, fails, detail):
    good, bad = check([passes, fails], **options)
    assert good.passed and not bad.passed
    assert good.name == bad.name
    assert detail in bad.detail


def test_a_design_that_cannot_be_parsed_fails_every_check_with_the_reason():
    for check in (validators.sanitizes, validators.motifs, validators.lipinski, validators.stereo_complete):
        (found,) = check(["C("])
        assert not found.passed and "syntax" in found.detail
        assert check([]) == []


def test_an_unknown_catalog_is_an_error():
    with pytest.raises(InvdesignError, match="BRENK"):
        validators.alerts(["CCO"], catalog="ALL")  # type: ignore[arg-type]


def test_an_alert_can_be_allowed_by_its_description():
    found = validators.alerts(["O=C1C=CC(=O)C=C1"], catalog="PAINS")[0].detail
    assert validators.alerts(["O=C1C=CC(=O)C=C1"], catalog="PAINS", allowed=[found])[0].passed


def test_a_rule_may_be_violated_as_often_as_allowed():
    assert validators.lipinski(["C" * 20])[0].passed
    assert not validators.lipinski(["C" * 20], violations=0)[0].passed


def preset(*overrides: str):
    composed = compose.compose(None, ["base=molecules", *overrides])
    return build(composed.values, composed.where, name="preset").campaign


def described(screens):
    return [(getattr(screen, "func", screen).__name__, getattr(screen, "keywords", {})) for screen in screens]


def test_a_campaign_in_python_screens_as_the_preset_does():
    campaign = Campaign(Molecules(), Task([Objective("qed")], qed), Pretrained("zinc250k"))
    own, shipped = described(campaign.screens), described(preset().screens)
    assert [name for name, _ in own] == [name for name, _ in shipped]
    assert ("alerts", {"catalog": "BRENK"}) in own


def test_screens_can_be_left_out():
    campaign = Campaign(Molecules(), Task([Objective("qed")], qed), Pretrained("zinc250k"), filters=Filters(screens=()))
    assert campaign.screens == ()
    assert preset("screens=null", "validators=null").screens == ()


def test_cheap_validators_screen_and_follow_their_settings():
    screens = described(preset("validators.brenk=null", "validators.accessibility.max=6").screens)
    assert "alerts" not in dict(screens)
    assert dict(screens)["accessibility"]["max"] == 6
