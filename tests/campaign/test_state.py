"""Counters of a trust region, with lengths computed by hand."""

from __future__ import annotations

from invdesign.campaign import Region
from invdesign.search.trust_region import TrustRegion


def test_three_consecutive_successes_double_the_length_up_to_the_maximum() -> None:
    region = Region(TrustRegion(length=0.8, max_length=1.2), "root")
    for _ in range(2):
        region = region.update(is_improved=True)
    assert (region.trust.length, region.n_successes) == (0.8, 2)
    region = region.update(is_improved=True)
    assert (region.trust.length, region.n_successes) == (1.2, 0)


def test_consecutive_failures_halve_the_length_and_a_success_resets_their_count() -> None:
    region = Region(TrustRegion(length=0.8, failure_tolerance=2), "root")
    region = region.update(is_improved=False).update(is_improved=True).update(is_improved=False)
    assert (region.trust.length, region.n_failures, region.n_successes) == (0.8, 1, 0)
    region = region.update(is_improved=False)
    assert (region.trust.length, region.n_failures) == (0.4, 0)


def test_a_failure_resets_the_count_of_successes() -> None:
    region = Region(TrustRegion(), "root", n_successes=2).update(is_improved=False)
    assert (region.n_successes, region.n_failures) == (0, 1)
