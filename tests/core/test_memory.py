"""Return of free memory."""

import ctypes
from pathlib import Path

import pytest
import torch

from invdesign.core.memory import _find_trim, release_free_memory


def read_resident_megabytes() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(_find_trim() is None, reason="the C library cannot trim its heap")
def test_memory_between_long_lived_objects_is_released() -> None:
    # The small ones stay, so that the free blocks between them lie inside the heap.
    blocks = [torch.zeros(100_000) if i % 2 else torch.zeros(10_000) for i in range(1000)]
    kept = blocks[::2]
    before = read_resident_megabytes()
    del blocks
    release_free_memory()
    assert len(kept) == 500
    assert read_resident_megabytes() < before - 150


def test_a_c_library_without_trimming_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _find_trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert _find_trim() is None
    release_free_memory()
    _find_trim.cache_clear()
