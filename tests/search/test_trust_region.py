"""Trust regions, with lengths computed by hand."""

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search.trust_region import TrustRegion


def test_the_length_doubles_up_to_the_maximum_and_halves():
    region = TrustRegion(length=0.8, max_length=1.2)
    assert region.grow() == TrustRegion(length=1.2, max_length=1.2)
    assert region.shrink() == TrustRegion(length=0.4, max_length=1.2)


def test_a_region_is_exhausted_below_its_minimum_length():
    region = TrustRegion(length=0.8)
    lengths = []
    while not region.is_exhausted:
        lengths.append(region.length)
        region = region.shrink()
    assert lengths == [0.8 / 2**k for k in range(7)]  # 0.8 / 128 = 0.00625 < 0.5^7 = 0.0078125


def test_the_box_extends_one_length_to_either_side():
    box = TrustRegion(length=0.5).bounds(torch.tensor([1.0, -2.0]).double())
    assert box.tolist() == [[0.5, -2.5], [1.5, -1.5]]


def test_weights_preserve_the_volume_of_the_box():
    box = TrustRegion(length=0.5).bounds(torch.zeros(2).double(), torch.tensor([1.0, 4.0]).double())
    assert box[1].tolist() == pytest.approx([0.25, 1.0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 2.0},
        {"length": 0.0},
        {"min_length": 2.0},
        {"success_tolerance": 0},
        {"failure_tolerance": 0},
    ],
)
def test_invalid_fields_raise_an_error(wrong):
    with pytest.raises(InvdesignError, match="trust region: expected"):
        TrustRegion(**wrong)
