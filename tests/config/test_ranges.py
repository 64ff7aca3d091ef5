"""Numbers outside the range of their setting, references that expand, and circles: one message, before any import."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from invdesign.config import compose, instantiate
from invdesign.config.ranges import out_of_range
from invdesign.config.signatures import Parameter
from invdesign.core import InvdesignError


def checked(*overrides: str, campaign: str | None = "demo") -> None:
    composed = compose.compose(campaign, overrides)
    instantiate.check(composed.values, composed.where)


@pytest.mark.parametrize(
    "override",
    [
        "max_failure_rate=-1",
        "max_failure_rate=1000",
        "min_plausibility=1000",
        "budget=0",
        "budget=null",
        "name=null",
        "seed=-1",
        "seed=99999999999999999999",
        "vae.epochs=0",
        "vae.learning_rate=inf",
        "search.oversample=0",
        "search.trust_region.length=-1",
        "objectives.guacamol.weight=inf",
        "search.min_rank_correlation=2",
        "search.acquire.beta=[9,0.25]",
        "search.propose.local_steps.sizes=[]",
        f"budget={'1' * 5000}",
        "budget=190:20:30",
    ],
)
def test_a_setting_out_of_its_range_is_refused_with_its_key(override: str) -> None:
    with pytest.raises(InvdesignError, match=r"expected") as error:
        checked(override)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("given", [10**400, -(10**400), math.nan, math.inf])
def test_a_number_that_float64_cannot_hold_is_refused(given: float) -> None:
    for name in ("budget", "a_setting_without_a_range"):
        assert out_of_range(Parameter(name, "float", "1"), given).startswith("expected a")


def write(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.yaml"
    path.write_text("defaults:\n  - base: molecules\n" + text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  - mine\n  - _self_\n", "mine.yaml: the file names itself in its defaults"),
        ("  - other\n  - _self_\n", "lead in a circle"),
        ("  - _self_\nname: a\n" + "".join(
            f"a{i}: '{'${' + f'a{i - 1}' + '}'}{'${' + f'a{i - 1}' + '}' * 1}'\n" if i else "a0: xxxxxxxxxx\n"
            for i in range(30)
        ), "expand to more than 100,000 characters"),
        ("  - _self_\nbudget: 190:20:30\n", "base 60 or 8"),
        ("  - _self_\nbudget: 0777\n", "base 60 or 8"),
        (f"  - _self_\nbudget: {'9' * 5000}\n", "at most 300 digits"),
    ],
)  # fmt: skip
def test_circles_expansions_and_surprising_numbers_are_one_message_within_a_second(
    tmp_path: Path, text: str, message: str
) -> None:
    write(tmp_path, "  - mine\n", "other")
    started = time.process_time()
    with pytest.raises(InvdesignError, match=message):
        checked(campaign=write(tmp_path, text))
    assert time.process_time() - started < 3


def test_ordinary_references_and_quoted_numbers_are_read(tmp_path: Path) -> None:
    text = "  - _self_\nname: '0777'\nbudget: 20\nbatch: ${budget}\n"
    composed = compose.compose(write(tmp_path, text))
    assert composed.values["batch"] == 20 and composed.values["name"] == "0777"


def test_a_text_with_brackets_on_the_command_line_gets_a_hint_on_quoting() -> None:
    with pytest.raises(InvdesignError) as error:
        checked("oracle=molecules/similarity", "oracle.similarity.reference=CC(=O)Nc1ccc(O)cc1")
    quoted = 'oracle.similarity.reference="CC(=O)Nc1ccc(O)cc1"'
    assert f"'{quoted}'" in str(error.value)
    checked("oracle=molecules/similarity", quoted)


def test_what_an_allowed_module_imports_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_called.py").write_text("from os import getcwd\n\n\ndef own():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert instantiate.instantiate({"_target_": "mine_called.own"}) == 1
    with pytest.raises(InvdesignError, match="expected a name that the module defines"):
        instantiate.instantiate({"_target_": "mine_called.getcwd"})
