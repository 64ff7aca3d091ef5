"""Alignment of conditions after training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from invdesign.core import Corpus, InvdesignError
from invdesign.latent.condition_alignment import align_conditions, fit_condition_maps
from invdesign.latent.conditions import KnownConditions, fit_conditions
from invdesign.vae.conditioning import conditioning_of
from invdesign.vae.models.sequence import SequenceVAE


def model() -> SequenceVAE:
    torch.manual_seed(0)
    return SequenceVAE(7, 6, d=4, embedding=8, width=8).with_condition(2).eval()


def some_designs(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(3, 7, (n, 5), generator=generator)
    condition = torch.eye(2)[torch.randint(2, (n,), generator=generator)]
    x[condition[:, 1] == 1, 4] = 3  # the second laboratory writes a final letter of its own
    return x, condition


def differences(vae: SequenceVAE, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    mean = vae.posterior(x, condition).loc.detach()
    return mean[condition[:, 0] == 1].mean(0) - mean[condition[:, 0] == 0].mean(0)


def test_conditions_have_one_mean_afterwards_and_designs_decode_as_before() -> None:
    vae, (x, condition) = model(), some_designs()
    before = vae.generate(vae.posterior(x, condition).loc, condition)
    assert float(differences(vae, x, condition).abs().max()) > 0.1
    align_conditions(vae, x.split(50), condition)
    torch.testing.assert_close(differences(vae, x, condition), torch.zeros(4), atol=1e-4, rtol=0)
    assert torch.equal(vae.generate(vae.posterior(x, condition).loc, condition), before)


def test_what_belongs_to_a_confounded_property_stays() -> None:
    vae, (x, condition) = model(), some_designs()
    # The label follows the first letter, which is the property: nothing else distinguishes the conditions.
    x[:, 4] = 4
    condition = torch.eye(2)[(x[:, 0] == 3).long()]
    noisy = condition.clone()
    noisy[::4] = noisy[::4].flip(1)
    before = differences(vae, x, noisy)
    align_conditions(vae, x.split(50), noisy, {"y": (x[:, 0] == 3).double().numpy()})
    kept = differences(vae, x, noisy)
    vae = model()
    align_conditions(vae, x.split(50), noisy, {"y": np.full(len(x), np.nan)})
    assert float((kept - before).norm()) < 0.5 * float(before.norm())
    assert float(differences(vae, x, noisy).norm()) < 1e-3


def test_a_model_without_conditions_is_refused() -> None:
    vae = SequenceVAE(7, 6, d=4, embedding=8, width=8)
    assert conditioning_of(vae) is None
    with pytest.raises(InvdesignError, match="expected a conditional model"):
        align_conditions(vae, [], torch.zeros(0, 2))


def test_latents_of_each_condition_get_the_covariance_of_all_and_can_be_restored() -> None:
    generator = np.random.default_rng(0)
    laboratories = ("A", "B") * 300
    Z = generator.normal(size=(600, 3))
    Z[1::2] = Z[1::2] @ np.array([[2.0, 0, 0], [1.0, 0.5, 0], [0, 0, 1.0]])
    points = torch.from_numpy(Z - Z.mean(0))
    corpus = Corpus(tuple(map(str, range(600))), labels={"laboratory": laboratories})
    conditions = fit_conditions(corpus, ["laboratory"])
    rows = conditions.rows(corpus.labels)
    known = KnownConditions.of(conditions, corpus.designs, rows)
    assert known.align(points, rows) is points
    known = replace(known, maps=fit_condition_maps(points, rows))
    aligned = known.align(points, rows)
    torch.testing.assert_close(aligned[::2].T.cov(), aligned[1::2].T.cov(), atol=0.05, rtol=0)
    torch.testing.assert_close(known.restore(aligned, rows), points)
    few = fit_condition_maps(points[:40], rows[:40])
    torch.testing.assert_close(few, torch.eye(3, dtype=torch.float64).repeat(2, 1, 1))
