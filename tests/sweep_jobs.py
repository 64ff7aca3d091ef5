"""Jobs for the tests of sweeps: small programs instead of campaigns, which take seconds to import."""

import sys
from pathlib import Path

from invdesign.sweep.execute import Work

PROGRAM = """
import json, os, pathlib, sys, time
folder, seconds, code = pathlib.Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
with (folder / "starts.txt").open("a") as file:
    file.write("started\\n")
time.sleep(seconds)
if code < 0:
    os.kill(os.getpid(), -code)
if code:
    print("invdesign: no luck", file=sys.stderr)
    sys.exit(code)
(folder / "finished.json").write_text('{"best": 1.0, "calls": 4, "rounds": 1, "shortlist": []}')
"""


def work(folder: Path, number: int, *, seconds: float = 0.0, code: int = 0) -> Work:
    """Return a job that sleeps and then ends with a code, or with the signal of a negative one."""
    home = folder / f"job-{number:04d}"
    command = (sys.executable, "-S", "-c", PROGRAM, str(home), str(seconds), str(code))
    return Work(number, command, home, folder)


def n_starts(folder: Path, number: int) -> int:
    """Return how often the program of a job was started."""
    path = folder / f"job-{number:04d}" / "starts.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0
