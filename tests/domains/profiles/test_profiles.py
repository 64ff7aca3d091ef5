"""The domain of profiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import nbinom, spearmanr

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.profiles import Profile, Profiles
from invdesign.domains.profiles.corpus import programs, table
from invdesign.domains.profiles.oracles import log_ratio
from invdesign.domains.profiles.vae import negative_binomial, profile_vae
from invdesign.io.tables import write_table
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.prepare import prepare
from invdesign.vae.training import Recipe

COUNTS = programs(200)


def values_of(n: int = 200) -> list[Profile]:
    Z = np.random.default_rng(0).normal(size=(n, 2))
    X = Z @ np.random.default_rng(1).normal(size=(2, 12)) + 0.1 * np.random.default_rng(2).normal(size=(n, 12))
    return [Profiles("values").make([f"m{i}" for i in range(12)], row) for row in X.tolist()]


def test_counts_and_values_keep_the_contract_of_a_domain() -> None:
    testing.check_domain(Profiles(), COUNTS.designs[:6])
    testing.check_domain(Profiles("values"), values_of(6))


def test_the_built_in_corpus_keeps_the_contract_and_is_the_same_world_for_every_seed() -> None:
    testing.check_corpus(lambda: programs(30, seed=3))
    first, second = (np.array([d.values for d in programs(300, seed=s).designs]).mean(0) for s in (0, 1))
    assert spearmanr(first, second)[0] > 0.9


def test_a_wide_table_is_read_with_its_properties_and_its_rejections(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    write_table({"sample": ["a", "b", "c"], "g1": [3, 0, 1.5], "g2": [0, 7, 2], "response": [0.1, 0.2, 0.3]}, path)
    corpus = table(path, properties={"y": "response"})
    assert corpus.designs == (Profile(("g1", "g2"), (3.0, 0.0)), Profile(("g1", "g2"), (0.0, 7.0)))
    assert corpus.properties["y"].tolist() == [0.1, 0.2] and corpus.names == ("a", "b")
    assert [r.row for r in corpus.rejected] == [4] and "whole numbers" in corpus.rejected[0].reason
    assert len(table(path, kind="values", features=["g1", "response"])) == 3


@pytest.mark.parametrize("values", [(1.5, 2.0), (-1.0, 2.0), (0.0, 0.0), (float("nan"), 1.0)])
def test_what_is_no_profile_of_counts_is_refused(values: tuple[float, float]) -> None:
    with pytest.raises(InvdesignError, match="whole numbers"):
        Profiles().make(("a", "b"), values)


def test_profiles_of_other_features_are_refused() -> None:
    with pytest.raises(InvdesignError, match="same features"):
        Profiles().fit([Profile(("a",), (1.0,)), Profile(("b",), (1.0,))])
    encoding = Profiles().fit(COUNTS.designs)
    assert encoding.errors([Profile(("a",), (1.0,))]) == ["other features than the corpus"]


def test_the_negative_binomial_is_that_of_scipy() -> None:
    x, mean, r = torch.tensor([0.0, 3.0, 40.0]), torch.tensor([0.5, 4.0, 30.0]), torch.tensor([0.7, 2.0, 9.0])
    expected = nbinom.logpmf(x.numpy(), r.numpy(), (r / (r + mean)).numpy())
    assert np.allclose(negative_binomial(x, mean, r).numpy(), expected, atol=1e-4)


def test_the_depth_of_a_sample_does_not_move_its_latent() -> None:
    encoding = Profiles().fit(COUNTS.designs)
    vae = profile_vae(encoding, d=4, width=16)
    x = encoding.encode(COUNTS.designs[:20])
    assert torch.allclose(vae.posterior(x).loc, vae.posterior(3 * x).loc, atol=1e-5)


@pytest.mark.parametrize("kind", ["counts", "values"])
def test_a_trained_space_decodes_profiles_that_resemble_the_given_ones(kind: str, tmp_path: Path) -> None:
    from invdesign.io.corpora import make_corpus

    domain = Profiles(kind)  # type: ignore[arg-type]
    corpus = COUNTS if kind == "counts" else make_corpus(tuple(values_of()), name="v", to_text=domain.to_text)
    recipe = Recipe(lambda e: profile_vae(e, d=4, width=32), epochs=60, batch=32, beta=0.3, held_out=20)
    space = prepare(domain, corpus, recipe, cache=tmp_path)
    decoded = space.decode(space.encode(corpus.designs[:60]))
    assert all(design is not None for design in decoded)
    pairs = zip(corpus.designs, [design for design in decoded if design is not None], strict=False)
    assert np.mean([domain.resemblances([a], [b])[0, 0] for a, b in pairs]) > 0.75


def test_a_property_head_has_finite_targets_for_values_below_zero() -> None:
    from invdesign.io.corpora import make_corpus

    domain = Profiles("values")
    corpus = make_corpus(tuple(values_of()), name="v", to_text=domain.to_text)
    targets = auxiliary_targets(domain.fit(corpus.designs), corpus, 3)
    assert isinstance(targets, torch.Tensor) and bool(targets.isfinite().all())


def test_a_log_ratio_is_that_of_means() -> None:
    designs = [Profile(("a", "b", "c"), (7.5, 1.5, 0.5))]
    assert log_ratio(designs, up=["a"], down=["b"]).tolist() == [2.0]
    with pytest.raises(InvdesignError, match="expected features of the profiles, got z"):
        log_ratio(designs, up=["z"])


def test_batches_of_two_laboratories_get_one_space_and_are_decoded_as_either_writes_them(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    corpus = programs(400, n_features=20)
    laboratories = tuple(draw.choice(["A", "B"], size=len(corpus)).tolist())
    factor = np.where(np.arange(20) < 5, 6.0, 1.0)
    rows = [
        [*(np.array(design.values) * (factor if name == "B" else 1)).round()]
        for design, name in zip(corpus.designs, laboratories, strict=True)
    ]
    columns = {"laboratory": list(laboratories)}
    names = corpus.designs[0].names
    path = tmp_path / "samples.csv"
    write_table({**columns, **{name: [row[i] for row in rows] for i, name in enumerate(names)}}, path)
    found = table(path, labels=["laboratory"], features=names)
    assert found.labels["laboratory"] == laboratories
    recipe = Recipe(
        lambda encoding: profile_vae(encoding, d=6, width=32), epochs=40, batch=32, learning_rate=3e-3,
        condition=["laboratory"], information_epochs=0, device="cpu",
    )  # fmt: skip
    space = prepare(Profiles(), found, recipe, cache=tmp_path)
    leakage = space.card["leakage"]
    assert leakage["auroc_before"]["laboratory"] > 0.95 > 0.7 > leakage["auroc"]["laboratory"]
    shares = []
    for name in "AB":
        decoded = [design for design in space.under({"laboratory": name}).decode(space.sample[:100]) if design]
        shares.append(np.mean([sum(design.values[:5]) / sum(design.values) for design in decoded]))
    assert shares[1] > 1.5 * shares[0]
