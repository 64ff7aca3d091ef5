"""Conditions of a VAE: what they change, and what is refused."""

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.vae.base import VAE
from invdesign.vae.conditioning import conditioning_of
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.models.sequence import SequenceVAE

BATCH = torch.randint(3, 7, (6, 5), generator=torch.Generator().manual_seed(1))
UNDER_A, UNDER_B = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def models() -> list[VAE]:
    torch.manual_seed(0)
    return [
        SequenceVAE(7, 6, d=6, embedding=8, width=8, beam=2).with_condition(2).eval(),
        AlignedVAE(7, 5, d=6, width=8, n_filters=2).with_condition(2).eval(),
    ]


@pytest.mark.parametrize("vae", models(), ids=lambda vae: type(vae).__name__)
def test_an_untrained_model_ignores_its_condition_and_a_trained_one_does_not(vae: VAE) -> None:
    z = vae.posterior(BATCH, UNDER_A).loc
    torch.testing.assert_close(z, vae.posterior(BATCH, UNDER_B).loc)
    reader = conditioning_of(vae)
    assert reader is not None
    with torch.no_grad():
        reader.shift.weight.normal_()
        reader.vector.weight.normal_()
    assert not torch.allclose(vae.posterior(BATCH, UNDER_A).loc, vae.posterior(BATCH, UNDER_B).loc)
    assert not torch.allclose(vae.log_likelihood(BATCH, z, UNDER_A), vae.log_likelihood(BATCH, z, UNDER_B))


@pytest.mark.parametrize("vae", models(), ids=lambda vae: type(vae).__name__)
def test_what_is_shifted_in_the_encoder_is_shifted_back_in_the_decoder(vae: VAE) -> None:
    reader = conditioning_of(vae)
    assert reader is not None
    with torch.no_grad():
        reader.shift.weight.normal_()
    z, moved = vae.posterior(BATCH, UNDER_A).loc, vae.posterior(BATCH, UNDER_B).loc
    assert torch.equal(vae.generate(z, UNDER_A), vae.generate(moved, UNDER_B)) or isinstance(vae, AlignedVAE)
    torch.testing.assert_close(moved - z, (reader.shift.weight @ (UNDER_B - UNDER_A)).expand_as(z), atol=1e-5, rtol=0)


@pytest.mark.parametrize("vae", models(), ids=lambda vae: type(vae).__name__)
def test_without_a_condition_the_default_one_counts(vae: VAE) -> None:
    reader = conditioning_of(vae)
    assert reader is not None
    with torch.no_grad():
        reader.shift.weight.normal_()
        reader.default.copy_(UNDER_B)
    assert torch.equal(vae.posterior(BATCH).loc, vae.posterior(BATCH, UNDER_B).loc)
    built = type(vae)(**vae.architecture())
    assert built.n_condition == 2
    built.load_state_dict(vae.state_dict())


def test_a_condition_of_another_size_is_refused_and_a_model_without_one_refuses_all() -> None:
    vae = models()[0]
    with pytest.raises(InvdesignError, match="expected 6 rows of 2 entries"):
        vae.posterior(BATCH, torch.ones(6, 3))
    with pytest.raises(InvdesignError, match="Use a conditional model"):
        SequenceVAE(7, 6, d=6, embedding=8, width=8).posterior(BATCH, UNDER_A)
