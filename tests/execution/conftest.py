"""Oracles that behave and oracles that do not, in a module that worker processes can import too."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ORACLES = '''
import os, signal, time
from dataclasses import dataclass
from pathlib import Path

@dataclass(frozen=True)
class Texts:
    """A domain of texts."""
    name: str = "texts"

    def key(self, design):
        return design

    to_text = from_text = key

def length(designs):
    return [len(d) for d in designs]

def two(designs, scale=1.0):
    return [[len(d) * scale, -len(d)] for d in designs]

def hang():
    """Hang until the tests end."""
    for _ in range(1200):
        if (Path(__file__).parent / "end").exists():
            return
        time.sleep(0.05)

def stranger(designs):
    """Measures, raises, hangs, dies or answers nonsense, as the design says."""
    answers = []
    for design in designs:
        if design == "raise":
            raise ValueError("no such thing")
        if design == "hang":
            hang()
        if design == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        answers.append({"nan": float("nan"), "inf": float("inf")}.get(design, len(design)))
    return answers

def point(designs):
    """Return x + y of points of a grid; four points of the x axis behave as `stranger`."""
    for x, y in designs:
        if (x, y) == (6, 0):
            raise ValueError("no such thing")
        if (x, y) == (8, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if (x, y) == (9, 0):
            hang()
    return [float("nan") if (x, y) == (7, 0) else float(x + y) for x, y in designs]

def note(designs, folder):
    """Return lengths, noting every evaluation; "wait" waits until it may go on, "linger" waits the first time."""
    for design in designs:
        with open(Path(folder) / f"ran-{design}", "a") as file:
            file.write("x")
        is_first = (Path(folder) / f"ran-{design}").read_text() == "x"
        while (design == "wait" or (design == "linger" and is_first)) and not (Path(folder) / "go").exists():
            time.sleep(0.02)
    return [len(d) for d in designs]
'''


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a stub of Slurm on the path; the value is the folder of its state."""
    programs, state = tmp_path / "bin", tmp_path / "slurm"
    programs.mkdir()
    state.mkdir()
    source = Path(__file__).with_name("slurm_stub.py").read_text()
    for name in ("sbatch", "squeue", "scancel"):
        program = programs / name
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STUB_SLURM", str(state))
    yield state
    (state / "stop").touch()


@pytest.fixture(scope="session")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("oracles")
    (folder / "strange_oracles.py").write_text(textwrap.dedent(ORACLES))
    sys.path.insert(0, str(folder))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(Path(__file__).parents[1]), before])
    yield importlib.import_module("strange_oracles")
    (folder / "end").touch()
    os.environ["PYTHONPATH"] = before
    sys.path.remove(str(folder))
    del sys.modules["strange_oracles"]
