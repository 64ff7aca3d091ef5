"""Conditional latent spaces: labels of a corpus, designs of another laboratory, and the leakage test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from invdesign.core import Corpus, InvdesignError
from invdesign.io.corpora import make_corpus
from invdesign.latent.conditions import Conditions, fit_conditions
from invdesign.latent.finetune import finetune
from invdesign.latent.leakage import auroc_of_label, describe_leakage, neighbour_rank_correlation
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.latent.space import LatentSpace
from invdesign.vae.training import Recipe

LABELS = {"laboratory": ("A", "B", "A", "")}


@pytest.fixture(scope="module")
def two_laboratories(corpus: Corpus[str]) -> Corpus[str]:
    """Return words of which laboratory B writes each with a final d, as if it were a salt."""
    words = sorted({word.replace("d", "c") for word in corpus.designs})
    laboratories = tuple("AB"[i % 2] for i in range(len(words)))
    written = tuple(word + "d" * (name == "B") for word, name in zip(words, laboratories, strict=True))
    n_a = np.array([float(word.count("a")) for word in words])
    return make_corpus(written, labels={"laboratory": laboratories}, properties={"n_a": n_a}, name="two laboratories")


@pytest.fixture(scope="module")
def space(words, two_laboratories: Corpus[str], recipe: Recipe, cache: Path) -> LatentSpace[str, torch.Tensor]:
    conditional = replace(recipe, condition=["laboratory"], epochs=25, information_epochs=0)
    return prepare(words, two_laboratories, conditional, cache=cache)


def test_labels_become_entries_and_unknown_ones_the_shares_of_the_corpus() -> None:
    corpus = Corpus(("w", "x", "y", "z"), labels=LABELS)
    conditions = fit_conditions(corpus, ["laboratory"])
    rows = conditions.rows(corpus.labels)
    assert rows[:3].tolist() == [[1, 0], [0, 1], [1, 0]]
    torch.testing.assert_close(rows[3], torch.tensor([2 / 3, 1 / 3]))
    assert Conditions.from_json(conditions.to_json()) == conditions
    assert conditions.complete({}) == {"laboratory": "A"}


def test_labels_that_are_no_conditions_are_refused() -> None:
    corpus = Corpus(("w", "x", "y", "z"), labels={**LABELS, "assay": ("1",) * 4}, name="table")
    with pytest.raises(InvdesignError, match=r"'table' \(laboratory, assay\), got 'plate'. Have its column read"):
        fit_conditions(corpus, ["plate"])
    with pytest.raises(InvdesignError, match="a label of 2 to 100 values, got 'assay' with 1"):
        fit_conditions(corpus, ["assay"])
    conditions = fit_conditions(corpus, ["laboratory"])
    with pytest.raises(InvdesignError, match=r"a value of 'laboratory' that the corpus has \(A, B\), got 'C'"):
        conditions.row({"laboratory": "C"})
    with pytest.raises(InvdesignError, match=r"labels of vae\.condition"):
        conditions.row({"assay": "1"})


def test_one_latent_decodes_to_what_either_laboratory_writes(space: LatentSpace[str, torch.Tensor]) -> None:
    Z = space.sample[:200]
    of_a, of_b = space.under({"laboratory": "A"}).decode(Z), space.under({"laboratory": "B"}).decode(Z)
    with_d = [sum("d" in (word or "") for word in words) for words in (of_a, of_b)]
    assert with_d[0] < 20 and with_d[1] > 180


def test_a_design_of_the_corpus_is_encoded_under_its_own_condition(
    space: LatentSpace[str, torch.Tensor], two_laboratories: Corpus[str]
) -> None:
    of_b = [word for word, name in zip(two_laboratories.designs, two_laboratories.labels["laboratory"], strict=True)]
    known = space.under({"laboratory": "A"}).encode(of_b[1::2])
    torch.testing.assert_close(known, space.under({"laboratory": "B"}).encode(of_b[1::2]))
    new = ["abcabcd"]
    assert not torch.allclose(
        space.under({"laboratory": "A"}).encode(new), space.under({"laboratory": "B"}).encode(new), atol=0.05
    )


def test_the_card_states_the_conditions_and_a_stored_model_keeps_them(
    space: LatentSpace[str, torch.Tensor], words, cache: Path
) -> None:
    leakage = space.card["leakage"]
    assert leakage["auroc_before"]["laboratory"] > 0.95 > leakage["auroc"]["laboratory"]
    assert set(leakage["correlation"]) == {"n_a"}
    folder = next(path for path in (cache / "models").iterdir() if '"condition"' in (path / "model.json").read_text())
    loaded = prepare(words, None, Pretrained(folder, decode_under={"laboratory": "B"}))
    assert loaded.card["condition"]["decode_under"] == {"laboratory": "B"}
    assert sum("d" in (word or "") for word in loaded.decode(space.sample[:100])) > 80
    with pytest.raises(InvdesignError, match="got 'C'"):
        prepare(words, None, Pretrained(folder, decode_under={"laboratory": "C"}))


def test_a_space_without_conditions_has_none_to_choose(words, corpus, recipe, cache: Path) -> None:
    with pytest.raises(InvdesignError, match=r"Train one with vae\.condition"):
        prepare(words, corpus, recipe, cache=cache).under({"laboratory": "A"})


def test_a_label_in_the_latents_is_found_and_an_independent_one_is_not() -> None:
    Z = np.random.default_rng(0).normal(size=(600, 4))
    labels = ["A" if z[0] > 0 else "B" for z in Z]
    assert auroc_of_label(Z, labels) > 0.95
    assert abs(auroc_of_label(Z[:, 1:], labels) - 0.5) < 0.08
    assert neighbour_rank_correlation(Z, Z[:, 0]) > 0.7
    text = describe_leakage({"auroc": {"laboratory": 0.97}, "auroc_before": {}, "correlation": {"logs": 0.5},
                             "correlation_before": {"logs": 0.6}})  # fmt: skip
    assert text == [
        "the laboratory can be predicted from the latents (AUROC .97; .5 is chance)",
        "logs: rank correlation with the nearest other designs .50, among structure features .60",
    ]


def test_a_new_design_with_a_label_is_encoded_under_it_and_those_of_the_corpus_keep_theirs(
    space: LatentSpace[str, torch.Tensor], two_laboratories: Corpus[str]
) -> None:
    known, new = two_laboratories.designs[1], "abcabcd"
    labelled = space.with_labels([new, known], {"laboratory": ["B", "A"], "day": ["1", "2"]})
    torch.testing.assert_close(labelled.encode([new]), space.under({"laboratory": "B"}).encode([new]))
    torch.testing.assert_close(labelled.encode([known]), space.encode([known]))
    torch.testing.assert_close(labelled.encode(["abca"]), space.encode(["abca"]))
    assert space.with_labels([new], {"day": ["1"]}) is space


def test_a_finetuned_space_still_hides_the_laboratory_and_decodes_what_either_writes(
    space: LatentSpace[str, torch.Tensor], two_laboratories: Corpus[str]
) -> None:
    designs = two_laboratories.designs[::6]
    utilities = np.array([float(word.count("a")) for word in designs])
    finetuned = finetune(space, designs, utilities, epochs=4, learning_rate=2e-3, batch=32, n_replay=400)
    assert finetuned.known_conditions is not None and finetuned.known_conditions.maps is not None
    labels = list(two_laboratories.labels["laboratory"])
    assert auroc_of_label(finetuned.encode(two_laboratories.designs).numpy(), labels) < 0.75
    written = [finetuned.under({"laboratory": name}).decode(finetuned.sample[:200]) for name in "AB"]
    with_d = [sum("d" in (word or "") for word in words) for words in written]
    assert with_d[0] < 30 and with_d[1] > 170
    assert len(finetuned.reference_plausibilities) > 100


def test_points_in_the_own_latents_of_a_conditional_vae_are_restored(space: LatentSpace[str, torch.Tensor]) -> None:
    under_b = space.under({"laboratory": "B"})
    Z = space.sample[:40]
    torch.testing.assert_close(under_b.from_vae_latents(under_b.vae_latents(Z)), Z, atol=1e-3, rtol=1e-3)
