"""A filter of millions of keys: which designs a model was trained on, in few bits for each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invdesign.io.stored_designs import Hashes, text_hash

FALSE_POSITIVES = 1e-4
"""Share of other keys that are taken for members."""
CHUNK = 1_000_000
LOW_HALF = np.uint64(2**32 - 1)


@dataclass(frozen=True, eq=False)
class KeyFilter:
    """A Bloom filter: every member is found, and a small share of other keys is taken for one.

    It takes `1.44 log2(1 / rate)` bits a key: 24 MB for 10 million keys at a rate of 1e-4.

    References:
        Bloom, Commun. ACM 1970, doi:10.1145/362686.362692; Kirsch and Mitzenmacher, Random Struct. Algorithms 2008,
        doi:10.1002/rsa.20208 (all bits of a key from two hashes).

    Example:
        >>> known = KeyFilter.of(np.array([text_hash("CCO"), text_hash("CCN")]))
        >>> "CCO" in known, "CCC" in known, known.false_positive_rate < 2e-4
        (True, False, True)
    """

    bits: Tensor
    """The filter, 8 bits in each uint8."""
    n_keys: int
    """Number of members."""
    n_bits_per_key: int
    """Bits that every member sets."""

    @classmethod
    def of(cls, hashes: Hashes, *, rate: float = FALSE_POSITIVES) -> KeyFilter:
        """Return the filter of keys with these hashes (see `text_hash`), with a rate of false positives."""
        n_bits_per_key = max(1, round(-math.log2(rate)))
        # The size at which this many bits a key have the rate: (1 - exp(-k n / m))^k.
        n_bits = -n_bits_per_key * max(1, len(hashes)) / math.log1p(-(rate ** (1 / n_bits_per_key)))
        bits = np.zeros(math.ceil(n_bits / 8), dtype=np.uint8)
        for start in range(0, len(hashes), CHUNK):
            for places in _places(np.asarray(hashes[start : start + CHUNK]), 8 * len(bits), n_bits_per_key):
                np.bitwise_or.at(bits, places >> np.uint64(3), _bit(places))
        return cls(torch.from_numpy(bits), len(hashes), n_bits_per_key)

    @property
    def false_positive_rate(self) -> float:
        """Expected share of other keys that are taken for members."""
        k, n = self.n_bits_per_key, self.n_keys
        return float(-math.expm1(-k * n / (8 * len(self.bits)))) ** k

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        bits = self.bits.numpy()
        hashes = np.array([text_hash(key)])
        return all(
            bool(bits[places >> np.uint64(3)] & _bit(places))
            for places in _places(hashes, 8 * len(bits), self.n_bits_per_key)
        )

    def __len__(self) -> int:
        return self.n_keys


def _places(hashes: Hashes, n_bits: int, n_bits_per_key: int) -> list[Hashes]:
    """Return the positions of the bits of some keys, one array for each bit of a key."""
    first, step = hashes & LOW_HALF, (hashes >> np.uint64(32)) | np.uint64(1)
    return [(first + np.uint64(i) * step) % np.uint64(n_bits) for i in range(n_bits_per_key)]


def _bit(places: Hashes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the bit of each position within its byte."""
    return np.left_shift(np.uint8(1), (places & np.uint64(7)).astype(np.uint8))
