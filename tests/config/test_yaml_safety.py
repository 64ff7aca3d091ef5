"""Configurations from strangers: nothing is imported, run, read or unfolded that the user did not allow."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from invdesign.config import compose, instantiate, targets, yaml_safety
from invdesign.core import InvdesignError

MALICIOUS = sorted((Path(__file__).parent / "malicious").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", MALICIOUS, ids=lambda p: p.stem)
def test_a_malicious_file_is_refused_for_the_reason_it_states(path: Path) -> None:
    reason = re.search(r"# refused: (.*)", path.read_text(encoding="utf-8")).group(1)  # type: ignore[union-attr]
    start = time.monotonic()
    with pytest.raises(InvdesignError, match=re.escape(reason)):
        composed = compose.compose(str(path))
        instantiate.refuse(composed.values, composed.where)
    assert time.monotonic() - start < 5


def test_refusing_imports_nothing_that_the_file_names(tmp_path: Path) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    file = tmp_path / "trap_campaign.yaml"
    file.write_text("defaults: [base: molecules, _self_]\noracle: {qed: {_target_: trap.score, _partial_: true}}\n")
    code = f"from invdesign.cli import main; raise SystemExit(main(['run', {str(file)!r}]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--allow trap" in done.stderr and "Traceback" not in done.stderr
    assert f"{file}:2" in done.stderr


def test_a_module_that_the_user_allows_may_be_named() -> None:
    node = {"_target_": "my_oracles.score", "_partial_": True}
    assert targets.problem(node) != ""
    assert targets.problem(node, allowed=["my_oracles"]) == ""
    assert targets.problem({"_target_": "my_oracles_2.score"}, allowed=["my_oracles"]) != ""


def test_a_class_of_ours_may_be_built_and_a_function_only_bound() -> None:
    assert targets.problem({"_target_": "invdesign.search.Search"}) == ""
    assert "_partial_" in targets.problem({"_target_": "invdesign.execution.outcomes.validate_answer"})
    assert targets.problem({"_target_": "invdesign.execution.outcomes.validate_answer", "_partial_": True}) == ""


def test_a_misspelt_target_of_ours_names_the_nearest() -> None:
    assert "log_nehvi" in targets.problem({"_target_": "invdesign.search.acquisition.log_nevhi", "_partial_": True})


def test_a_resolver_on_the_command_line_is_refused() -> None:
    with pytest.raises(InvdesignError, match="resolvers are refused"):
        compose.compose("demo", ["name=${oc.env:HOME}"])


def test_a_file_that_is_too_long_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text("a: " + "x" * (yaml_safety.MAX_BYTES + 10))
    with pytest.raises(InvdesignError, match="expected at most 1,000,000 bytes, got more"):
        yaml_safety.read(file)


def test_a_few_aliases_are_fine() -> None:
    yaml_safety.check("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n", "mine.yaml")


def test_a_line_is_found_by_its_keys() -> None:
    text = "a:\n  b:\n    - x: 1\n    - x: 2\n"
    assert yaml_safety.line_of(text, ["a", "b", "1", "x"]) == 4
    assert yaml_safety.line_of(text, ["a", "c"]) is None
