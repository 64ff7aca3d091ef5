"""The arithmetic of trust regions, by hand."""

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search.trust_region import TrustRegion


def test_three_successes_in_a_row_double_the_length_up_to_the_longest():
    region = TrustRegion(length=0.8, max_length=1.2)
    for _ in range(2):
        region = region.after(improved=True)
    assert (region.length, region.successes) == (0.8, 2)
    region = region.after(improved=True)
    assert (region.length, region.successes) == (1.2, 0)


def test_failures_in_a_row_halve_the_length_and_a_success_starts_their_count_anew():
    region = TrustRegion(length=0.8, patience=2)
    region = region.after(improved=False).after(improved=True).after(improved=False)
    assert (region.length, region.failures) == (0.8, 1)
    assert region.after(improved=False).length == 0.4


def test_a_region_is_exhausted_below_its_shortest_length():
    region = TrustRegion(length=0.8, patience=1)
    lengths = []
    while not region.exhausted:
        lengths.append(region.length)
        region = region.after(improved=False)
    assert lengths == [0.8 / 2**k for k in range(7)]  # 0.8 / 128 = 0.00625 < 0.5^7 = 0.0078125


def test_the_box_reaches_one_length_to_either_side():
    box = TrustRegion(length=0.5).bounds(torch.tensor([1.0, -2.0]).double())
    assert box.tolist() == [[0.5, -2.5], [1.5, -1.5]]


def test_weights_keep_the_volume_of_the_box():
    box = TrustRegion(length=0.5).bounds(torch.zeros(2).double(), torch.tensor([1.0, 4.0]).double())
    assert box[1].tolist() == pytest.approx([0.25, 1.0])


@pytest.mark.parametrize(
    "wrong", [{"length": 2.0}, {"length": 0.0}, {"min_length": 2.0}, {"patience": 0}, {"failures": -1}]
)
def test_a_region_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InvdesignError, match="trust region"):
        TrustRegion(**wrong)
