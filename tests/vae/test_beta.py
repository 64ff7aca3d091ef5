"""The weight of the KL divergence: fixed, warmed up, adapted to a target."""

import math
from dataclasses import replace

import pytest

from invdesign.core import InvdesignError
from invdesign.vae.beta import BetaControl
from invdesign.vae.training import train
from tests.vae.test_training import RECIPE, model, words


def test_a_fixed_beta_rises_over_its_warmup_and_ignores_what_is_measured() -> None:
    beta = BetaControl(0.4, warmup_steps=10)
    beta.update(100.0, 1.0)
    assert [beta.at(step) for step in (0, 5, 20)] == [0.0, 0.2, 0.4]
    assert beta.loss(10.0, 2.0) == pytest.approx(6.0)


def test_beta_grows_above_the_target_rate_and_falls_below_it() -> None:
    above, below = BetaControl(0.1, target_rate=30.0), BetaControl(0.1, target_rate=30.0)
    for _ in range(20):
        above.update(60.0, 1.0)
        below.update(15.0, 1.0)
    assert below.beta < 0.1 < above.beta


def test_beta_grows_below_the_target_distortion() -> None:
    beta = BetaControl(0.1, target_distortion=4.0)
    for _ in range(20):
        beta.update(30.0, 2.0)
    assert beta.beta > 0.1
    assert beta.loss(30.0, 3.0) == 30.0
    assert beta.loss(30.0, 6.0) == 32.0


def test_a_number_that_is_none_does_not_change_beta() -> None:
    beta = BetaControl(0.1, target_rate=30.0)
    beta.update(math.nan, 1.0)
    assert beta.beta == 0.1 and beta.error is None


def test_two_targets_and_targets_that_cannot_be_reached_are_refused() -> None:
    with pytest.raises(InvdesignError, match="at most one"):
        BetaControl(0.1, target_rate=30.0, target_distortion=1.0)
    with pytest.raises(InvdesignError, match="positive"):
        BetaControl(0.1, target_rate=-1.0)
    with pytest.raises(InvdesignError, match="positive beta"):
        BetaControl(0.0, target_rate=3.0)


@pytest.mark.parametrize("target", [6.0])
def test_training_reaches_the_target_rate(target: float) -> None:
    recipe = replace(RECIPE, epochs=20, batch=32, learning_rate=5e-3, beta=0.1, target_rate=target)
    training = train(model(), words(800), recipe)
    assert training.validations[-1].kl == pytest.approx(target, rel=0.2)
