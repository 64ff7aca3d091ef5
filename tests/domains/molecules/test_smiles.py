"""Parsing of untrusted SMILES, and the symbols of SMILES and SELFIES."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from invdesign.domains.molecules.corpus import fragments
from invdesign.domains.molecules.smiles import (
    canonical,
    decode_selfies,
    encode_selfies,
    molecule,
    parse,
    tokenize_smiles,
)

MOLECULES = fragments(n=300, seed=11).designs


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        (None, "NoneType"),
        (3.5, "float"),
        ("[C+99999]", "charge"),
        ("C" * 20_000, "20,000 characters"),
        ("C" * 700, "700 heavy atoms"),
        ("C(C)(C)(C)(C)C", "valence"),
        ("c1cccc1", "kekulize"),
        ("C1CC", "syntax"),
        ("CCO\0", "control"),
        ("ünïcode", "accents"),
        ("=cmd|calc", "syntax"),
        ("*CC*", "wildcard"),
        ("C C", "white space"),
        ("[Xx]", "syntax"),
        ("[Na+]CC(=O)[O-]", "valence electrons"),
        ("C[Mg+2]C", "valence electrons"),
        ("[CaH+2]", "valence electrons"),
        ("[K+2]", "valence electrons"),
        ("\N{GREEK SMALL LETTER ALPHA}", "accents"),
    ],
)
def test_invalid_input_is_rejected_with_a_reason(text, reason):
    mol, problem = parse(text)
    assert mol is None
    assert reason.lower() in problem.lower()


def test_the_reason_is_the_same_for_a_text_that_was_read_before():
    assert molecule("c1cccc1") is None
    assert "kekulize" in parse("c1cccc1")[1].lower()
    assert "kekulize" in parse("c1cccc1")[1].lower()


def test_canonical_smiles_keep_stereo_and_drop_atom_maps():
    assert canonical("C[C@H](N)C(O)=O") == "C[C@H](N)C(=O)O"
    assert canonical("F/C=C/F") == "F/C=C/F"
    assert canonical("[CH3:7][OH:2]") == "CO"
    assert canonical("OCC") == canonical(" C(O)C ") == "CCO"


@pytest.mark.parametrize("text", ["[Na+].[Cl-]", "C[Mg+]", "C[Mg]Br", "O->[Na+]", "N->[Mg+2]<-N", "[Li]C"])
def test_ions_of_metals_and_their_complexes_are_molecules(text: str) -> None:
    assert molecule(text) is not None


@given(st.sampled_from(MOLECULES), st.integers(0, 2**31 - 1))
@settings(deadline=None)
def test_every_spelling_of_a_molecule_has_one_canonical_form(smiles, seed):
    written = Chem.MolToRandomSmilesVect(molecule(smiles), 1, randomSeed=seed)[0]
    assert canonical(written) == smiles


@given(st.sampled_from(MOLECULES))
@settings(deadline=None)
def test_selfies_decode_to_the_same_molecule(smiles):
    symbols, problem = encode_selfies(smiles)
    assert not problem
    assert canonical(decode_selfies(symbols) or "") == smiles


@given(st.sampled_from(MOLECULES))
def test_the_concatenation_of_smiles_tokens_is_the_text(smiles):
    assert "".join(tokenize_smiles(smiles)) == smiles


def test_brackets_halogens_and_two_digit_rings_are_single_tokens():
    assert tokenize_smiles("Clc1[nH]c%12Br") == ["Cl", "c", "1", "[nH]", "c", "%12", "Br"]


@pytest.mark.parametrize("smiles", ["CI(=O)=O", "O=[Cl](=O)(=O)O", "c1ccccc1[I](Cl)Cl"])
def test_a_molecule_with_too_many_bonds_for_selfies_is_reported_not_raised(smiles):
    assert "SELFIES cannot represent it" in encode_selfies(smiles)[1]


def test_a_nitro_group_is_unchanged_by_selfies():
    symbols, problem = encode_selfies("O=[N+]([O-])c1ccccc1")
    assert not problem
    assert canonical(decode_selfies(symbols) or "") == "O=[N+]([O-])c1ccccc1"


@given(st.text(max_size=300))
@settings(deadline=None)
def test_no_text_makes_the_parser_raise(text):
    design = canonical(text)
    assert design is None or canonical(design) is not None


@given(st.lists(st.text(max_size=8), max_size=8))
@settings(deadline=None)
def test_no_symbols_make_the_decoder_raise(symbols):
    decode_selfies(symbols)
