"""Motifs: structures that no chemist would make are found, and approved drugs have none."""

import pytest
from rdkit import Chem

from invdesign.domains.molecules.motifs import MOTIFS, find_motifs

UNSOUND = {
    "N-vinyl amine": ["CCN(CC)C=CC", "C1CCN(C=C2CCCC2)C1", "CC(NC)=C1CCCC1", "C1=CCCN(C)C1C=CN(C)C"],
    "open aminal": ["CN(C)CN(C)C", "CC(N1CCOCC1)N1CCOCC1", "CCNCNCC"],
    "open N,O-acetal": ["CCOCN(C)C", "CC(OC)N1CCCC1", "CN(C)CSC", "CC(=O)OCN(C)C"],
    "amine at an acetal carbon": ["CN(C)C1CCCO1", "CN(C)C1CCCN1C", "CCNC1OCCO1"],
    "alkoxide or thiolate": ["CC(C)[O-]", "[O-]CCc1ccccc1", "C[S-]"],
    "enolate": ["CC([O-])=CC"],
    "amide anion": ["CC[N-]CC", "C[N-]c1ccccc1"],
    "bridged arene": [
        "C1CCc2cccc(CC1)c2",
        "C1CCCc2cccc(CC1)c2",
        "C1CCCc2ccc(CC1)cc2",
        "C1CCc2ccc(o2)CC1",
        "C1CNc2nccc(CC1)n2",
    ],
    "methide of an aromatic ring": ["C=c1ccccc1=C", "CC=C1C=CC(=C)C=C1", "C1=c2ccccc2=NC1C"],
    "methylene cyclohexadiene": ["C=C1C=CC=CC1", "CC=C1C=CC=NC1"],
    "para methylene cyclohexadiene": ["C=C1C=CCC=C1"],
    "keto tautomer of a phenol": ["O=C1C=CC=CC1", "N=C1C=CC=CC1", "O=C1N=CC=CC1"],
    "para keto tautomer of a phenol": ["O=C1C=CCC=C1"],
    "para quinone methide or xylylene": ["C=C1C=CC(=O)C=C1", "CC=C1C=CC(=O)C=C1"],
    "fulvene": ["C=C1C=CC=C1", "CC(C)=C1C=CC=C1"],
    "cyclopentadiene or 2H-azole": ["CC1=CCC=C1", "CC1C=CC=N1", "CC1C=CN=N1"],
    "3H-indole": ["CC1C=Nc2ccccc21"],
    "polyene": ["C=CC=CC=CC", "CC=CC=CC=CC=CC", "CC(C)=CC=CC=CC(=O)O"],
    "polyyne": ["CC#CC#CC#CC"],
    "S(IV) or S(VI) hydride": ["C[SH]=O", "C[SH](=O)=O", "C[SH](C)C", "CC[SH]=C", "O=[SH](=O)c1ccccc1"],
    "sulfurane": ["CS(C)(C)C", "CS1(C)CCCC1"],
    "enol": ["CC(O)=CC", "OC1=CCCCC1", "OC=Cc1ccccc1"],
    "thioenol": ["CC(S)=CC"],
    "open hemiacetal": ["CC(O)OC", "COC(C)(C)O"],
    "hemiaminal": ["CC(O)NC", "OC1CCCN1C", "OCN1CCOCC1"],
    "open N-acyl hemiaminal": ["CC(O)NC(C)=O"],
    "gem-diol": ["CC(O)O", "OC1(O)CCCC1"],
    "cyanohydrin": ["CC(O)C#N"],
    "amine beside a heteroatom": ["CC(N)OC", "CC(N)N(C)C", "CCC(N)N"],
    "heteroatom halide": ["CN(C)Cl", "CCNBr", "COF", "CSCl", "O=C1CCC(=O)N1Cl"],
    "peroxide": ["COOC", "CC(C)(C)OO", "C1CCOOC1"],
    "cumulene": ["CC=C=C=CC", "CN=C=C=O"],
    "allene": ["CC=C=CC"],
    "allene in a ring": ["C1CCC=C=CC1"],
    "bridgehead double bond": ["C1=C2CCC(C1)C2", "C1CC2=CC1CC2", "C1CC2=NCC1C2"],
    "alkyne in a small ring": ["C1CCC#CC1", "C1CC#CCNC1"],
    "linear atom in a small ring": ["C1CC#CCC1", "C1CC=[N+]=CC1"],
    "double bond in a three-membered ring": ["CC1=CC1", "C1=NC1"],
    "heteroatom on an epoxide or aziridine": ["COC1CO1", "CN(C)C1CN1"],
    "open orthoester": ["COC(OC)OC", "CN(C)C(OC)OC"],
    "radical": ["C[CH]C", "C[O]", "C[C]C", "C[N]C"],
}
"""Molecules with a motif, by its name."""

