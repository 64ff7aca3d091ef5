"""Filters of keys."""

from __future__ import annotations

import numpy as np

from invdesign.io.stored_designs import text_hash
from invdesign.latent.key_filter import KeyFilter
from invdesign.latent.training_keys import TrainingKeys, keys_from_tensors, keys_to_tensors


def test_every_member_is_found_and_others_at_the_stated_rate() -> None:
    members = [f"C{i}" for i in range(20_000)]
    known = KeyFilter.of(np.array(list(map(text_hash, members))), rate=0.01)
    assert all(key in known for key in members)
    found = sum(f"N{i}" in known for i in range(20_000))
    assert abs(known.false_positive_rate - 0.01) < 1e-4
    assert abs(found - 200) < 4 * 200**0.5
    assert len(known.bits) < 1.25 * len(members)
    assert 3 not in known


def test_keys_are_restored_from_tensors() -> None:
    known = KeyFilter.of(np.array([text_hash("CCO")]))
    restored = keys_from_tensors(keys_to_tensors(known))
    assert isinstance(restored, KeyFilter)
    assert "CCO" in restored
    assert len(restored) == 1
    few = keys_from_tensors(keys_to_tensors(TrainingKeys.of(["CCO"])))
    assert isinstance(few, TrainingKeys)
    assert "CCO" in few
