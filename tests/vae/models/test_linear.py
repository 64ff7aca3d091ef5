"""The linear model: exact where designs are linear, stored and loaded, and no match for curved data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from invdesign.core import Corpus
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import fragments
from invdesign.domains.sequences import Sequences
from invdesign.io.corpora import make_corpus
from invdesign.latent.prepare import prepare
from invdesign.testing import check_vae
from invdesign.vae.build import aligned_vae, linear_vae
from invdesign.vae.models import linear
from invdesign.vae.training import Recipe


def mutants(n: int = 400) -> Corpus[str]:
    """Return sequences whose second half depends linearly on the first: each letter is there or not."""
    draw = np.random.default_rng(0)
    switches = draw.integers(0, 2, (n, 6))
    return make_corpus(tuple(dict.fromkeys("".join("AK"[s] for s in (*row, *row)) for row in switches)), name="mutants")


def test_linear_designs_come_back_exactly_from_few_components(tmp_path: Path) -> None:
    corpus, domain = mutants(), Sequences(length=12)
    recipe = Recipe(lambda encoding: linear_vae(encoding, d=6), information_epochs=0)
    space = prepare(domain, corpus, recipe, cache=tmp_path)
    Z = space.encode(corpus.designs)
    assert space.decode(Z) == list(corpus.designs)
    again = prepare(domain, corpus, recipe, cache=tmp_path)
    assert torch.allclose(again.encode(corpus.designs), Z, atol=1e-5)
    assert space.card["training"]["steps"] == 0


def test_here_the_linear_model_is_better_than_a_vae_that_is_hardly_trained(tmp_path: Path) -> None:
    corpus, domain = mutants(), Sequences(length=12)
    linear = Recipe(lambda encoding: linear_vae(encoding, d=6), information_epochs=0)
    other = Recipe(lambda encoding: aligned_vae(encoding, d=6, width=8), epochs=3, information_epochs=0)
    shares = []
    for recipe in (linear, other):
        space = prepare(domain, corpus, recipe, cache=tmp_path)
        found = space.decode(space.encode(corpus.designs))
        shares.append(np.mean([a == b for a, b in zip(found, corpus.designs, strict=True)]))
    assert shares[0] == 1 > shares[1]


def test_molecules_decode_to_the_nearest_stored_one(tmp_path: Path) -> None:
    corpus = fragments(n=120, seed=0)
    recipe = Recipe(lambda encoding: linear_vae(encoding, d=16), information_epochs=0, held_out=10)
    space = prepare(Molecules(), corpus, recipe, cache=tmp_path)
    Z = space.encode(corpus.designs)
    found = space.decode(Z)
    assert set(found) <= set(corpus.designs)
    assert np.mean([a == b for a, b in zip(found, corpus.designs, strict=True)]) > 0.85


def test_an_unfitted_model_keeps_the_contract() -> None:
    encoding = Sequences(length=12).fit(mutants().designs)
    check_vae(linear_vae(encoding, d=4), encoding.encode(mutants().designs[:8]))


def test_a_corpus_of_one_family_is_fitted_though_none_of_it_can_be_held_out(tmp_path: Path) -> None:
    corpus = mutants()
    recipe = Recipe(lambda encoding: linear_vae(encoding, d=6), information_epochs=0)
    space = prepare(Sequences(length=12), replace(corpus, families=("one",) * len(corpus)), recipe, cache=tmp_path)
    assert space.decode(space.encode(corpus.designs)) == list(corpus.designs)


def test_designs_are_described_once_for_their_latents_and_likelihoods(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, domain = mutants(), Sequences(length=12)
    encoding = domain.fit(corpus.designs)
    x = encoding.encode(corpus.designs)
    model = linear_vae(encoding, d=4)
    model.fit_at_once(x[::2])
    expected = model.posterior(x).mean
    model.fit_at_once(x[::2])
    described: list[int] = []
    compute = model._compute_features

    def count(rows: torch.Tensor) -> torch.Tensor:
        described.append(len(rows))
        return compute(rows)

    monkeypatch.setattr(model, "_compute_features", count)
    z = model.posterior(x[:10]).mean
    model.log_likelihood(x[:10], z)
    assert torch.allclose(model.posterior(x[5:20]).mean, expected[5:20], atol=1e-5)
    assert torch.allclose(z, expected[:10], atol=1e-5)
    assert described == [10, 10]
    monkeypatch.setattr(linear, "MAX_MEMO", 10 * (len(model.mean) * 4 + x[0].nbytes) - 1)
    model.posterior(x[20:29])
    assert len(model._memo) == 9
    model.posterior(x[30:40])
    assert not model._memo
    monkeypatch.setattr(linear, "MAX_MEMO", 0)
    assert torch.allclose(model.posterior(x).mean, expected, atol=1e-5) and not model._memo
