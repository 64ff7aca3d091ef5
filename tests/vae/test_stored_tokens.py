"""Encoded designs on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from invdesign.io.ragged_shards import ragged, write_shard
from invdesign.vae import stored_tokens
from invdesign.vae.stored_tokens import StoredTokens


def stored(folder: Path, n_shards: int = 20, size: int = 10) -> StoredTokens:
    for i in range(n_shards):
        sizes = np.arange(size) % 3 + 1
        write_shard(folder, i, ragged(np.full(sizes.sum(), i + 1, dtype=np.uint8), sizes), {})
    return StoredTokens(folder, [size] * n_shards, length=4)


def test_rows_are_padded_in_the_order_in_which_they_are_asked_for(tmp_path: Path) -> None:
    rows = stored(tmp_path)
    assert rows[torch.tensor([155, 1])].tolist() == [[16, 16, 16, 0], [1, 1, 0, 0]]
    assert rows.n_tokens[:4].tolist() == [1, 2, 3, 1]
    assert len(rows.sample(7)) == 7
    assert len(rows.sample(1000)) == 200


def test_an_epoch_has_every_row_once_and_few_shards_at_a_time(tmp_path: Path) -> None:
    rows = np.setdiff1d(np.arange(200), [3, 77])
    shuffled = stored(tmp_path).shuffle(rows, np.random.default_rng(0))
    assert sorted(shuffled.tolist()) == rows.tolist()
    first = shuffled[:70] // 10
    assert len(np.unique(first)) == stored_tokens.SHARDS_TOGETHER
    assert np.any(np.diff(shuffled) < 0)