DRUGS = {
    "acetaminophen": "CC(=O)Nc1ccc(O)cc1",
    "acyclovir": "Nc1nc2c(ncn2COCCO)c(=O)[nH]1",
    "allopurinol": "O=c1[nH]cnc2[nH]ncc12",
    "alprazolam": "Cc1nnc2CN=C(c3ccccc3)c3cc(Cl)ccc3-n12",
    "amiodarone": "CCCCc1oc2ccccc2c1C(=O)c1cc(I)c(OCCN(CC)CC)c(I)c1",
    "amoxicillin": "CC1(C)SC2C(NC(=O)C(N)c3ccc(O)cc3)C(=O)N2C1C(=O)O",
    "apixaban": "COc1ccc(cc1)-n1nc(C(N)=O)c2CCN(C(=O)c12)c1ccc(cc1)N1CCCCC1=O",
    "aripiprazole": "Clc1cccc(N2CCN(CCCCOc3ccc4CCC(=O)Nc4c3)CC2)c1Cl",
    "ascorbic acid": "OCC(O)C1OC(=O)C(O)=C1O",
    "atropine": "CN1C2CCC1CC(C2)OC(=O)C(CO)c1ccccc1",
    "azithromycin": "CCC1OC(=O)C(C)C(OC2CC(C)(OC)C(O)C(C)O2)C(C)C(OC2OC(C)CC(N(C)C)C2O)C(C)(O)CC(C)CN(C)C(C)C(O)C1(C)O",
    "bortezomib": "CC(C)CC(NC(=O)C(Cc1ccccc1)NC(=O)c1cnccn1)B(O)O",
    "bosutinib": "COc1cc(Nc2c(C#N)cnc3cc(OCCCN4CCN(C)CC4)c(OC)cc23)c(Cl)cc1Cl",
    "buprenorphine": "CC(O)(C1CC23CCC1(OC)C1Oc4c(O)ccc5CC2N(CC2CC2)CCC13c45)C(C)(C)C",
    "captopril": "CC(CS)C(=O)N1CCCC1C(=O)O",
    "carbamazepine": "NC(=O)N1c2ccccc2C=Cc2ccccc12",
    "cefuroxime": "CON=C(c1ccco1)C(=O)NC1C2SCC(COC(N)=O)=C(N2C1=O)C(=O)O",
    "celecoxib": "Cc1ccc(cc1)-c1cc(nn1-c1ccc(cc1)S(N)(=O)=O)C(F)(F)F",
    "cephradine": "CC1=C(N2C(SC1)C(NC(=O)C(N)C1=CCC=CC1)C2=O)C(=O)O",
    "chloramphenicol": "OCC(NC(=O)C(Cl)Cl)C(O)c1ccc(cc1)[N+]([O-])=O",
    "chlorthalidone": "NS(=O)(=O)c1cc(ccc1Cl)C1(O)NC(=O)c2ccccc12",
    "cimetidine": "CNC(=NCCSCc1nc[nH]c1C)NC#N",
    "ciprofloxacin": "OC(=O)c1cn(C2CC2)c2cc(N3CCNCC3)c(F)cc2c1=O",
    "clonidine": "Clc1cccc(Cl)c1NC1=NCCN1",
    "clopidogrel": "COC(=O)C(c1ccccc1Cl)N1CCc2sccc2C1",
    "clozapine": "CN1CCN(CC1)C1=Nc2cc(Cl)ccc2Nc2ccccc12",
    "colchicine": "COc1cc2CCC(NC(C)=O)c3cc(=O)c(OC)ccc3-c2c(OC)c1OC",
    "dexamethasone": "CC1CC2C3CCC4=CC(=O)C=CC4(C)C3(F)C(O)CC2(C)C1(O)C(=O)CO",
    "diazepam": "CN1c2ccc(Cl)cc2C(=NCC1=O)c1ccccc1",
    "digoxigenin": "CC12CCC(O)CC1CCC1C2CC(O)C2(C)C(CCC12O)C1=CC(=O)OC1",
    "diltiazem": "COc1ccc(cc1)C1Sc2ccccc2N(CCN(C)C)C(=O)C1OC(C)=O",
    "dolutegravir": "CC1CCOC2CN3C=C(C(=O)NCc4ccc(F)cc4F)C(=O)C(O)=C3C(=O)N12",
    "donepezil": "COc1cc2CC(CC3CCN(Cc4ccccc4)CC3)C(=O)c2cc1OC",
    "doxycycline": "CC1C2C(O)C3C(N(C)C)C(O)=C(C(N)=O)C(=O)C3(O)C(O)=C2C(=O)c2c(O)cccc12",
    "drospirenone": "CC12CCC(=O)C=C1C1CC1C1C2CCC2(C)C1C1CC1C21CCC(=O)O1",
    "enalapril": "CCOC(=O)C(CCc1ccccc1)NC(C)C(=O)N1CCCC1C(=O)O",
    "entacapone": "CCN(CC)C(=O)C(=Cc1cc(O)c(O)c(c1)[N+]([O-])=O)C#N",
    "entecavir": "Nc1nc2c(ncn2C2CC(O)C(CO)C2=C)c(=O)[nH]1",
    "ergotamine": "CN1CC(C=C2C1Cc1c[nH]c3cccc2c13)C(=O)NC1(C)OC2(O)C3CCCN3C(=O)C(Cc3ccccc3)N2C1=O",
    "escitalopram": "CN(C)CCCC1(OCc2cc(ccc12)C#N)c1ccc(F)cc1",
    "ethinylestradiol": "CC12CCC3C(CCc4cc(O)ccc34)C1CCC2(O)C#C",
    "etoposide": "COc1cc(cc(OC)c1O)C1C2C(COC2=O)C(OC2OC3COC(C)OC3C(O)C2O)c2cc3OCOc3cc12",
    "ezetimibe": "OC(CCC1C(N(C1=O)c1ccc(F)cc1)c1ccc(O)cc1)c1ccc(F)cc1",
    "famotidine": "NC(N)=Nc1nc(CSCCC(N)=NS(N)(=O)=O)cs1",
    "fluconazole": "OC(Cn1cncn1)(Cn1cncn1)c1ccc(F)cc1F",
    "fluorouracil": "O=c1[nH]cc(F)c(=O)[nH]1",
    "fluoxetine": "CNCCC(Oc1ccc(cc1)C(F)(F)F)c1ccccc1",
    "fosfomycin": "CC1OC1P(O)(O)=O",
    "furosemide": "NS(=O)(=O)c1cc(C(O)=O)c(NCc2ccco2)cc1Cl",
    "gabapentin": "NCC1(CC(O)=O)CCCCC1",
    "gefitinib": "COc1cc2ncnc(Nc3ccc(F)c(Cl)c3)c2cc1OCCCN1CCOCC1",
    "gemcitabine": "Nc1ccn(C2OC(CO)C(O)C2(F)F)c(=O)n1",
    "glipizide": "Cc1cnc(cn1)C(=O)NCCc1ccc(cc1)S(=O)(=O)NC(=O)NC1CCCCC1",
    "haloperidol": "OC1(CCN(CCCC(=O)c2ccc(F)cc2)CC1)c1ccc(Cl)cc1",
    "hydrochlorothiazide": "NS(=O)(=O)c1cc2c(NCNS2(=O)=O)cc1Cl",
    "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(O)=O",
    "isoniazid": "NNC(=O)c1ccncc1",
    "ivermectin aglycone part": "CC1CCC2(CC3CC(O2)CC=C(C)CO3)OC1",
    "ketoconazole": "CC(=O)N1CCN(CC1)c1ccc(OCC2COC(Cn3ccnc3)(O2)c2ccc(Cl)cc2Cl)cc1",
    "lamotrigine": "Nc1nnc(c(N)n1)-c1cccc(Cl)c1Cl",
    "lenalidomide": "Nc1cccc2C(=O)N(Cc12)C1CCC(=O)NC1=O",
    "levetiracetam": "CCC(N1CCCC1=O)C(N)=O",
    "levodopa": "NC(Cc1ccc(O)c(O)c1)C(O)=O",
    "linezolid": "CC(=O)NCC1CN(C(=O)O1)c1ccc(N2CCOCC2)c(F)c1",
    "lorazepam": "OC1N=C(c2ccccc2Cl)c2cc(Cl)ccc2NC1=O",
    "lorlatinib": "CC1Oc2cc(cnc2N)-c2c(CN(C)C(=O)c3ccc(F)cc13)nn(C)c2C#N",
    "lovastatin": "CCC(C)C(=O)OC1CC(C)C=C2C=CC(C)C(CCC3CC(O)CC(=O)O3)C12",
    "meloxicam": "CN1C(C(=O)Nc2ncc(C)s2)=C(O)c2ccccc2S1(=O)=O",
    "methylphenidate": "COC(=O)C(C1CCCCN1)c1ccccc1",
    "metronidazole": "Cc1ncc(n1CCO)[N+]([O-])=O",
    "midazolam": "Cc1ncc2CN=C(c3ccccc3F)c3cc(Cl)ccc3-n12",
    "mifepristone": "CC#CC1(O)CCC2C3CCC4=CC(=O)CCC4=C3C(CC12C)c1ccc(cc1)N(C)C",
    "minoxidil": "Nc1cc(N2CCCCC2)nc(N)[n+]1[O-]",
    "mirtazapine": "CN1CCN2C(C1)c1ccccc1Cc1cccnc21",
    "modafinil": "NC(=O)CS(=O)C(c1ccccc1)c1ccccc1",
    "montelukast": "CC(C)(O)c1ccccc1CCC(SCC1(CC1)CC(O)=O)c1cccc(C=Cc2ccc3ccc(Cl)cc3n2)c1",
    "mycophenolic acid": "COc1c(C)c2COC(=O)c2c(O)c1CC=C(C)CCC(O)=O",
    "naltrexone": "Oc1ccc2CC3N(CC4CC4)CCC45C(Oc1c24)C(=O)CCC35O",
    "neostigmine": "CN(C)C(=O)Oc1cccc(c1)[N+](C)(C)C",
    "nirmatrelvir": "CC1(C)C2CN(C(C12)C(=O)NC(CC1CCNC1=O)C#N)C(=O)C(NC(=O)C(F)(F)F)C(C)(C)C",
    "olanzapine": "CN1CCN(CC1)C1=Nc2ccccc2Nc2sc(C)cc12",
    "omeprazole": "COc1ccc2[nH]c(nc2c1)S(=O)Cc1ncc(C)c(OC)c1C",
    "ondansetron": "Cc1nccn1CC1CCc2c(C1=O)c1ccccc1n2C",
    "oseltamivir": "CCOC(=O)C1=CC(OC(CC)CC)C(NC(C)=O)C(N)C1",
    "paclitaxel core": "CC1=C2C(OC(C)=O)C(=O)C3(C)C(O)CC4OCC4(OC(C)=O)C3C(OC(=O)c3ccccc3)C(O)(CC1O)C2(C)C",
    "pacritinib": "C1CCN(C1)CCOc1ccc2cc1COCC=CCOCc1cccc(c1)-c1ccnc(N2)n1",
    "paroxetine": "Fc1ccc(cc1)C1CCNCC1COc1ccc2OCOc2c1",
    "phenytoin": "O=C1NC(=O)C(N1)(c1ccccc1)c1ccccc1",
    "praziquantel": "O=C(C1CCCCC1)N1CC2N(CCc3ccccc23)C(=O)C1",
    "prednisolone": "CC12CC(O)C3C(CCC4=CC(=O)C=CC34C)C1CCC2(O)C(=O)CO",
    "pregabalin": "CC(C)CC(CN)CC(O)=O",
    "quinine": "COc1ccc2nccc(C(O)C3CC4CCN3CC4C=C)c2c1",
    "raltegravir": "Cc1nnc(o1)C(=O)NC(C)(C)c1nc(C(=O)NCc2ccc(F)cc2)c(O)c(=O)n1C",
    "ranitidine": "CNC(=C[N+]([O-])=O)NCCSCc1ccc(CN(C)C)o1",
    "remdesivir": "CCC(CC)COC(=O)C(C)NP(=O)(OCC1OC(C#N)(C(O)C1O)c1ccc2c(N)ncnn12)Oc1ccccc1",
    "rifampicin part": "CN1CCN(CC1)N=Cc1c(O)c2c(O)c(C)ccc2cc1O",
    "risperidone": "Cc1nc2CCCCn2c(=O)c1CCN1CCC(CC1)c1noc2cc(F)ccc12",
    "rivaroxaban": "Clc1ccc(s1)C(=O)NCC1CN(C(=O)O1)c1ccc(cc1)N1CCOCC1=O",
    "rosuvastatin": "CC(C)c1nc(nc(c1C=CC(O)CC(O)CC(O)=O)-c1ccc(F)cc1)N(C)S(C)(=O)=O",
    "saxagliptin": "NC(C(=O)N1C2CC2CC1C#N)C12CC3CC(CC(O)(C3)C1)C2",
    "scopolamine": "CN1C2CC(CC1C1OC12)OC(=O)C(CO)c1ccccc1",
    "sertraline": "CNC1CCC(c2ccc(Cl)c(Cl)c2)c2ccccc12",
    "sitagliptin": "NC(CC(=O)N1CCn2c(C1)nnc2C(F)(F)F)Cc1cc(F)c(F)cc1F",
    "sofosbuvir": "CC(C)OC(=O)C(C)NP(=O)(OCC1OC(n2ccc(=O)[nH]c2=O)C(C)(F)C1O)Oc1ccccc1",
    "sulfamethoxazole": "Cc1cc(NS(=O)(=O)c2ccc(N)cc2)no1",
    "sulindac": "CC1=C(CC(O)=O)c2cc(F)ccc2C1=Cc1ccc(cc1)S(C)=O",
    "sumatriptan": "CNS(=O)(=O)Cc1ccc2[nH]cc(CCN(C)C)c2c1",
    "tamoxifen": "CCC(=C(c1ccccc1)c1ccc(OCCN(C)C)cc1)c1ccccc1",
    "tazobactam": "CC1(Cn2ccnn2)C(N2C(CC2=O)S1(=O)=O)C(O)=O",
    "terbinafine": "CN(CC=CC#CC(C)(C)C)Cc1cccc2ccccc12",
    "testosterone": "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
    "tizanidine": "Clc1ccc2nsnc2c1NC1=NCCN1",
    "tofacitinib": "CC1CCN(CC1N(C)c1ncnc2[nH]ccc12)C(=O)CC#N",
    "tramadol": "COc1cccc(c1)C1(O)CCCCC1CN(C)C",
    "trazodone": "Clc1cccc(c1)N1CCN(CCCn2nc3ccccn3c2=O)CC1",
    "valproic acid": "CCCC(CCC)C(O)=O",
    "varenicline": "C1C2CNCC1c1cc3nccnc3cc21",
    "venetoclax part": "CC1(C)CCC(CN2CCNCC2)=C(C1)c1ccc(Cl)cc1",
    "verapamil": "COc1ccc(CCN(C)CCCC(C#N)(C(C)C)c2ccc(OC)c(OC)c2)cc1OC",
    "vildagliptin": "OC12CC3CC(C1)CC(C3)(C2)NCC(=O)N1CCCC1C#N",
    "voriconazole": "CC(c1ncncc1F)C(O)(Cn1cncn1)c1ccc(F)cc1F",
    "warfarin": "CC(=O)CC(c1ccccc1)c1c(O)c2ccccc2oc1=O",
    "zidovudine": "Cc1cn(C2CC(N=[N+]=[N-])C(CO)O2)c(=O)[nH]c1=O",
    "ziprasidone": "Clc1cc2NC(=O)Cc2cc1CCN1CCN(CC1)c1nsc2ccccc12",
    "zolpidem": "CN(C)C(=O)Cc1c(nc2ccc(C)cn12)-c1ccc(C)cc1",
}
"""Approved drugs, and parts of some that are large."""

