"""The domain of profiles: one number for each of many named features, in one file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, ComputedProperty, Corpus, EncodingShape, InvdesignError, Place
from invdesign.domains.profiles import tables
from invdesign.domains.profiles.drawing import bars

Kind = Literal["counts", "values"]
DIGITS = 6
"""Significant digits of a value; two profiles that are equal in them are one design."""
N_NAMED = 3


@dataclass(frozen=True)
class Profile:
    """A number for each of the named features."""

    names: tuple[str, ...]
    """Names of the features, e.g. genes or taxa."""
    values: tuple[float, ...]
    """Their counts or values."""


@dataclass(frozen=True)
class Profiles:
    """Profiles of counts, whose sum is a matter of depth, or of real values.

    Example:
        >>> Profiles().to_text(Profile(("A", "B"), (3.0, 0.0)))
        '{"A": 3, "B": 0}'
    """

    kind: Kind = "counts"
    """`"counts"` (reads of genes, taxa) or `"values"` (real numbers, e.g. intensities)."""
    tolerance: float = 0.2
    """Dissimilarity (`1 - resemblance`) up to which one profile can stand for another."""
    name: str = "profiles"
    """Name of the domain."""
    formats: tuple[str, ...] = (".csv",)
    """Suffixes of the formats that can be written."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InvdesignError(f"profiles: kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}")

    def make(self, names: Sequence[str], values: Sequence[float]) -> Profile:
        """Return the profile of some numbers, rounded to the digits that count.

        Raises:
            InvdesignError: A value is not finite, or a count is no whole number of 0 or more, or all are 0.
        """
        found = tuple(float(f"{float(value):.{DIGITS}g}") for value in values)
        is_counts = self.kind == "counts"
        if is_counts:
            found = tuple(map(float, values))  # a large count is exact
        if not all(map(math.isfinite, found)) or (is_counts and not _are_counts(found)):
            expected = "whole numbers of 0 or more, not all 0" if is_counts else "finite numbers"
            raise InvdesignError(f"profile: expected {expected}. Correct the row, or set domain.kind")
        return Profile(tuple(names), found)

    def key(self, design: Profile) -> str:
        """Return the text of a profile."""
        return self.to_text(design)

    def to_text(self, design: Profile) -> str:
        """Return a profile as JSON, a number for each feature."""
        numbers = [int(v) if v.is_integer() and abs(v) < 1e15 else v for v in design.values]
        return json.dumps(dict(zip(design.names, numbers, strict=True)))

    def from_text(self, text: str) -> Profile:
        """Return the profile that `to_text` wrote.

        Raises:
            InvdesignError: The text is none.
        """
        try:
            numbers = {str(name): float(value) for name, value in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise InvdesignError(f"{text[:60]!r}: expected a profile as JSON, e.g. {{'A': 3, 'B': 0}}") from error
        return self.make(tuple(numbers), tuple(numbers.values()))

    def read(self, path: Path) -> Corpus[Profile]:
        """Read a table: the column `design`, else one row for each profile and one column for each feature."""
        return tables.read(path, make=self.make, from_text=self.from_text, to_text=self.to_text)

    def write(
        self, designs: Sequence[Profile], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        """Write a table with the profiles as texts, further columns, and one column for each feature."""
        tables.write(designs, path, to_text=self.to_text, columns=columns or {})

    def settings(self) -> dict[str, Any]:
        """Return what `fit` depends on."""
        return {"kind": self.kind}

    def fit(self, designs: Sequence[Profile]) -> ProfileEncoding:
        """Learn the names, the depth, and mean and spread of each feature.

        Raises:
            InvdesignError: There are no designs, or they have different features.
        """
        if not designs or any(design.names != designs[0].names for design in designs):
            found = "profiles of different features" if designs else "none"
            raise InvdesignError(f"profiles: expected profiles with the same features, got {found}. Check the corpus")
        X = np.array([design.values for design in designs])
        depth = float(np.median(X.sum(1))) if self.kind == "counts" else 1.0
        scaled = normalize(X, self.kind, depth)
        spread = np.maximum(scaled.std(0), 1e-3 * max(float(scaled.std()), 1e-9))
        return ProfileEncoding(self, designs[0].names, depth, tuple(scaled.mean(0).tolist()), tuple(spread.tolist()))

    def restore(self, state: Mapping[str, Any]) -> ProfileEncoding:
        """Return the encoding of a stored model.

        Raises:
            InvdesignError: The state is that of another domain, or of the other kind of profiles.
        """
        try:
            kind, names, depth, center, spread = (state[k] for k in ("kind", "names", "depth", "center", "spread"))
        except (KeyError, TypeError) as error:
            raise InvdesignError(f"profiles: the state is that of another domain or version ({error})") from error
        return ProfileEncoding(Profiles(kind), tuple(names), float(depth), tuple(center), tuple(spread))

    def label(self, design: Profile) -> str:
        """Return the largest features."""
        order = np.argsort(-np.array(design.values), kind="stable")[:N_NAMED]
        largest = ", ".join(f"{design.names[i]} {design.values[i]:.4g}" for i in order)
        return f"{largest} ({len(design.names)} features)"

    def describe(self, designs: Sequence[Profile]) -> dict[str, list[Any]]:
        """Return the total and the number of features that are not 0."""
        return {
            "total": [round(sum(design.values), 4) for design in designs],
            "n_present": [sum(value != 0 for value in design.values) for design in designs],
        }

    def is_same(self, first: Profile, second: Profile) -> bool:
        """Return whether two profiles are alike within the tolerance."""
        return bool(self.resemblances([first], [second])[0, 0] >= 1 - self.tolerance)

    @property
    def resemblance(self) -> str:
        """Name of the similarity that `resemblances` returns."""
        return "Bray-Curtis similarity" if self.kind == "counts" else "similarity by relative distance"

    def resemblances(self, designs: Sequence[Profile], others: Sequence[Profile]) -> Array:
        """Return the share that profiles of counts have in common; of values 1 - |x - y| / |x|, at least 0; `n x k`."""
        X, Y = (
            np.array([d.values for d in side], dtype=np.float64).reshape(len(side), -1) for side in (designs, others)
        )
        if self.kind == "counts":
            X, Y = (Z / np.maximum(Z.sum(1, keepdims=True), 1.0) for Z in (X, Y))
            shared: Array = np.array([np.minimum(x, Y).sum(1) for x in X]).reshape(len(X), len(Y))
            return shared
        rows = [1 - np.linalg.norm(x - Y, axis=1) / max(float(np.linalg.norm(x)), 1e-12) for x in X]
        alike: Array = np.maximum(np.array(rows).reshape(len(X), len(Y)), 0.0)
        return alike

    def draw(self, design: Profile) -> str:
        """Return a profile as SVG bars."""
        return bars(design.names, design.values, [0.0] * len(design.names))

    def places(self, design: Profile) -> list[Place]:
        """Return the features; their surroundings are their share of the total, in powers of 2."""
        total = sum(map(abs, design.values)) or 1.0
        levels = [round(math.log2(max(abs(v) / total, 1e-6))) for v in design.values]
        return [Place(name, (f"{name}:{level}",)) for name, level in zip(design.names, levels, strict=True)]

    def draw_places(self, design: Profile, strengths: Sequence[float]) -> str:
        """Return a profile as SVG bars, features marked in red."""
        return bars(design.names, design.values, strengths)

    def traits(self, designs: Sequence[Profile]) -> list[frozenset[str]]:
        """Return the features with at least twice their equal share."""
        found = []
        for design in designs:
            share = 2 * sum(map(abs, design.values)) / len(design.values)
            found.append(frozenset(n for n, v in zip(design.names, design.values, strict=True) if abs(v) >= share > 0))
        return found

    def statements(self, designs: Sequence[Profile]) -> list[frozenset[str]]:
        """Return the names of the features with at least twice their equal share, in lower case."""
        return [frozenset(name.lower() for name in traits) for traits in self.traits(designs)]

    def extremes(self) -> dict[str, tuple[str, str]]:
        """Return the words for few and many features, uneven and even shares."""
        return {"richness": ("few features", "many features"), "evenness": ("uneven", "even")}

    def synonyms(self) -> dict[str, str]:
        """Return nothing: features have one name."""
        return {}

    def computed_properties(self) -> dict[str, ComputedProperty]:
        """Return the sum, the number of features that are not 0, and the evenness (0 to 1)."""
        from invdesign.domains.profiles.oracles import evenness

        return {
            "size": ComputedProperty(lambda designs: np.array([sum(design.values) for design in designs])),
            "richness": ComputedProperty(_count_present, "features"),
            "evenness": ComputedProperty(evenness),
        }


@dataclass(frozen=True)
class ProfileEncoding:
    """Profiles as rows of numbers, `n x p`, float32."""

    domain: Profiles
    """The domain."""
    names: tuple[str, ...]
    """Names of the `p` features."""
    depth: float
    """Sum to which counts are scaled; decoded profiles have it."""
    center: tuple[float, ...]
    """Mean of each scaled feature."""
    spread: tuple[float, ...]
    """Standard deviation of each scaled feature."""

    @property
    def shape(self) -> EncodingShape:
        """Sizes of a batch."""
        return EncodingShape(len(self.names))

    def state(self) -> dict[str, Any]:
        """Return what the model depends on, as JSON."""
        stored = {"names": list(self.names), "depth": self.depth}
        return {**self.domain.settings(), **stored, "center": list(self.center), "spread": list(self.spread)}

    def encode(self, designs: Sequence[Profile]) -> Tensor:
        """Return the numbers of profiles."""
        return torch.tensor([design.values for design in designs], dtype=torch.float32).view(-1, len(self.names))

    def decode(self, batch: Tensor) -> list[Profile | None]:
        """Return the profile of each row; None where a row is none."""
        return [self._decode(row) for row in batch.tolist()]

    def errors(self, designs: Sequence[Profile]) -> list[str]:
        """Return for each design why it cannot be encoded exactly."""
        return ["" if design.names == self.names else "other features than the corpus" for design in designs]

    def features(self, designs: Sequence[Profile]) -> Array:
        """Return standardized features, `n x p`: of counts their logarithms at equal depth."""
        X = np.array([design.values for design in designs], dtype=np.float64).reshape(-1, len(self.names))
        scaled: Array = (normalize(X, self.domain.kind, self.depth) - np.array(self.center)) / np.array(self.spread)
        return scaled

    def _decode(self, row: Sequence[float]) -> Profile | None:
        try:
            return self.domain.make(self.names, [round(v) for v in row] if self.domain.kind == "counts" else row)
        except (InvdesignError, ValueError, OverflowError):  # a network may write any number
            return None


def normalize(X: Array, kind: Kind, depth: float) -> Array:
    """Return counts as log(1 + count) at a common depth; values as they are."""
    if kind == "values":
        return X
    scaled: Array = np.log1p(X / np.maximum(X.sum(1, keepdims=True), 1.0) * depth)
    return scaled


def _are_counts(values: Sequence[float]) -> bool:
    return all(v >= 0 and v.is_integer() for v in values) and any(values)


def _count_present(designs: Sequence[Profile]) -> Array:
    return np.array([float(sum(v != 0 for v in design.values)) for design in designs])
