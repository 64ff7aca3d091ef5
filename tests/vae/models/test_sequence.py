"""The token VAE: its shapes, its causality, and that one step at a time says what all at once says."""

import copy
import itertools

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.testing import check_vae
from invdesign.vae.losses import elbo
from invdesign.vae.models import sequence
from invdesign.vae.models.causal import Cache, Kind, Recurrent, Window, causal
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.priors import StandardNormal, kl_divergence
from invdesign.vae.tokens import END, PAD, UNKNOWN

KINDS: tuple[Kind, ...] = ("window", "convolution", "recurrent", "transformer")


def small(
    encoder: Kind = "window", decoder: Kind = "recurrent", *, d: int = 6, length: int = 9, **more: int
) -> SequenceVAE:
    torch.manual_seed(0)
    settings = {"embedding": 16, "width": 16, "depth": 2} | more
    return SequenceVAE(12, length, d=d, encoder=encoder, decoder=decoder, **settings).eval()


def some_batch(n: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(3, 12, (n, 9), generator=generator)
    for row, end in enumerate(torch.randint(0, 9, (n,), generator=generator).tolist()):
        x[row, end], x[row, end + 1 :] = END, PAD
    return x


@pytest.mark.parametrize(("encoder", "decoder"), list(itertools.product(KINDS, KINDS)))
def test_every_pair_of_networks_honours_the_contract(encoder: Kind, decoder: Kind) -> None:
    check_vae(small(encoder, decoder), some_batch())


def test_a_model_whose_positions_share_a_matrix_honours_the_contract() -> None:
    check_vae(small(is_rotated=True, anchors=2), some_batch())


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_says_the_same_step_by_step_as_all_at_once(kind: Kind) -> None:
    torch.manual_seed(0)
    network = causal(kind, 4, 8, depth=2, length=7).eval()
    y = torch.randn(3, 7, 4)
    whole, _ = network(y)
    cache, steps = (), []
    for step in range(7):
        out, cache = network(y[:, step : step + 1], cache)
        steps.append(out)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, rtol=1e-4, atol=1e-5)


def greedy_rows(vae: SequenceVAE) -> torch.Tensor:
    """Return what a model writes at random latents, after a check that each token is the likeliest."""
    z = 3 * torch.randn(200, 6, generator=torch.Generator().manual_seed(2))
    x = vae.generate(z)
    logits = vae.logits(x, z)
    logits[..., [PAD, UNKNOWN]] = -torch.inf
    best = logits.argmax(2)
    written = x[:, : best.shape[1]]
    real = written != PAD
    assert bool((best[real] == written[real]).all())
    return x


@pytest.mark.parametrize(("encoder", "decoder"), list(itertools.product(KINDS, KINDS)))
def test_greedy_writing_takes_the_likeliest_token_at_every_step(encoder: Kind, decoder: Kind) -> None:
    x = greedy_rows(small(encoder, decoder))
    # Rows end at different steps, so the batch has shrunk on the way.
    assert len(set((x != PAD).sum(1).tolist())) > 1


def test_greedy_writing_with_a_shared_matrix_takes_the_likeliest_token_too() -> None:
    greedy_rows(small(is_rotated=True))


@pytest.mark.parametrize("encoder", KINDS)
def test_no_token_is_rated_by_what_follows_it(encoder: Kind) -> None:
    vae = small(encoder)
    x = torch.full((1, 9), 5)
    y = x.clone()
    y[0, 4:] = 7
    z = torch.zeros(1, 6)
    torch.testing.assert_close(vae.logits(x, z)[:, :5], vae.logits(y, z)[:, :5])


def test_padding_changes_nothing() -> None:
    vae, x = small(), some_batch()
    x = x[(x != PAD).sum(1) < 9]
    short = x[:, : int((x != PAD).sum(1).max())]
    torch.testing.assert_close(vae.posterior(x).loc, vae.posterior(short).loc)
    z = torch.zeros(len(x), 6)
    torch.testing.assert_close(vae.log_likelihood(x, z), vae.log_likelihood(short, z))


def test_the_likelihoods_of_all_first_tokens_add_up_to_one() -> None:
    vae = small()
    x = torch.arange(12)[:, None].repeat(1, 1)
    z = torch.ones(1, 6).expand(12, 6)
    # Token 0 is padding and is rated 0 nats, so it is read from the logits instead.
    rated = vae.log_likelihood(x[1:], z[1:]).exp().sum()
    padding = vae.logits(x[1:2], z[:1]).softmax(2)[0, 0, 0]
    torch.testing.assert_close(rated + padding, torch.tensor(1.0))


