"""The aligned VAE: a latent that is a sum over positions, read back by cancellation."""

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.testing import check_vae
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.tokens import PAD, UNKNOWN


def small(**more: float) -> AlignedVAE:
    torch.manual_seed(0)
    return AlignedVAE(7, 5, **({"d": 6, "width": 8, "n_filters": 3} | more)).eval()


def some_batch(n: int = 6) -> torch.Tensor:
    return torch.randint(3, 7, (n, 5), generator=torch.Generator().manual_seed(1))


def test_it_honours_the_contract() -> None:
    check_vae(small(), some_batch())


def test_a_mutation_moves_a_design_by_the_same_step_whatever_else_is_mutated() -> None:
    vae, x = small(), some_batch()
    x[:, 2] = 3
    y = x.clone()
    y[:, 2] = 4
    steps = vae.posterior(y).loc - vae.posterior(x).loc
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_an_untrained_model_of_many_dimensions_reads_back_what_it_was_given() -> None:
    # 5 of 20 vectors, nearly orthogonal in 200 dimensions: cancellation needs no training for these.
    vae, x = small(d=200, n_filters=8), some_batch(50)
    assert torch.equal(vae.generate(vae.posterior(x).loc), x)


def test_what_is_no_letter_adds_nothing_and_is_not_rated() -> None:
    vae, x = small(), some_batch(3)
    z = torch.randn(3, 6)
    gap = x.clone()
    gap[:, 1] = UNKNOWN
    pad = x.clone()
    pad[:, 1] = PAD
    torch.testing.assert_close(vae.posterior(gap).loc, vae.posterior(pad).loc)
    lost = vae.log_likelihood(x, z) - vae.log_likelihood(gap, z)
    rated = vae.logits(x, z).log_softmax(2)[torch.arange(3), 1, x[:, 1]]
    torch.testing.assert_close(lost, rated)


def test_inputs_are_hidden_in_training_alone() -> None:
    vae, x = small(input_dropout=1.0), some_batch()
    assert not torch.equal(vae.posterior(x).loc, vae.center.expand(6, -1))
    torch.testing.assert_close(vae.train().posterior(x).loc, vae.center.expand(6, -1))


def test_it_is_built_anew_from_its_architecture_and_can_take_a_property_head() -> None:
    vae = small()
    again = AlignedVAE(**vae.architecture())
    again.load_state_dict(vae.state_dict())
    x, z = some_batch(2), torch.randn(2, 6)
    torch.testing.assert_close(again.logits(x, z), vae.logits(x, z))
    assert vae.predict(z) is None and vae.with_properties(3).predict(z).shape == (2, 3)


def test_sizes_that_make_no_model_are_refused() -> None:
    with pytest.raises(InvdesignError, match="two letters"):
        AlignedVAE(4, 5)
