"""The toy domain by itself, which worker processes import without the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Point = tuple[int, ...]


@dataclass(frozen=True)
class Grid:
    """Points of Z^d; a point more than 30 steps from the origin is no design."""

    name: str = "grid"

    def key(self, design: Point) -> str:
        return ",".join(map(str, design))

    def to_text(self, design: Point) -> str:
        return self.key(design)

    def from_text(self, text: str) -> Point:
        return tuple(int(word) for word in text.split(","))

    def settings(self) -> dict[str, Any]:
        return {}

    def fit(self, designs: Sequence[Point]) -> Any:
        from toy import GridEncoding

        return GridEncoding()

    def restore(self, state: Mapping[str, Any]) -> Any:
        from toy import GridEncoding

        return GridEncoding()
