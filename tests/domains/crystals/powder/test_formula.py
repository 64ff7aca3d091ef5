"""Formulas given as text."""

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.crystals.powder.formula import parse_formula


def test_a_formula_with_brackets_is_read():
    assert parse_formula("Ca3(PO4)2") == {"Ca": 3, "P": 2, "O": 8}


@pytest.mark.parametrize("text", ["", "LiXx", "hello world", "LiFe0.5Mn0.5O2"])
def test_what_is_no_formula_of_an_ordered_crystal_is_refused(text):
    with pytest.raises(InvdesignError, match="formula: expected"):
        parse_formula(text)
