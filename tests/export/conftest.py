"""A domain of words, and two candidates of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from invdesign.core import Candidate, Check, Corpus, Objective


@dataclass(frozen=True)
class Words:
    """A domain of words, one in each line of a file; its pictures fail."""

    name: str = "words"
    formats: tuple[str, ...] = (".txt", ".csv", ".svg")

    def key(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        return text

    def label(self, design: str) -> str:
        return f"word {design}"

    def draw(self, design: str) -> str:
        raise RuntimeError("no pen")

    def describe(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        return {"letters": [len(d) for d in designs], "initial": [d[:1] for d in designs]}

    def read(self, path: Path) -> Corpus[str]:
        return Corpus(tuple(path.read_text().split()))

    def write(self, designs: Sequence[str], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        if path.suffix == ".svg":
            path.write_text("<svg")
            raise RuntimeError("no pen")
        path.write_text("\n".join(f"{d} {i}" for d, i in zip(designs, (columns or {})["id"], strict=True)))


@pytest.fixture
def domain() -> Words:
    return Words()


@pytest.fixture
def objectives() -> tuple[Objective, ...]:
    return Objective("hardness", "GPa"), Objective("cost", goal="minimize")


@pytest.fixture
def candidates() -> list[Candidate[str]]:
    z = torch.zeros(2, dtype=torch.float64)
    return [
        Candidate(
            "-MKV",
            "-MKV",
            z,
            round=3,
            origin="sobol",
            parents=("=A1", "B"),
            y=(-1.5, math.nan),
            mean=(-1.25, 2.0),
            sd=(0.5, 0.25),
            percentile=42.0,
            status="measured",
            checks=(Check("length", True, "+4"), Check("novel", False, "known, as row 7")),
        ),
        Candidate("plain", "plain", z, y=(2.0, 1e-7), status="measured", checks=(Check("length", True),)),
    ]
