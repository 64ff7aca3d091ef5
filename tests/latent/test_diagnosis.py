"""Diagnosis of a latent space: its balance, its samples by source, and the sentence that states both."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.latent.density import nearest_posteriors, prior
from invdesign.latent.diagnosis import (
    balance_sentence,
    describe,
    diagnose,
    measure_decode_failures,
    warn_of_reconstruction,
)
from invdesign.latent.prepare import load_latent_space, prepare
from invdesign.vae.build import sequence_vae
from invdesign.vae.training import split
from tests.latent.conftest import Words


@dataclass(frozen=True)
class JudgedWords(Words):
    """Words of which those with three equal letters in a row are nonsense."""

    def quality(self, designs):
        return {"nonsense": np.array([any(3 * c in w for c in "abcd") for w in designs], dtype=float)}


@pytest.fixture(scope="module", params=["normal", "flow"])
def latent_space(request, corpus, recipe, cache: Path):
    build = partial(sequence_vae, d=8, embedding=16, width=16, prior=request.param)
    return prepare(JudgedWords(), corpus, replace(recipe, build=build, target_rate=8.0), cache=cache)


def test_a_diagnosis_states_the_balance_and_every_source(latent_space, corpus, recipe) -> None:
    card = latent_space.card["diagnosis"]
    assert card["rate"] == pytest.approx(8.0, rel=0.35)
    assert card["gap"] == pytest.approx(card["neg_elbo"] - card["information"])
    assert card["neg_elbo"] <= card["rate"] + card["distortion"] + 0.5
    assert [s["source"] for s in card["samples"]] == ["prior", "density", "corpus", "midpoints"]
    assert all(set(s["quality"]) == {"nonsense"} for s in card["samples"])
    assert set(card["quality"]) == {"nonsense"}
    text = "\n".join(describe(card))
    assert "prior (n = 1,000)" in text and "this space spends" in text


def test_decode_failures_are_counted_and_predicted_by_density(latent_space, corpus, monkeypatch) -> None:
    failures = latent_space.card["diagnosis"]["decode_failures"]
    assert failures["n"] > 400
    assert (failures["auroc"] is None) == (failures["n_failed"] == 0)

    def decode(self: Any, Z: torch.Tensor) -> list[str | None]:
        density = self.log_density(Z)
        return [None if low else "word" for low in (density < density.quantile(0.2)).tolist()]

    monkeypatch.setattr(type(latent_space), "decode", decode)
    found = measure_decode_failures(latent_space, corpus.designs[:40], n=60)
    assert (found.n, found.n_failed, found.auroc) == (60, 12, 1.0)


def test_the_novelty_of_samples_is_counted_against_the_corpus(latent_space, corpus) -> None:
    with_corpus = diagnose(latent_space, corpus.designs[:40], known=set(corpus.designs), n_samples=50, n_draws=2)
    without = diagnose(latent_space, corpus.designs[:40], n_samples=50, n_draws=2)
    assert without.samples[2].novelty == 1.0 > with_corpus.samples[2].novelty
    assert without.information is None and without.gap is None


def test_a_slow_decoder_decodes_only_the_first_samples(latent_space, corpus, monkeypatch) -> None:
    monkeypatch.setattr("invdesign.latent.diagnosis.FIRST_DECODED", 20)
    monkeypatch.setattr("invdesign.latent.diagnosis.MAX_SECONDS", 0.0)
    found = diagnose(latent_space, corpus.designs[:60], n_samples=50, n_draws=2)
    assert [sample.n for sample in found.samples] == [20] * 4 and found.decode_failures.n <= 20
    assert found.n_samples == 20 and found.fewer_samples.startswith("50 would take ")
    assert "samples of a source: 20, because 50 would take" in str(found)


def test_the_time_of_the_first_source_sets_the_number_of_samples_of_all(latent_space, corpus, monkeypatch) -> None:
    seconds = iter([0.0, 1.0, *range(1000, 100_000, 1000)])
    monkeypatch.setattr("invdesign.latent.diagnosis.FIRST_DECODED", 20)
    monkeypatch.setattr("invdesign.latent.diagnosis.time.process_time", lambda: next(seconds))
    found = diagnose(latent_space, corpus.designs[:60], n_samples=50, n_draws=2)
    assert [sample.n for sample in found.samples] == [50, 50, 50, 30]
    assert (found.n_samples, found.fewer_samples) == (50, "")


def test_a_wasteful_space_is_called_so() -> None:
    assert "expect nonsense" in balance_sentence(112.0, 27.0)
    assert "should be designs" in balance_sentence(33.0, 27.0)
    assert "not measured" in balance_sentence(33.0, None)


def test_the_prior_of_a_space_decodes_and_is_standard_in_the_base_of_a_flow(latent_space) -> None:
    torch.manual_seed(0)
    draws = latent_space.draw(4000, "prior")
    in_base = draws * latent_space.scale + latent_space.shift
    assert float(in_base.mean().abs()) < 0.05 and float(in_base.std()) == pytest.approx(1.0, abs=0.05)
    assert latent_space.draw(5, "density").shape == latent_space.draw(5, "corpus").shape == (5, 8)


def test_an_unknown_source_is_refused(latent_space, without_type_checks) -> None:
    with pytest.raises(InvdesignError, match="one of prior, density, corpus"):
        latent_space.draw(5, "atlas")


def test_draws_of_a_mixture_have_its_moments(latent_space) -> None:
    torch.manual_seed(0)
    draws = latent_space.density.sample(20_000)
    weights = latent_space.density.log_weights.exp()
    assert float((draws.mean(0) - weights @ latent_space.density.means).abs().max()) < 0.05
    for density in (prior, nearest_posteriors):
        assert density(latent_space.sample, latent_space.sample_sd).sample(7).shape == (7, 8)


def test_real_words_are_more_plausible_than_random_ones(latent_space, corpus, recipe) -> None:
    _, rows = split(len(corpus), held_out=recipe.held_out, seed=recipe.seed)
    real = [corpus.designs[i] for i in rows]
    Z = latent_space.encode(real)
    own = latent_space.plausibility(real, Z)
    assert float(latent_space.percentile(own).mean()) == pytest.approx(50.0, abs=3)
    assert latent_space.plausibility([], Z[:0]).shape == (0,)
    # A design at the latent of another one is implausible: the round trip fails.
    assert float(latent_space.plausibility(real, Z.flip(0)).median()) < float(own.median()) - 5


def test_a_stored_space_keeps_the_scale_of_its_percentiles(latent_space, corpus, recipe, cache: Path) -> None:
    folder = next(
        p.parent for p in (cache / "models").glob("*/model.json") if f'"{latent_space.card["sha256"]}"' in p.read_text()
    )
    again = load_latent_space(folder, latent_space.domain)
    assert torch.equal(again.reference_plausibilities, latent_space.reference_plausibilities)
    torch.testing.assert_close(again.encode(corpus.designs[:20]), latent_space.encode(corpus.designs[:20]))


def test_a_space_that_reconstructs_nothing_is_named_and_others_are_not() -> None:
    (sentence,) = warn_of_reconstruction({"diagnosis": {"reconstruction": 0.02, "n_held_out": 40}})
    assert sentence.startswith("The latent space decodes 2% of 40 held-out designs exactly")
    assert warn_of_reconstruction({"diagnosis": {"reconstruction": 0.5, "n_held_out": 40}}) == []
    assert warn_of_reconstruction({}) == []


def test_points_in_the_own_latents_of_the_vae_are_restored(latent_space) -> None:
    Z = latent_space.sample[:40]
    own = latent_space.vae_latents(Z)
    torch.testing.assert_close(latent_space.from_vae_latents(own), Z, atol=1e-3, rtol=1e-3)
