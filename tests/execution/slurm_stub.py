"""A scheduler in one file for tests: `sbatch`, `squeue` and `scancel`, and what runs the jobs of an array.

Called by one of these names. Its state is in the folder $STUB_SLURM: a file a job of an array, with its state.
A file `preempt-I` there stops job I when it runs and queues it again; `lose-I` stops it for good, and `stop` ends
all jobs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ.get("STUB_SLURM", ""))
WORKERS = 2


def sbatch(words: list[str]) -> None:
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word and word.startswith("--"))
    if "bad" in options.get("partition", ""):
        sys.exit("sbatch: error: invalid partition specified")
    number = 1 + len(list(STATE.glob("*.name")))
    (STATE / f"{number}.name").write_text(options["job-name"])
    first, last = map(int, options["array"].split("-"))
    for i in range(first, last + 1):
        (STATE / f"{number}_{i}").write_text("PENDING")
    command = [sys.executable, __file__, "run", str(number), words[-1], options["output"]]
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen(command, start_new_session=True, **silent)
    print(number)


def squeue(words: list[str]) -> None:
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    for path in sorted(STATE.glob("[0-9]*_*")):
        job, _, index = path.name.partition("_")
        name = (STATE / f"{job}.name").read_text()
        if path.read_text() != "DONE" and (options.get("jobs") == job or options.get("name") == name):
            print(job if options["format"] == "%A" else index)


def scancel(words: list[str]) -> None:
    for word in words:
        (STATE / f"cancel-{word.partition('_')[2]}").touch()


def run(number: str, script: str, output: str) -> None:
    waiting = sorted(path.name.partition("_")[2] for path in STATE.glob(f"{number}_*"))
    running: dict[str, subprocess.Popen[bytes]] = {}
    while waiting or running:
        if (STATE / "stop").exists():
            for process in running.values():
                os.killpg(process.pid, signal.SIGKILL)
            return
        while waiting and len(running) < WORKERS:
            i = waiting.pop(0)
            (STATE / f"{number}_{i}").write_text("RUNNING")
            with Path(output.replace("%a", i)).open("ab") as log:
                environment = {**os.environ, "SLURM_ARRAY_TASK_ID": i}
                running[i] = subprocess.Popen(
                    ["sh", script], env=environment, stdout=log, stderr=log, start_new_session=True
                )
        for i, process in list(running.items()):
            for event in ("preempt", "lose", "cancel"):
                mark = STATE / f"{event}-{i}"
                if mark.exists():
                    mark.unlink()
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    if event == "preempt":
                        (STATE / f"{number}_{i}").write_text("PENDING")
                        waiting.append(i)
            if process.poll() is not None:
                del running[i]
                if i not in waiting:
                    (STATE / f"{number}_{i}").write_text("DONE")
        time.sleep(0.02)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:])
    else:
        {"sbatch": sbatch, "squeue": squeue, "scancel": scancel}[Path(sys.argv[0]).name](sys.argv[1:])
