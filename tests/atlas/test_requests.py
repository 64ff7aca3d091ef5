"""Requests in words."""

from __future__ import annotations

import pytest

from invdesign.atlas.requests import parse_request

STATEMENTS = {"lithium", "oxide", "layered", "large cell", "small cell", "ring", "one ring", "drug-like", "cubic"}
SYNONYMS = {"acyclic": "no ring", "big cell": "large cell", "spinel": "no cubic spinel"}


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("lithium-free layered oxide, large cell", ("layered", "oxide", "large cell"), ("lithium",)),
        ("Layered oxides without lithium, big cell", ("layered", "oxide", "large cell"), ("lithium",)),
        ("acyclic", (), ("ring",)),
        ("not acyclic, drug-like", ("ring", "drug-like"), ()),
        ("one ring; no small cells", ("one ring",), ("small cell",)),
        ("a lithium-containing cubic crystal", ("lithium", "cubic"), ()),
        ("no lithium, cubic", ("cubic",), ("lithium",)),
    ],
)
def test_a_text_states_and_denies(text: str, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    found = parse_request(text, STATEMENTS, SYNONYMS)
    assert (found.wanted, found.unwanted, dict(found.unknown)) == (wanted, unwanted, {})


def test_unknown_words_are_named_with_what_is_spelled_alike_and_not_guessed() -> None:
    found = parse_request("lithum-free magnetic oxide", STATEMENTS, SYNONYMS)
    assert found.wanted == ("oxide",) and found.unwanted == ()
    assert found.unknown["lithum"] == ("lithium",) and found.unknown["magnetic"] == ()


def test_a_synonym_of_a_statement_that_the_corpus_lacks_is_unknown() -> None:
    assert dict(parse_request("spinel", STATEMENTS, SYNONYMS).unknown) == {"cubic spinel": ()}
