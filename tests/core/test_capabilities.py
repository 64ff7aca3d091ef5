"""Optional capabilities of oracles: what they need is loaded before a VAE is trained."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from invdesign.core import InvdesignError, Preparable
from invdesign.core.capabilities import prepare_oracle, prepare_with
from invdesign.domains.combined_oracle import combine_oracles
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.sequences.oracles.regression_oracle import regression


class Instrument:
    """An oracle with a method that loads what it needs."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, designs: Sequence[Any]) -> list[float]:
        self.calls.append(f"measure {len(designs)}")
        return [1.0 for _ in designs]

    def prepare(self) -> None:
        self.calls.append("prepare")


def test_the_method_of_an_oracle_is_called_and_the_oracle_is_not() -> None:
    instrument = Instrument()
    assert isinstance(instrument, Preparable)
    prepare_oracle(instrument)
    assert instrument.calls == ["prepare"]


def test_a_function_is_prepared_with_those_of_its_settings_that_the_loader_takes() -> None:
    loaded: list[tuple[str, int]] = []

    def load(*, path: str, size: int = 3) -> None:
        loaded.append((path, size))

    @prepare_with(load)
    def score(designs: Sequence[str], *, path: str, size: int = 3, scale: float = 1.0) -> list[float]:
        return [scale * len(design) for design in designs]

    assert isinstance(score, Preparable) and score(["CC"], path="a.csv") == [2.0]
    prepare_oracle(partial(partial(score, path="a.csv"), scale=2.0))
    prepare_oracle(partial(score, path="b.csv", size=5))
    assert loaded == [("a.csv", 3), ("b.csv", 5)]


def test_an_error_of_the_method_is_raised() -> None:
    @prepare_with(lambda *, path: Path(path).read_text())
    def score(designs: Sequence[str], *, path: str) -> list[float]:
        return [0.0 for _ in designs]

    with pytest.raises(FileNotFoundError):
        prepare_oracle(partial(score, path="missing.csv"))


def test_an_oracle_without_the_method_is_called_with_no_designs(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def score(designs: Sequence[Any]) -> list[float]:
        seen.append(len(designs))
        return [1.0 for _ in designs]

    assert not isinstance(score, Preparable)
    prepare_oracle(score)
    prepare_oracle(partial(combine_oracles, oracles=[score, score]))
    assert seen == [0, 0, 0] and not caplog.records


def test_an_oracle_of_the_users_that_needs_at_least_one_design_only_gives_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def score(designs: Sequence[Any]) -> list[float]:
        return [1 / len(designs)]

    with caplog.at_level(logging.WARNING):
        prepare_oracle(score)
    assert "called with no designs, raised ZeroDivisionError" in caplog.text


def test_an_oracle_without_its_file_or_column_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "variants.csv"
    table.write_text("sequence,score\n" + "".join(f"ACDE{a}{b},1\n" for a in "ACDEFG" for b in "ACDEFG"))
    with pytest.raises(InvdesignError, match="no such file"):
        prepare_oracle(partial(regression, path=tmp_path / "missing.csv", column="score"))
    with pytest.raises(InvdesignError, match=r"no column 'brightness'.*'score'"):
        prepare_oracle(partial(regression, path=table, column="brightness", cache=tmp_path))


def test_a_potential_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chgnet.model", None)
    for oracle in (mlip.energy_per_atom, mlip.relaxed_energy, mlip.bulk_modulus):
        with pytest.raises(InvdesignError, match=r"invdesign\[mlip\]"):
            prepare_oracle(partial(oracle, model="r2scan"))  # weights that no other test loads
