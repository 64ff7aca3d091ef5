"""The command line: fast help, exit codes, signals and completion."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from invdesign.cli import completion, main
from invdesign.cli.main import parser


def command(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "invdesign", *words], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}
    )


def test_help_is_printed_within_a_second_and_imports_nothing_heavy() -> None:
    seconds = []
    for _ in range(3):  # the best of three: the machine may be busy with other tests
        start = time.monotonic()
        done = command("--help")
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 1.0
    assert done.returncode == 0 and "check-data" in done.stdout
    timed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "invdesign", "run", "--help"], capture_output=True, text=True
    )
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in timed.stderr.splitlines()}
    assert imported.isdisjoint({"torch", "rdkit", "hydra", "omegaconf", "pandas", "botorch", "numpy", "rich"})


def test_no_command_prints_the_help() -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])


def test_an_error_of_the_user_is_one_message_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "no_such_campaign"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("invdesign: no_such_campaign: expected a campaign file or the name of a shipped campaign")
    assert "Traceback" not in message


def test_options_may_stand_between_overrides() -> None:
    from invdesign.cli.main import _parse

    arguments = _parse(["run", "demo", "seed=1", "--json", "budget=5"])
    assert arguments.campaign == "demo" and arguments.overrides == ["seed=1", "budget=5"] and arguments.json
    assert _parse(["sample", "vae=molecules/zinc250k"]).overrides == ["vae=molecules/zinc250k"]
    with pytest.raises(SystemExit):
        _parse(["run", "demo", "--jsn"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_exit_code_and_no_traceback(number: signal.Signals, code: int) -> None:
    slow = (
        "import sys, time; import invdesign.cli.commands as c\n"
        "from invdesign.cli import main\n"
        "def run(arguments):\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "c.COMMANDS['run'] = run\nsys.exit(main(['run', 'demo']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", slow],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background ignores Ctrl-C, and its children would inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as job:
        assert job.stdout is not None and job.stderr is not None
        assert job.stdout.readline().strip() == "ready"
        job.send_signal(number)
        message = job.stderr.read()
        assert job.wait(10) == code
    assert "resumes" in message and "Traceback" not in message


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_groups_and_campaigns(shell: str) -> None:
    text = completion.script(shell, parser())
    for word in ("check-data", "osimertinib" if shell != "fish" else "run", "thompson"):
        assert word in text
    if shell != "fish" and shutil.which("bash"):
        assert subprocess.run(["bash", "-n"], input=text.split("\n", 1)[1], text=True).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("group", "start", "choices"), [("search", "tho", "thompson"), ("search/acquire", "posterior_m", "posterior_mean")]
)
def test_bash_completes_the_choices_of_a_group(group: str, start: str, choices: str) -> None:
    words = (
        f'COMP_WORDS=(invdesign run demo {group} = {start}); COMP_CWORD=5; COMP_LINE="invdesign run {group}={start}"'
    )
    code = f"{completion.script('bash', parser())}\n{words}; _invdesign; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == choices


def test_options_print_each_setting_with_type_default_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "search/trust_region/default"]) == 0
    printed = capsys.readouterr().out
    assert "search.trust_region.length: float = 0.8\n    " in printed
    assert main(["options", "screens/molecules"]) == 0
    assert "molecules/druglike" in capsys.readouterr().out
    assert main(["options", "--json"]) == 0
    assert {"groups", "settings"} == set(json.loads(capsys.readouterr().out))
    assert main(["options", "search/thompson", "--json"]) == 0
    assert {"key", "type", "default", "doc"} == set(json.loads(capsys.readouterr().out)[0])


def test_every_command_has_a_description() -> None:
    action = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    campaign = {"run", "train", "encode", "sample", "interpolate", "tune"}
    loop = {
        "begin", "suggest", "tell", "status", "score", "reject", "abandon", "correct", "replicate", "substitute",
        "pareto", "steer", "map",
    }  # fmt: skip
    assert set(action.choices) == campaign | loop | {
        "export",
        "report",
        "options",
        "check-data",
        "completion",
        "sweep",
        "serve",
        "bench",
        "audit",
        "move",
        "explain",
        "find",
        "solve",
        "decode",
    }
    assert all(command.description for command in action.choices.values())
