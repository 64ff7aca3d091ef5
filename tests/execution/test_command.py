"""Programs as oracles: what they are given, what they may answer, and what happens when they fail."""

from __future__ import annotations

import math
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from invdesign.campaign.oracle_calls import measure
from invdesign.config import targets
from invdesign.core import InvdesignError, OracleSetup
from invdesign.core.capabilities import prepare_oracle
from invdesign.execution.command import CommandError, read_values, run_command
from invdesign.execution.in_process import InProcess

WORDS = SimpleNamespace(name="words", key=str, to_text=str, from_text=str)
COUNT = """
import csv, json, os, sys
rows = list(csv.DictReader(open(sys.argv[1])))
values = {row["id"]: len(row["design"]) * float(os.environ.get("SCALE", "1")) for row in rows}
json.dump(values, open(sys.argv[2], "w"))
"""


def program(folder: Path, text: str) -> list[str]:
    path = folder / "program.py"
    path.write_text(text)
    return [sys.executable, str(path), "{input}", "{output}"]


def test_designs_are_written_and_values_are_read_by_their_ids(tmp_path: Path) -> None:
    run = partial(run_command, command=program(tmp_path, COUNT), domain=WORDS, output="values.json")
    assert run(["a", "bbb"]).tolist() == [[1.0], [3.0]]
    assert run(["a"], environment={"SCALE": "2"}).tolist() == [[2.0]]
    assert len(run([])) == 0


def test_a_program_that_is_text_is_run_without_a_shell_and_a_list_may_name_one(tmp_path: Path) -> None:
    text = "sh -c 'echo hidden; echo y > {output}; echo 1 >> {output}' ; touch never"
    assert run_command(["a"], command=text, domain=WORDS).tolist() == [[1.0]]
    script = "tail -n +2 designs.csv | cut -d, -f2 | awk 'BEGIN {print \"n\"} {print length($0)}' > {output}"
    assert run_command(["abc", "d"], command=["sh", "-c", script], domain=WORDS).tolist() == [[3.0], [1.0]]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("v.csv", "y\n1\n\n2\n", [[1.0], [2.0]]),
        ("v.csv", "id,y,z\n2,3,4\n1,,5\n", [[math.nan, 5.0], [3.0, 4.0]]),
        ("v.csv", "id,y\n2,3\n", [[math.nan], [3.0]]),
        ("v.json", "[1, null]", [[1.0], [math.nan]]),
        ("v.json", "[[1, 2], [3, 4]]", [[1.0, 2.0], [3.0, 4.0]]),
        ("v.json", '[{"z": 2, "y": 1}, {"y": 3}]', [[2.0, 1.0], [math.nan, 3.0]]),
        ("v.json", '{"2": {"y": 1}}', [[math.nan], [1.0]]),
    ],
)
def test_values_are_read_from_tables_and_json(tmp_path: Path, name: str, content: str, expected: Any) -> None:
    (tmp_path / name).write_text(content)
    np.testing.assert_array_equal(read_values(tmp_path / name, 2), expected)


def test_named_columns_are_the_values_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("name,b,a\nx,1,2\ny,3,4\n")
    assert read_values(tmp_path / "v.csv", 2, ["a", "b"]).tolist() == [[2.0, 1.0], [4.0, 3.0]]
    with pytest.raises(CommandError, match="expected the column c, got none"):
        read_values(tmp_path / "v.csv", 2, ["c"])


@pytest.mark.parametrize(
    ("content", "message"),
    [("y\n1\n", "expected 2 rows"), ("id,y\n7,1\n", "expected ids from 1 to 2"), ("y\n1\nmuch\n", "got 'much'")],
)
def test_values_of_other_designs_or_no_numbers_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "v.csv").write_text(content)
    with pytest.raises(CommandError, match=message):
        read_values(tmp_path / "v.csv", 2)


def outcome(tmp_path: Path, text: str, **settings: Any) -> Any:
    oracle = partial(run_command, command=program(tmp_path, text), domain=WORDS, **settings)
    with closing(InProcess(OracleSetup(oracle, 1))) as executor:
        (((_, found),),) = measure(executor, ["a"])
    return found


def test_a_program_that_fails_is_a_failure_with_its_last_line(tmp_path: Path) -> None:
    found = outcome(tmp_path, "import sys\nprint('starting')\nsys.exit('no licence')")
    assert found.status == "failed" and found.reason.endswith("ended with exit code 1: no licence")
    killed = outcome(tmp_path, "import os\nos.kill(os.getpid(), 9)")
    assert killed.status == "failed" and "signal SIGKILL" in killed.reason
    silent = outcome(tmp_path, "")
    assert silent.reason == "CommandError: expected the file values.csv, which the program did not write"


@pytest.mark.slow
def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    text = "import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    started = time.monotonic()
    found = outcome(tmp_path, text, timeout=0.5)
    assert found.status == "timeout" and found.reason.startswith("stopped after ") and time.monotonic() - started < 20


def test_a_program_that_fails_once_is_started_again_and_its_folder_is_kept(tmp_path: Path) -> None:
    text = (
        "import os, sys\nmark = sys.argv[0] + '.mark'\n"
        "if not os.path.exists(mark):\n    open(mark, 'w').close()\n    sys.exit('busy')\n"
        "open(sys.argv[2], 'w').write('y\\n5\\n')"
    )
    assert outcome(tmp_path, text, retries=1, folder=tmp_path / "kept").y == (5.0,)
    (kept,) = (tmp_path / "kept").iterdir()
    assert sorted(path.name for path in kept.iterdir()) == ["designs.csv", "output.log", "values.csv"]


def test_what_is_missing_is_known_before_a_model_is_trained() -> None:
    with pytest.raises(InvdesignError, match="found no 'no-such-program'"):
        prepare_oracle(partial(run_command, command="no-such-program {input}", domain=WORDS))
    with pytest.raises(InvdesignError, match=r"expected an input in a format of words \(.csv\), got 'x.sdf'"):
        prepare_oracle(partial(run_command, command="cat", domain=WORDS, input="x.sdf"))


@pytest.mark.parametrize("suffix", [".smi", ".sdf", ".csv"])
def test_molecules_are_given_in_the_formats_of_their_domain(tmp_path: Path, suffix: str) -> None:
    from invdesign.domains.molecules import Molecules

    text = "import sys, json\ntext = open(sys.argv[1]).read()\n"
    text += "json.dump([len(text), 'CCO' in text], open(sys.argv[2], 'w'))"
    run = partial(run_command, command=program(tmp_path, text), domain=Molecules(), output="v.json")
    values = run(["CCO", "CCN"], input=f"designs{suffix}")
    assert values[0, 0] > 10 and (values[1, 0] == 1.0 or suffix == ".sdf")


@pytest.mark.parametrize("home", sorted(targets.GUARDED))
def test_a_configuration_that_starts_programs_must_be_allowed(home: str) -> None:
    name = {"command": "run_command", "slurm_array": "SlurmArray", "ase_calculator": "ase_property"}[
        home.split(".")[-1]
    ]
    node = {"_target_": f"{home}.{name}", "_partial_": True}
    assert f"add --allow {home}" in targets.problem(node)
    assert targets.problem(node, allowed=[home]) == ""
