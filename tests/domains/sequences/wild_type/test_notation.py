"""Notations of variants."""

import time

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.wild_type.notation import is_wild_type, parse_variant, residue


@pytest.mark.parametrize("mark", [";", ":", ",", "/", "_", "+", "|", " ", "-", "; "])
def test_any_usual_separator_divides_two_mutations(mark):
    edits = parse_variant(f"A7S{mark}N11G")
    assert [(e.start, e.start_letter, e.letters) for e in edits] == [(7, "A", "S"), (11, "N", "G")]


@pytest.mark.parametrize(
    ("text", "start", "old", "new"),
    [
        ("p.Ile12Leu", 12, "I", "L"),
        ("Ile12Phe", 12, "I", "F"),
        ("ile12phe", 12, "I", "F"),
        ("I12=", 12, "I", "I"),
        ("Tyr5Ter", 5, "Y", "*"),
        ("V-5G", -5, "V", "G"),
        ("S52AG", "52A", "S", "G"),
        ("S52A", 52, "S", "A"),
        ("A7-", 7, "A", "-"),
        ("-7A", 7, "-", "A"),
        ("0151", 15, "0", "1"),
        ("c.76A>T", 76, "A", "T"),
        ("(Q22A)", 22, "Q", "A"),
    ],
)
def test_substitutions_are_read_in_every_notation(text, start, old, new):
    (edit,) = parse_variant(text)
    assert (edit.kind, edit.start, edit.start_letter, edit.letters) == ("substitution", start, old, new)


@pytest.mark.parametrize("text", ["", " ", "A7", "hello", "A7SN11G", "12", "A7S;x", "p.Ile12fs", "A7S\u2192"])
def test_what_is_no_mutation_is_an_error(text):
    with pytest.raises(InvdesignError, match=r"cannot read|empty list"):
        parse_variant(text)


@pytest.mark.parametrize("text", ["108ins" + "ALA" * 60 + "!", "del" * 60 + "!", "A1" * 200 + "!"])
def test_a_long_word_is_refused_at_once(text):
    started = time.process_time()
    with pytest.raises(InvdesignError, match="cannot read"):
        parse_variant(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["WT", "wild type", "Wild-Type", "wild_type", "_wt", "p.=", "p.(=)", "none"])
def test_the_wild_type_has_several_names(text):
    assert is_wild_type(text) and parse_variant(text) == []


@pytest.mark.parametrize("text", ["x", "5-", "A5", "5AB", "1e3", True])
def test_what_is_no_residue_number_is_an_error(text):
    with pytest.raises(InvdesignError, match="expected a number such as 52"):
        residue(text)


@pytest.mark.parametrize(
    ("text", "letters"), [("10insSEC", "SEC"), ("10insALA", "ALA"), ("10insSecAla", "UA"), ("K7delinsTER", "TER")]
)
def test_inserted_capitals_are_one_letter_codes(text, letters):
    (edit,) = parse_variant(text)
    assert edit.letters == letters
