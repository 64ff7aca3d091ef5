"""Conditions of designs: labels of a corpus, e.g. the laboratory of each row, as entries that a VAE reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from invdesign.core import Corpus, D, InvdesignError
from invdesign.latent.training_keys import TrainingKeys

MAX_VALUES = 100
"""Largest number of values of a label: one with more is a name of each row and no condition."""


@dataclass(frozen=True)
class Conditions:
    """The labels that a conditional VAE reads: one entry for each of their values."""

    shares: Mapping[str, Mapping[str, float]]
    """Share of each value in the corpus, by label."""

    @property
    def n(self) -> int:
        """Entries of a condition."""
        return sum(map(len, self.shares.values()))

    def rows(self, labels: Mapping[str, Sequence[str]]) -> Float[Tensor, "n c"]:
        """Return the conditions of `n` designs: 1 at the value of each label; the shares where it is unknown.

        Args:
            labels: Labels by name, each of length `n`.
        """
        blocks = []
        for name, shares in self.shares.items():
            known = {value: torch.eye(len(shares))[i] for i, value in enumerate(shares)}
            unknown = torch.tensor(list(shares.values()))
            blocks.append(torch.stack([known.get(value, unknown) for value in labels[name]]))
        return torch.cat(blocks, 1)

    def row(self, wanted: Mapping[str, str]) -> Float[Tensor, " c"]:
        """Return one condition: the wanted value of each label, and the most frequent one of the others.

        Raises:
            InvdesignError: The corpus has no such label or value.
        """
        complete = self.complete(wanted)
        return self.rows({name: (value,) for name, value in complete.items()})[0]

    def complete(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Return a value of each label: the wanted one, and the most frequent one of the others.

        Raises:
            InvdesignError: The corpus has no such label or value.
        """
        for name, value in wanted.items():
            if name not in self.shares:
                raise InvdesignError(
                    f"vae.decode_under: expected labels of vae.condition ({', '.join(self.shares)}), got {name!r}. "
                    "Correct the name, or train a model with it in vae.condition"
                )
            if str(value) not in self.shares[name]:
                raise InvdesignError(
                    f"vae.decode_under: expected a value of {name!r} that the corpus has "
                    f"({', '.join(self.shares[name])}), got {str(value)!r}. Choose one of these: designs of another "
                    "one were not seen in training"
                )
        most = {name: max(shares, key=lambda value: shares[value]) for name, shares in self.shares.items()}
        return {**most, **{name: str(value) for name, value in wanted.items()}}

    def to_json(self) -> dict[str, Any]:
        """Return the labels and shares as JSON, in their order."""
        return {"labels": [[name, list(shares.items())] for name, shares in self.shares.items()]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Conditions:
        """Return the conditions that `to_json` described."""
        return cls({name: {value: float(share) for value, share in shares} for name, shares in state["labels"]})


def fit_conditions(corpus: Corpus[D], names: Sequence[str]) -> Conditions:
    """Return the conditions of a corpus.

    Args:
        corpus: Has a label of each name.
        names: Names of labels.

    Raises:
        InvdesignError: A label is missing, has one value alone, or a value for nearly every design.

    Example:
        >>> corpus = Corpus(("CCO", "CCN", "CCC"), labels={"laboratory": ("A", "B", "A")})
        >>> conditions = fit_conditions(corpus, ["laboratory"])
        >>> conditions.rows(corpus.labels).tolist(), conditions.row({"laboratory": "B"}).tolist()
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0.0, 1.0])
    """
    shares: dict[str, dict[str, float]] = {}
    for name in names:
        if name not in corpus.labels:
            raise InvdesignError(
                f"vae.condition: expected labels of the corpus {corpus.name!r} ({', '.join(corpus.labels) or 'none'}), "
                f"got {name!r}. Have its column read: corpus.labels=[{name}]"
            )
        counts = Counter(value for value in corpus.labels[name] if value)
        if not 2 <= len(counts) <= MAX_VALUES:
            raise InvdesignError(
                f"vae.condition: expected a label of 2 to {MAX_VALUES} values, got {name!r} with {len(counts)}. Leave "
                "it out, or choose another column"
            )
        total = counts.total()
        shares[name] = {value: counts[value] / total for value in sorted(counts)}
    return Conditions(shares)


@dataclass(frozen=True, eq=False)
class KnownConditions:
    """The conditions of the designs of a corpus, by key: a design that was seen is encoded under its own."""

    conditions: Conditions
    """The labels."""
    keys: TrainingKeys
    """Keys of the designs."""
    table: Float[Tensor, "k c"]
    """Their conditions, in the order of the keys."""
    maps: Float64[Tensor, "c d d"] | None = None
    """Matrix of each value that aligns standardized latents (see `fit_condition_maps`); None for the identity."""

    def align(self, Z: Float64[Tensor, "n d"], rows: Float[Tensor, "n c"]) -> Float64[Tensor, "n d"]:
        """Return latents of designs as those of any condition."""
        return Z if self.maps is None else _apply(self._matrices(rows), Z, rows)

    def restore(self, Z: Float64[Tensor, "n d"], rows: Float[Tensor, "n c"]) -> Float64[Tensor, "n d"]:
        """Return latents as the VAE has them under the conditions: the inverse of `align`."""
        return Z if self.maps is None else _apply(torch.linalg.inv(self._matrices(rows)), Z, rows)

    def _matrices(self, rows: Tensor) -> Tensor:
        """Return the matrix of each distinct condition."""
        assert self.maps is not None
        unit = torch.eye(self.maps.shape[1], dtype=torch.float64)
        distinct = torch.unique(rows.double(), dim=0)
        return unit + torch.einsum("kc,cde->kde", distinct, self.maps - unit)

    @classmethod
    def of(cls, conditions: Conditions, keys: Sequence[str], rows: Float[Tensor, "n c"]) -> KnownConditions:
        """Return the table of `n` keys."""
        known = TrainingKeys.of(keys)
        table = torch.zeros(len(known), conditions.n)
        table[known.positions(keys)] = rows
        return cls(conditions, known, table)

    def with_designs(self, keys: Sequence[str], rows: Float[Tensor, "n c"]) -> KnownConditions:
        """Return a table with further designs; those that it has keep their conditions.

        Args:
            keys: Keys of `n` designs.
            rows: Their conditions.
        """
        extended = TrainingKeys(torch.cat([self.keys.checksums, TrainingKeys.of(keys).checksums]).unique())
        table = torch.zeros(len(extended), self.conditions.n)
        table[extended.positions(keys)] = rows
        table[torch.searchsorted(extended.checksums, self.keys.checksums)] = self.table.float()
        return replace(self, keys=extended, table=table)

    def of_designs(self, keys: Iterable[str], default: Float[Tensor, " c"]) -> Float[Tensor, "n c"]:
        """Return the condition of each design: its own where it was seen, else the default one."""
        positions = self.keys.positions(keys)
        rows = torch.cat([self.table, default.to(self.table)[None]])
        return rows[positions]


def _apply(matrices: Tensor, Z: Tensor, rows: Tensor) -> Tensor:
    """Return each latent multiplied by the matrix of its condition; matrices are in the order of `torch.unique`."""
    _, which = torch.unique(rows.double(), dim=0, return_inverse=True)
    moved = torch.empty_like(Z)
    for i, matrix in enumerate(matrices):
        moved[which == i] = Z[which == i] @ matrix.T.to(Z)
    return moved
