"""Scales, frames and numbers of charts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from invdesign.report.svg import Canvas, Scale, color_index, format_number, format_tick, make_plot


def test_numbers_are_formatted_for_people() -> None:
    assert [format_number(v) for v in (6.04, 3.0, -0.5, 1234567.0, 0.00001234, math.nan, math.inf, 0.0)] == [
        "6.04",
        "3",
        "−0.500",
        "1.23e6",
        "1.23e−5",
        "–",
        "∞",
        "0",
    ]
    assert format_number(12345.0) == "12\u202f345" and format_tick(0.5) == "0.5" and format_tick(2e7) == "2e7"


def test_ticks_are_round_and_inside_the_scale() -> None:
    assert Scale(0, 10, 0, 100).ticks() == [0, 2, 4, 6, 8, 10]
    np.testing.assert_allclose(Scale(0.13, 0.42, 0, 100).ticks(), [0.15, 0.2, 0.25, 0.3, 0.35, 0.4])
    assert Scale(0.1, 1.7, 0, 100, is_log=True).ticks() == [0.125, 0.25, 0.5, 1.0]


def test_a_logarithmic_scale_with_one_power_of_two_has_linear_ticks() -> None:
    np.testing.assert_allclose(Scale(0.64, 1.01, 0, 100, is_log=True).ticks(), [0.7, 0.8, 0.9, 1.0])


@pytest.mark.parametrize(("high", "n"), [(2, 2), (12, 5), (150, 6), (1000, 6)])
def test_ticks_of_counts_are_whole_numbers(high: float, n: int) -> None:
    ticks = Scale(0.5, high, 0, 100, is_count=True).ticks(n)
    assert ticks and all(float(tick).is_integer() for tick in ticks) and len(ticks) <= n + 2


def test_a_frame_around_one_value_is_not_empty() -> None:
    frame = make_plot([1.0], [5.0], Canvas())
    assert frame.x.low < 1.0 < frame.x.high and frame.y.low < 5.0 < frame.y.high


def test_a_frame_needs_a_finite_value() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        make_plot([1.0], [math.nan], Canvas())


def test_points_that_are_not_finite_are_left_out_of_lines_and_dots() -> None:
    frame = make_plot([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], Canvas())
    assert frame.draw_line([0.0, 1.0, 2.0], [0.0, math.nan, 2.0], "ours").count("L") == 1
    assert frame.draw_dots([math.nan], [1.0], "ours", radius=2) == ""


def test_colours_beyond_a_ramp_are_those_of_its_ends() -> None:
    ramp = ("a", "b", "c")
    assert [color_index(v, 0.0, 3.0, ramp) for v in (-1.0, 0.5, 2.5, 9.0)] == [0, 0, 2, 2]
    assert color_index(1.0, 1.0, 1.0, ramp) == 1
