"""Keys of the designs that a model was trained on, so that its users can tell new designs from known ones."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Corpus, D, DesignSpace, InvdesignError
from invdesign.io.stored_designs import StoredDesigns
from invdesign.latent.key_filter import KeyFilter

N_BYTES = 4
N_CHECKED = 20
"""Designs of a corpus on disk whose keys are compared with themselves."""


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


def training_keys(domain: DesignSpace[D], corpus: Corpus[D]) -> TrainingKeys | KeyFilter:
    """Return the keys of a corpus in a form that is kept with a model: as a filter where the designs are on disk."""
    designs = corpus.designs
    if isinstance(designs, StoredDesigns):
        _check_own_keys(domain, designs)
        return KeyFilter.of(designs.hashes)
    return TrainingKeys.of(map(domain.key, designs))


def corpus_keys(domain: DesignSpace[D], corpus: Corpus[D]) -> Container[str]:
    """Return the keys of a corpus; designs on disk are their own keys and stay there."""
    designs = corpus.designs
    if isinstance(designs, StoredDesigns):
        _check_own_keys(domain, designs)
        return designs
    return frozenset(map(domain.key, designs))


def keys_to_tensors(keys: TrainingKeys | KeyFilter) -> dict[str, Tensor]:
    """Return keys as tensors to be stored with a model."""
    if isinstance(keys, TrainingKeys):
        return {"training_keys": keys.checksums}
    return {"training_keys": keys.bits, "filter": torch.tensor([keys.n_keys, keys.n_bits_per_key])}


def keys_from_tensors(tensors: Mapping[str, Tensor]) -> TrainingKeys | KeyFilter:
    """Return the keys that `keys_to_tensors` described."""
    if "filter" not in tensors:
        return TrainingKeys(tensors["training_keys"])
    n_keys, n_bits_per_key = tensors["filter"].tolist()
    return KeyFilter(tensors["training_keys"], n_keys, n_bits_per_key)


def _check_own_keys(domain: DesignSpace[D], designs: StoredDesigns) -> None:
    """Raise an error where the keys of a domain are not the designs themselves.

    Raises:
        InvdesignError: A design has another key.
    """
    for design in designs[:N_CHECKED]:
        key = domain.key(domain.from_text(design))
        if key != design:
            raise InvdesignError(
                f"corpus: expected designs on disk that are their own keys, got {design!r} with key {key!r}. Set "
                "domain.identity=exact, or choose a corpus that fits into memory"
            )


def _checksum(key: str) -> int:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:N_BYTES], "little", signed=True)
