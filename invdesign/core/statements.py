"""Statements about designs in words: what a design has, and which end of a property it lies at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from invdesign.core.protocols import D_in


@runtime_checkable
class Describable(Protocol[D_in]):
    """Optional, of a domain: statements about designs, computed from the designs."""

    def statements(self, designs: Sequence[D_in]) -> list[frozenset[str]]:
        """Return for each design the words for what it has, in lower case, e.g. `"oxide"`, `"layered"`."""
        ...

    def extremes(self) -> Mapping[str, tuple[str, str]]:
        """Return for computed properties the words for the lowest and for the highest third of real designs."""
        ...

    def synonyms(self) -> Mapping[str, str]:
        """Return other words for a statement; `"no ..."` for its absence."""
        ...
