"""Data of a small campaign on words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from invdesign.campaign import Funnel, RoundRecord, State
from invdesign.core import Candidate, Check, Objective
from invdesign.report import ReportData
from invdesign.surrogate import SurrogateReport

HOSTILE = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Words:
    """A domain of words that are drawn as an empty picture; `w11` cannot be drawn."""

    name: str = "words"

    def key(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        return text

    def label(self, design: str) -> str:
        return design

    def describe(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        return {}

    def draw(self, design: str) -> str:
        if design == "w11":
            raise RuntimeError("no pen")
        return f'<svg xmlns="http://www.w3.org/2000/svg"><title>{design}</title></svg>'


def build_candidate(
    i: int, y: tuple[float, ...], round: int = 0, status: str = "measured", **fields: Any
) -> Candidate[str]:
    z = torch.tensor([i, i % 3, -i / 2], dtype=torch.float64)
    return Candidate(
        f"w{i}", f"w{i}", z, round=round, y=y, status=status, log_density=-float(i), percentile=5.0, **fields
    )


def build_data(m: int = 1, **changes: Any) -> ReportData[str]:
    """Return data of 4 seed designs (1, 3, 2, 0), a round (2, 5, 4, failed), and a random search that reaches 3.5."""
    rng = np.random.default_rng(0)
    values = [1.0, 3.0, 2.0, 0.0, 2.0, 5.0, 4.0]
    measured = [
        build_candidate(
            i,
            (v, -v)[:m],
            round=int(i >= 4),
            origin="sobol" if i >= 4 else "seed",
            mean=(v + 0.1, -v)[:m] if i >= 4 else (),
            sd=(0.5, 0.5)[:m] if i >= 4 else (),
            checks=(Check("length", i != 5, HOSTILE),) if i >= 4 else (),
        )
        for i, v in enumerate(values)
    ]
    failed = build_candidate(7, (), 1, "timeout", reason="stopped after 9.0 s")
    record = RoundRecord(
        1,
        funnel=Funnel(100, 90, 50, 40, 20, 4),
        lengths=(0.8,),
        surrogate=SurrogateReport("leave-one-out", 8, (0.7,) * m, (0.1,) * m, (0.5,) * m, (0.9,) * m),
        seconds={"fit": 0.5, "align": 1.0},
        notes=(HOSTILE,),
    )
    random = [1.0, 3.0, 2.0, 0.0, 3.5, 1.0, 1.0, 1.0, 9.0]
    data = ReportData(
        name=f"words {HOSTILE}",
        domain=Words(),
        objectives=(Objective("length", "cm"), Objective("cost", "EUR"))[:m],
        state=State((*measured, failed), (), (), 1, (RoundRecord(0), record)),
        shortlist=(measured[6], measured[4]),
        n_valid=2,
        baseline=[build_candidate(100 + i, (v, -v)[:m], round=int(i >= 4)) for i, v in enumerate(random)],
        corpus_latents=rng.normal(size=(60, 3)),
        corpus_log_density=rng.normal(size=60),
        settings={"batch": 4, "search": {"shares": [0.5, 0.5], "note": HOSTILE}},
        command="invdesign run words.yaml",
        created="2026-01-01 00:00 UTC",
    )
    return replace(data, **changes)


@pytest.fixture
def hostile() -> str:
    """A text that must never reach a page without escapes."""
    return HOSTILE


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def make_candidate() -> Callable[..., Candidate[str]]:
    return build_candidate


@pytest.fixture
def make_data() -> Callable[..., ReportData[str]]:
    return build_data