def test_the_elbo_is_the_likelihood_minus_the_weighted_divergence() -> None:
    vae, x = small(), some_batch()
    torch.manual_seed(3)
    terms = elbo(vae, x, beta=0.5)
    kl = torch.distributions.kl_divergence(vae.posterior(x), torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(terms.kl, kl)
    torch.testing.assert_close(terms.loss, -terms.log_likelihood + 0.5 * kl.sum(1))
    torch.testing.assert_close(terms.log_likelihood, vae.log_likelihood(x, terms.z))


def test_the_divergence_of_the_prior_from_itself_is_nothing() -> None:
    normal = torch.distributions.Normal(torch.zeros(2, 3), torch.ones(2, 3))
    assert kl_divergence(normal, StandardNormal(), normal.loc).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_free_bits_leave_quiet_dimensions_unpunished() -> None:
    vae, x = small(), some_batch()
    terms = elbo(vae, x, beta=1.0, free_bits=1e6)
    torch.testing.assert_close(terms.loss, -terms.log_likelihood)


def test_the_hint_reads_the_shared_dimensions_only() -> None:
    vae = small(n_properties=2, n_shared=3)
    z = torch.zeros(1, 6)
    hinted = vae.predict(z)
    assert hinted is not None and hinted.shape == (1, 2)
    z[0, 3:] = 9.0
    torch.testing.assert_close(vae.predict(z), hinted)
    assert small().predict(z) is None


def test_an_architecture_builds_the_same_model_anew() -> None:
    settings = small(n_properties=2).architecture()
    vae = SequenceVAE(settings.pop("n_tokens"), settings.pop("length"), **settings)
    vae.load_state_dict(small(n_properties=2).state_dict())


@pytest.mark.parametrize(("encoder", "decoder"), [("window", "recurrent"), ("recurrent", "transformer")])
def test_a_beam_that_keeps_everything_finds_the_best_of_all_sequences(encoder: Kind, decoder: Kind) -> None:
    torch.manual_seed(0)
    vae = SequenceVAE(5, 2, d=3, encoder=encoder, decoder=decoder, embedding=8, width=8, beam=16).eval()
    every = torch.tensor([[END, PAD]] + [[a, b] for a in (3, 4) for b in (END, 3, 4)])
    posterior = vae.posterior(every)
    for z in torch.randn(20, 1, 3, generator=torch.Generator().manual_seed(4)):
        sd = vae.log_sd(z).exp()
        off = ((z - posterior.loc) / sd).square().sum(1)
        rated = vae.log_likelihood(every, z.expand(7, 3)) - 0.5 * off
        assert vae.generate(z).tolist() == [every[rated.argmax()].tolist()]


def test_a_beam_of_one_takes_the_likeliest_token_and_more_never_lose_rows() -> None:
    vae = small()
    z = 3 * torch.randn(40, 6, generator=torch.Generator().manual_seed(2))
    vae.beam = 3
    several = vae.generate(z)
    assert several.shape == (40, 9)
    one_by_one = torch.cat([vae.generate(row[None]) for row in z])
    assert torch.equal(several, one_by_one)


@pytest.mark.parametrize("kind", ["window", "recurrent"])
def test_what_is_kept_of_the_weights_gives_the_same_as_the_networks(kind: Kind) -> None:
    vae = small(encoder=kind, depth=1)
    x, z = vae.generate(3 * torch.randn(20, 6)), torch.randn(20, 6)
    with torch.no_grad():
        kept = vae.posterior(x).loc, vae.log_likelihood(x, z)
    assert torch.allclose(kept[0], vae.posterior(x).loc, atol=1e-6)
    assert torch.allclose(kept[1], vae.log_likelihood(x, z), atol=1e-5)


def test_terms_of_tokens_give_the_states_of_the_network() -> None:
    torch.manual_seed(0)
    vectors, tokens, rest = torch.randn(12, 4), torch.randint(0, 12, (5, 7)), torch.randn(5, 7, 3)
    window, recurrent = Window(4, 8), Recurrent(7, 8, 1)
    read, _ = window(vectors[tokens])
    written, _ = recurrent(torch.cat([vectors[tokens], rest], dim=2))
    reading: Cache = ()
    writing: Cache = ()
    for step in range(7):
        found, reading = window.from_terms(window.token_terms(vectors), tokens[:, step : step + 1], reading)
        assert torch.allclose(found[:, 0], read[:, step], atol=1e-6)
        terms = recurrent.token_terms(vectors)
        given = rest[:, step] @ recurrent.rest_weights(3)
        state, writing = recurrent.step_from_terms(terms, tokens[:, step], given, writing)
        assert torch.allclose(state, written[:, step], atol=1e-6)


@pytest.mark.parametrize(("encoder", "length"), [("window", 9), ("convolution", 9), ("recurrent", 3)])
def test_every_sequence_of_a_beam_is_rated_by_likelihood_and_distance_of_its_posterior_mean(
    encoder: Kind, length: int
) -> None:
    vae = small(encoder=encoder, length=length, beam=3)
    z = 3 * torch.randn(20, 6, generator=torch.Generator().manual_seed(3))
    for x, scores in ((output.batch, output.scores) for output in vae.generate_ranked(z)):
        off = (z - vae.posterior(x).loc) / vae.log_sd(z).clamp(-6, 2).exp()
        rated = vae.log_likelihood(x, z) - 0.5 * off.square().sum(1)
        found = scores.isfinite()
        assert bool(found.any())
        torch.testing.assert_close(scores[found], rated[found], atol=1e-3, rtol=1e-4)


def test_what_is_not_kept_and_not_encoded_at_once_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vae, x = small(depth=1, beam=3), some_batch()
    z = 3 * torch.randn(20, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected, mean = vae.generate(z), vae.posterior(x).loc
        monkeypatch.setattr(sequence, "MAX_KEPT", 0)
        monkeypatch.setattr(sequence, "MAX_READ_TOGETHER", 1)
        other = small(depth=1, beam=3)
        assert torch.equal(other.generate(z), expected)
        torch.testing.assert_close(other.posterior(x).loc, mean)


def test_weights_that_change_are_read_again() -> None:
    vae = small(depth=1)
    z = 3 * torch.randn(20, 6)
    before = vae.generate(z)
    copied = copy.deepcopy(vae)
    with torch.no_grad():
        vae.out.bias.copy_(torch.randn(vae.n_tokens))
        vae.embed.weight.mul_(-2)
    other = small(depth=1)
    other.load_state_dict(vae.state_dict())
    assert torch.equal(vae.generate(z), other.generate(z))
    assert torch.equal(copied.generate(z), before)


def test_weights_that_a_fused_optimizer_changes_are_read_again() -> None:
    vae = small(depth=1)
    z = 3 * torch.randn(20, 6)
    x = vae.generate(z)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=0.5, fused=True)
    (-vae.log_likelihood(x, vae.posterior(x).loc)).sum().backward()
    optimizer.step()
    other = small(depth=1)
    other.load_state_dict(vae.state_dict())
    assert torch.equal(vae.generate(z), other.generate(z))


def test_nothing_can_be_generated_from_nothing() -> None:
    assert small().generate(torch.zeros(0, 6)).shape == (0, 9)


def test_positions_beyond_the_anchors_lie_between_them() -> None:
    vae = SequenceVAE(12, 9, d=4, embedding=8, width=8, anchors=3, n_shared=0)
    placed = vae._place(9)
    torch.testing.assert_close(placed[2], (vae.place[0] + vae.place[1]) / 2)
    torch.testing.assert_close(placed[8], vae.place[2])


@pytest.mark.usefixtures("without_type_checks")
def test_settings_that_make_no_model_are_refused() -> None:
    with pytest.raises(InvdesignError, match="d >= 1"):
        SequenceVAE(12, 9, d=0)
    with pytest.raises(InvdesignError, match="heads"):
        SequenceVAE(12, 9, d=2, decoder="transformer", width=10)
    with pytest.raises(InvdesignError, match=r"expected .window."):
        SequenceVAE(12, 9, d=2, encoder="lstm")  # type: ignore[arg-type]
    with pytest.raises(InvdesignError, match="n_shared"):
        SequenceVAE(12, 9, d=2, n_shared=3)


def test_a_hidden_input_changes_the_posterior_in_training_alone() -> None:
    vae, x = small(input_dropout=1.0), some_batch()
    torch.testing.assert_close(vae(x)[0].loc, vae.posterior(x).loc)
    hidden, _, rated = vae.train()(x)
    # With all of its tokens hidden, a sequence is known by its length alone.
    same = x.masked_fill(x != PAD, UNKNOWN)
    torch.testing.assert_close(hidden.loc, vae.posterior(same).loc)
    assert bool(torch.isfinite(rated).all())


def test_sequences_are_generated_in_half_precision_too() -> None:
    vae = small(depth=1, beam=3)
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert vae.generate(z).shape == (4, 9)


def test_rows_without_a_position_have_the_posterior_of_an_empty_sequence() -> None:
    vae = small()
    with torch.no_grad():
        assert torch.equal(vae.posterior(torch.zeros(2, 0, dtype=torch.long)).loc, vae.center.expand(2, -1))
