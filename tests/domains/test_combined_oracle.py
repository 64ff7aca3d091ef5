"""Combination of oracles."""

from functools import partial

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.core.capabilities import prepare_oracle, prepare_with
from invdesign.domains.combined_oracle import combine_oracles


def lengths(designs):
    return [float(len(design)) for design in designs]


def test_columns_are_concatenated_in_the_order_of_the_oracles():
    oracles = [lengths, lambda designs: np.ones((len(designs), 2))]
    np.testing.assert_array_equal(combine_oracles(["C", "CC"], oracles=oracles), [[1, 1, 1], [2, 1, 1]])


def test_an_oracle_with_another_number_of_values_is_named():
    def first_only(designs):
        return [0.0]

    with pytest.raises(InvdesignError, match="first_only: expected values for 2 designs"):
        combine_oracles(["C", "CC"], oracles=[lengths, first_only])


def test_each_oracle_is_prepared():
    loaded = []
    first = prepare_with(lambda: loaded.append("first"))(lambda designs: lengths(designs))
    second = prepare_with(lambda *, path: loaded.append(path))(lambda designs, path: lengths(designs))
    prepare_oracle(partial(combine_oracles, oracles=[first, partial(second, path="a.csv"), lengths]))
    assert loaded == ["first", "a.csv"]