REFUSED_DRUGS = {
    "artemisinin": ("CC1CCC2C(C)C(=O)OC3OC4(C)CCC1C23OO4", "peroxide"),
    "tretinoin": ("CC1=C(C(C)(C)CCC1)C=CC(C)=CC=CC(C)=CC(O)=O", "polyene"),
    "carmustine": ("ClCCNC(=O)N(CCCl)N=O", "N-nitroso"),
    "dacarbazine": ("CN(C)N=Nc1[nH]cnc1C(N)=O", "triazene"),
    "chloral hydrate": ("OC(O)C(Cl)(Cl)Cl", "gem-diol"),
}
"""Drugs whose reactive or unstable group is what they act by, or is accepted: refused unless the motif is allowed."""


@pytest.mark.parametrize(
    ("name", "smiles"), [(name, smiles) for name, examples in UNSOUND.items() for smiles in examples]
)
def test_a_structure_that_no_chemist_would_make_is_found(name, smiles):
    assert name in find_motifs(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("name", DRUGS)
def test_an_approved_drug_has_no_motif(name):
    assert find_motifs(Chem.MolFromSmiles(DRUGS[name])) == []


@pytest.mark.parametrize("name", REFUSED_DRUGS)
def test_a_drug_with_a_reactive_group_is_refused_for_this_group_alone(name):
    smiles, motif = REFUSED_DRUGS[name]
    assert set(find_motifs(Chem.MolFromSmiles(smiles))) <= {motif, "polyene with a ring"}
    assert motif in find_motifs(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    "smiles",
    [
        "C1CCCc2cccc(CCCCC1)c2",  # [9]metacyclophane
        "C1CCCCc2ccc(CCCC1)cc2",  # [9]paracyclophane
        "c1cc2ccc3cccc4ccc(c1)c2c34",  # pyrene
        "C1Cc2cccc3cccc1c23",  # acenaphthene
        "C1CC2CCC1c1ccccc12",  # benzobicyclooctane
        "C1Cc2ccc(cc2)CCc2ccc1cc2",  # [2.2]paracyclophane
    ],
)
def test_fused_arenes_and_long_bridges_are_no_bridged_arenes(smiles):
    assert "bridged arene" not in find_motifs(Chem.MolFromSmiles(smiles))


def test_every_motif_has_a_name_of_its_own():
    names = [motif.name for motif in MOTIFS]
    assert len(set(names)) == len(names)
