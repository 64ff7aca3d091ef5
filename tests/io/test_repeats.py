"""The rule for repeated measurements."""

import math

import numpy as np
import pytest

from invdesign.io.measured_values import MeasuredValue
from invdesign.io.repeats import find_contradictions, merge_values


def values(*numbers):
    return [MeasuredValue(number) for number in numbers]


def test_the_mean_counts_with_its_standard_error():
    merged = merge_values(values(5.0, 7.0, 5.2))
    assert merged.value == pytest.approx(17.2 / 3) and merged.n == 3
    assert merged.error == pytest.approx(np.std([5, 7, 5.2], ddof=1) / math.sqrt(3))
    assert math.isnan(merge_values(values(5.0)).error)
    assert merge_values([MeasuredValue(5, 0.4)]).error == 0.4
    stated = merge_values([MeasuredValue(5, 0.4), MeasuredValue(5, 0.3)])
    assert stated.error == pytest.approx(0.25)
    assert math.isfinite(merge_values(values(1e300, -1e300)).error)


def test_a_bound_counts_only_without_plain_values_and_the_narrowest_is_kept():
    assert merge_values([MeasuredValue(50, bound=1), MeasuredValue(60)]).value == 60
    above = merge_values([MeasuredValue(50, bound=1), MeasuredValue(100, bound=1)])
    assert (above.value, above.bound) == (100, 1)
    between = merge_values([MeasuredValue(1, bound=1), MeasuredValue(3, bound=-1)])
    assert (between.value, between.error, between.bound) == (2, 1, 0)


def test_contradictions_are_found_by_the_noise_of_the_assay():
    rng = np.random.default_rng(0)
    groups = {i: values(*(i + 0.1 * rng.standard_normal(2))) for i in range(50)}
    assert find_contradictions(groups) == []
    groups[7] = values(7.0, 8.5)
    assert find_contradictions(groups) == [7]


def test_with_few_repeats_half_of_the_range_of_the_others_decides():
    assert find_contradictions({0: values(0, 1e6), 1: values(1), 2: values(2)}) == [0]
    assert find_contradictions({0: values(0, 1e6)}) == [0]
    assert find_contradictions({0: values(5.0, 5.2), 1: values(4), 2: values(7)}) == []
    assert find_contradictions({0: values(5.0, 5.2)}) == []


def test_values_over_many_decades_are_compared_as_logarithms():
    groups = {i: values(10.0 ** (i / 2), 1.3 * 10.0 ** (i / 2)) for i in range(12)}
    assert find_contradictions(groups) == []
    groups[3] = values(10.0, 10_000.0)
    assert find_contradictions(groups) == [3]


def test_copies_of_a_value_do_not_make_small_differences_contradictions():
    groups = {i: values(i, i) for i in range(20)}
    groups[3] = values(3.0, 3.01)
    assert find_contradictions(groups) == []


def test_a_value_beyond_a_bound_contradicts_it():
    assert find_contradictions({0: [MeasuredValue(50, bound=1), MeasuredValue(3)], 1: values(1), 2: values(100)}) == [0]
    assert find_contradictions({0: [MeasuredValue(5, bound=1), MeasuredValue(3, bound=-1)]}) == [0]
    assert find_contradictions({0: [MeasuredValue(50, bound=1), MeasuredValue(60)]}) == []
