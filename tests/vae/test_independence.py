"""The loss term that makes latents independent of a condition."""

import pytest
import torch

from invdesign.vae.independence import independence
from invdesign.vae.losses import TrainingBatch
from invdesign.vae.models.sequence import SequenceVAE


def test_dependence_is_about_one_by_chance_and_grows_where_latents_hold_the_condition() -> None:
    vae = SequenceVAE(7, 6, d=4, embedding=8, width=8)
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(200, 4, generator=generator)
    condition = torch.eye(2)[torch.randint(2, (200,), generator=generator)]
    posterior = torch.distributions.Normal(mean, torch.ones_like(mean))
    chance = independence(vae, TrainingBatch(None, condition=condition), posterior, mean)
    assert float(chance[0]) == pytest.approx(1.0, abs=0.5)
    leaking = torch.distributions.Normal(mean + 2 * condition[:, :1], torch.ones_like(mean))
    found = independence(vae, TrainingBatch(None, condition=condition), leaking, mean)
    assert float(found[0]) > 3
    assert not independence(vae, TrainingBatch(None), posterior, mean).any()
