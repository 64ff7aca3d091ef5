"""Shares of proposers follow their finds, and none loses its share."""

import pytest

from invdesign.core import InvdesignError
from invdesign.search.sharing import Sharing

CONFIGURED = {"mutate": 0.9, "steps": 0.06, "paths": 0.04}


def test_without_finds_the_configured_shares_hold():
    assert Sharing().shares(CONFIGURED, []) == pytest.approx(CONFIGURED)
    assert Sharing().shares(CONFIGURED, [{}, {"seed": 7}]) == pytest.approx(CONFIGURED)


def test_finds_in_proportion_to_the_shares_leave_them_as_they_are():
    finds = [{"mutate": 90, "steps": 6, "paths": 4}] * 5
    assert Sharing().shares(CONFIGURED, finds) == pytest.approx(CONFIGURED)


def test_the_share_is_the_posterior_mean_of_a_dirichlet_distribution():
    shares = Sharing(prior=10, memory=0.5, min_share=0).shares(CONFIGURED, [{"steps": 8}, {"mutate": 6}])
    # The finds of the first round count half: 4 of 10.
    assert shares == pytest.approx({"mutate": (9 + 6) / 20, "steps": (0.6 + 4) / 20, "paths": 0.4 / 20})


def test_shares_follow_the_proposer_that_finds_more():
    sharing, shares, finds = Sharing(), dict(CONFIGURED), []
    for _ in range(30):
        # A latent step finds three times as much per proposal as the others.
        rates = {name: share * (3 if name == "steps" else 1) for name, share in shares.items()}
        finds.append({name: round(100 * rate / sum(rates.values())) for name, rate in rates.items()})
        shares = sharing.shares(CONFIGURED, finds)
    assert shares["steps"] > 10 * CONFIGURED["steps"] and sum(shares.values()) == pytest.approx(1)


def test_a_proposer_without_finds_keeps_a_part_of_its_share():
    shares = Sharing(min_share=0.25).shares(CONFIGURED, [{"mutate": 100}] * 200)
    assert all(shares[name] >= 0.25 * CONFIGURED[name] for name in CONFIGURED)
    assert shares["paths"] == pytest.approx(0.25 * 0.04, rel=0.1)


def test_finds_are_forgotten():
    shares = Sharing(memory=0.8).shares(CONFIGURED, [{"steps": 50}, *[{}] * 60])
    assert shares == pytest.approx(CONFIGURED, abs=1e-4)


def test_a_proposer_without_a_share_gets_none():
    shares = Sharing().shares({"mutate": 1.0, "steps": 0.0}, [{"mutate": 3}])
    assert shares == pytest.approx({"mutate": 1.0, "steps": 0.0})


@pytest.mark.parametrize("wrong", [{"n_best": 0}, {"memory": 0.0}, {"memory": 1.5}, {"prior": 0.0}, {"min_share": 2.0}])
def test_invalid_fields_raise_an_error(wrong):
    with pytest.raises(InvdesignError, match=r"sharing: expected"):
        Sharing(**wrong)
