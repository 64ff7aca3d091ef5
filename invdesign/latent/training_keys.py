"""Keys of the designs that a model was trained on, so that its users can tell new designs from known ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

N_BYTES = 4


@dataclass(frozen=True, eq=False)
class TrainingKeys:
    """A set of keys, stored as the first 32 bits of their SHA-256 checksums.

    Another key is taken for one of `n` members with probability `n / 2^32`: 6e-5 for 250,000 keys, which take 1 MB.

    Example:
        >>> known = TrainingKeys.of(["CCO", "CCN"])
        >>> "CCO" in known, "CCC" in known
        (True, False)
    """

    checksums: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int32))
    """The checksums in ascending order, int32."""

    @classmethod
    def of(cls, keys: Iterable[str]) -> TrainingKeys:
        """Return the set of keys."""
        checksums = np.fromiter((_checksum(key) for key in keys), dtype=np.int32)
        return cls(torch.from_numpy(np.unique(checksums)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(self.positions([key])[0] >= 0)

    def positions(self, keys: Iterable[str]) -> Tensor:
        """Return the position of each key among the checksums; -1 for one that is no member."""
        wanted = np.fromiter((_checksum(key) for key in keys), dtype=np.int32)
        values = self.checksums.numpy()
        if not len(values):
            return torch.full((len(wanted),), -1)
        found = np.searchsorted(values, wanted).clip(max=len(values) - 1)
        return torch.from_numpy(np.where(values[found] == wanted, found, -1))

    def __len__(self) -> int:
        return len(self.checksums)


def _checksum(key: str) -> int:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:N_BYTES], "little", signed=True)
