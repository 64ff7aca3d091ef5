"""Latent spaces of corpora on disk."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from invdesign.core import Corpus, InvdesignError
from invdesign.io.shard_writer import LineReader, store_corpus
from invdesign.io.stored_designs import StoredDesigns
from invdesign.latent import stored_encoding
from invdesign.latent.auxiliary_targets import FeatureTargets, auxiliary_targets
from invdesign.latent.key_filter import KeyFilter
from invdesign.latent.prepare import prepare
from invdesign.latent.stored_encoding import encode_stored, fit_encoding
from invdesign.latent.training_keys import corpus_keys
from invdesign.vae.training import Recipe


def parse(line: str) -> tuple[str | None, str]:
    return line, ""


def store(corpus: Corpus[str], folder: Path) -> Corpus[str]:
    path = folder / "words.txt"
    path.write_text("\n".join(corpus.designs))
    reader = LineReader(parse)
    return store_corpus([path], reader, folder / "corpora" / "w", name="w", noun="word", workers=1, lines_per_shard=100)


def test_rows_are_those_of_the_encoding_and_are_kept(corpus: Corpus[str], words: Any, tmp_path: Path) -> None:
    stored = store(corpus, tmp_path)
    encoding = words.fit(corpus.designs)
    rows = encode_stored(encoding, stored, workers=1)
    chosen = torch.tensor([500, 3, 250, 3])
    assert torch.equal(rows[chosen], encoding.encode([corpus.designs[i] for i in chosen.tolist()]))
    assert rows.n_tokens.tolist() == [len(word) + 1 for word in corpus.designs]
    written = {path: path.stat().st_mtime_ns for path in rows.rows.folder.iterdir()}
    (rows.rows.folder / "00002.safetensors").write_bytes(b"damaged")
    again = encode_stored(encoding, stored, workers=1)
    assert torch.equal(again[torch.arange(len(stored))], encoding.encode(corpus.designs))
    changed = [path.name for path, time in written.items() if path.stat().st_mtime_ns != time]
    assert sorted(changed) == ["00002.safetensors", "index.json"]


def test_designs_that_the_encoding_cannot_write_are_counted(
    corpus: Corpus[str],
    words: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_encoding, "MAX_LEARNT", 400)
    odd = replace(corpus, designs=("ab", "abxz", *corpus.designs[2:]))
    stored = store(odd, tmp_path)
    with caplog.at_level(logging.WARNING):
        encode_stored(fit_encoding(words, stored), stored, workers=1)
    assert f"1 of {len(stored):,} designs" in caplog.text


@pytest.mark.slow
def test_a_latent_space_of_a_corpus_on_disk_is_trained_and_knows_its_designs(
    corpus: Corpus[str], words: Any, recipe: Recipe, tmp_path: Path
) -> None:
    stored = store(corpus, tmp_path)
    latent_space = prepare(words, stored, replace(recipe, epochs=2), cache=tmp_path / "cache")
    assert isinstance(latent_space.training_keys, KeyFilter)
    assert all(word in latent_space.training_keys for word in corpus.designs)
    assert "dddddddd" not in latent_space.training_keys
    assert latent_space.card["corpus"]["designs"] == len(corpus)
    assert latent_space.card["corpus"]["parts"]["density"] == len(corpus)
    assert 0 < latent_space.card["diagnosis"]["neg_elbo"] < 20


def test_targets_of_designs_on_disk_are_those_of_designs_in_memory(
    corpus: Corpus[str], words: Any, tmp_path: Path
) -> None:
    stored, encoding = store(corpus, tmp_path), words.fit(corpus.designs)
    on_demand, in_memory = auxiliary_targets(encoding, stored, 2), auxiliary_targets(encoding, corpus, 2)
    assert isinstance(on_demand, FeatureTargets)
    assert isinstance(in_memory, torch.Tensor)
    rows = torch.tensor([5, 500, 40])
    assert torch.allclose(on_demand[rows], in_memory[rows], atol=0.01)


def test_keys_of_designs_on_disk_must_be_the_designs(corpus: Corpus[str], words: Any, tmp_path: Path) -> None:
    stored = store(corpus, tmp_path)
    assert isinstance(corpus_keys(words, stored), StoredDesigns)

    class Folded(type(words)):  # type: ignore[misc]
        def key(self, design: str) -> str:
            return design.upper()

    with pytest.raises(InvdesignError, match="their own keys"):
        corpus_keys(Folded(), stored)
