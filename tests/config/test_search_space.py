"""The space of a tuning: intervals, whole numbers, choices, and the block of a campaign."""

import pytest

from invdesign.config.search_space import Dimension, check_block, parse_space, space_texts
from invdesign.core import InvdesignError


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("a.b=interval(0.1,10,log)", Dimension("a.b", 0.1, 10.0, is_log=True)),
        ("a.b=tag(log,interval(0.1,10.0))", Dimension("a.b", 0.1, 10.0, is_log=True)),
        ("a=int(interval(1,12))", Dimension("a", 1.0, 12.0, is_int=True)),
        ("a=interval(0.0,1.0)", Dimension("a", 0.0, 1.0)),
        ("search=random,thompson", Dimension("search", choices=("random", "thompson"))),
        ("search=glob(t*)", Dimension("search", choices=("thompson", "trust_region_bo"))),
        ("batch=range(5,20,5)", Dimension("batch", choices=("5", "10", "15"))),
        ("beta=[1,4],[4,16]", Dimension("beta", choices=("[1,4]", "[4,16]"))),
    ],
)
def test_the_grammar_is_that_of_hydra_with_a_short_form_for_logarithms(text: str, dimension: Dimension) -> None:
    assert parse_space([text]) == [dimension]


@pytest.mark.parametrize("text", ["a=1", "a=interval(2,1)", "a=interval(0,1,log)", "a=", "nonsense"])
def test_what_is_no_space_is_refused(text: str) -> None:
    with pytest.raises(InvdesignError):
        parse_space([text])


def test_an_empty_space_and_a_repeated_key_are_refused() -> None:
    with pytest.raises(InvdesignError, match="expected a space, got none"):
        parse_space([])
    with pytest.raises(InvdesignError, match="got it twice"):
        parse_space(["a=1,2", "a=3,4"])


def test_values_are_written_as_overrides() -> None:
    assert Dimension("a", 1.0, 12.0, is_int=True).override(3) == "a=3"
    assert Dimension("a", 0.1, 10.0).override(0.123456789) == "a=0.123457"
    assert Dimension("a", choices=("x", "y")).override("x") == "a=x"


def test_a_block_of_a_campaign_says_the_same() -> None:
    block = check_block({"space": {"batch": [5, 10], "a.b": "interval(1,2)"}, "trials": 9})
    assert space_texts(block) == ["batch=5,10", "a.b=interval(1,2)"]
    with pytest.raises(InvdesignError, match="has no setting 'tries'"):
        check_block({"tries": 9})
    with pytest.raises(InvdesignError, match="expected a block"):
        check_block([1])
