"""Identity of compounds: parents of salts, neutral forms, keys of tautomers."""

import pytest

from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.smiles import molecule
from invdesign.domains.molecules.standardize import identity_key, standardize


@pytest.mark.parametrize(
    ("text", "design", "left_out"),
    [
        ("NCCO.Cc1ccc(S(=O)(=O)O)cc1", "NCCO", ("tosylate",)),
        ("[Na+].CC(=O)[O-]", "CC(=O)O", ("sodium",)),
        ("CC(=O)O[Na]", "CC(=O)O", ("sodium",)),
        ("C[N+](C)(C)C.[I-]", "C[N+](C)(C)C", ("iodide",)),
        ("CC(=O)Oc1ccccc1C(=O)O.NCCCC[C@H](N)C(=O)O", "CC(=O)Oc1ccccc1C(=O)O", ("lysine",)),
        ("C[O-].[Na+]", "CO", ("sodium",)),
        ("CC(C)(C)O.O", "CC(C)(C)O", ("water",)),
        ("CCN.CCN.OS(O)(=O)=O", "CCN", ("sulfate",)),
        ("[Na+].[Cl-]", "[Cl-].[Na+]", ()),
        ("[Cl-].[Cl-].[Zn+2]", "[Cl-].[Cl-].[Zn+2]", ()),
        ("F[P-](F)(F)(F)(F)F.[Na+]", "F[P-](F)(F)(F)(F)F.[Na+]", ()),
        ("C[N+](C)(C)CC([O-])=O", "C[N+](C)(C)CC(=O)[O-]", ()),
        ("C[N+](=O)[O-]", "C[N+](=O)[O-]", ()),
        ("CC(=O)c1ccccc1.CCCc1ccccn1", "CC(=O)c1ccccc1.CCCc1ccccn1", ()),
    ],
)
def test_the_parent_remains_and_what_is_left_out_is_named(text, design, left_out):
    found = standardize(molecule(text))
    assert (found.design, found.left_out) == (design, left_out)


def test_drugs_keep_their_salt_formers_names_out_of_the_way_of_size():
    for base in ("CCN(CC)CC", "NCCO", "C1CNCCN1"):
        for acid in ("O=C(O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O", "OC(=O)C(O)C(O)C(O)=O", "Cl"):
            assert standardize(molecule(f"{base}.{acid}")).design == base


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("CC(=O)O", "CC(=O)[O-]", True),
        ("Oc1ccccn1", "O=c1cccc[nH]1", True),
        ("NCC(=O)O", "[NH3+]CC(=O)[O-]", True),
        ("CCN", "CC[NH3+]", True),
        ("CCN.Cl", "CCN", True),
        ("CC(=O)CC(C)=O", "CC(O)=CC(C)=O", True),
        ("Cc1c[nH]cn1", "Cc1cnc[nH]1", True),
        ("CN=[N+]=[N-]", "C[N-][N+]#N", True),
        ("CS(C)=O", "C[S+](C)[O-]", True),
        ("C[C@H](F)C(C)=O", "C[C@@H](F)C(C)=O", False),
        ("CC[C@H](C)O", "CCC(C)O", False),
        ("C/C=C/C(C)=O", "C/C=C\\C(C)=O", False),
        ("O=C1CC[C@@H](N2C(=O)c3ccccc3C2=O)C(=O)N1", "O=C1CC[C@H](N2C(=O)c3ccccc3C2=O)C(=O)N1", False),
        ("C[13CH3]", "CC", False),
        ("CC(=O)CO", "CC(O)C=O", False),
    ],
)
def test_salts_charge_states_and_tautomers_have_one_key_and_stereoisomers_several(first, second, is_same):
    assert (identity_key(first) == identity_key(second)) == is_same
    compounds = Molecules(identity="compound")
    assert (compounds.key(compounds.from_text(first)) == compounds.key(compounds.from_text(second))) == is_same
    assert Molecules().is_same(first, second) == is_same


def test_decoded_compounds_are_neutral_and_charged_designs_can_still_be_encoded():
    designs = ["C[NH3+]", "CC(=O)[O-]", "CCO"]
    for identity, decoded in (("exact", designs), ("compound", ["CN", "CC(=O)O", "CCO"])):
        encoding = Molecules(identity=identity).fit(designs)
        assert encoding.decode(encoding.encode(designs)) == decoded
        assert encoding.errors(designs) == ["", "", ""]
