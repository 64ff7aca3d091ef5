"""Benchmark of sweeps: overhead of a job, speed of several jobs at a time, status and report of many, and tuning.

Parts: `overhead`, `many`, `tune`, and `speed`, which needs an idle machine. Each writes its figures into one JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHORT = ["n_seeds=40", "budget=80", "batch=20", "corpus.n=300", "vae.epochs=3", "search.generations=2"]
TUNED = ["budget=150", "n_seeds=60", "batch=30", "search.oversample=20"]
SPACE = [
    "mutations.fraction=interval(0.3,0.95)",
    "mutations.n_parents=interval(10,80)",
    "search.generations=interval(2,12)",
    "search.acquire.beta=[1,4],[4,16],[1,16]",
]


def invdesign(*words: str) -> tuple[float, float, str]:
    """Run a command; return its wall time and CPU time with its children, and its output."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, "-m", "invdesign", *words], capture_output=True, text=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measure_overhead(place: Path, n: int = 3) -> dict[str, Any]:
    """Return the CPU time of a job of a sweep beyond that of the same `invdesign run` by hand.

    The latent space is cached. The comparison at the end of a sweep is written once, whatever the number of jobs, and is
    left out.
    """
    cache = ["--cache", str(place / "cache")]
    invdesign("run", "ehrlich", *SHORT, *cache, "--results", str(place / "first"))
    words = ["run", "ehrlich", *SHORT, *cache]
    hand = sum(invdesign(*words, f"seed={i}", "--results", str(place / "hand"), "--json")[1] for i in range(1, n + 1))
    sweep = ["-m", f"seed=range(1,{n + 1})", "--jobs", "1", "--results", str(place / "sweep"), "--json"]
    _, cpu, printed = invdesign(*words, *sweep)
    report = invdesign("sweep", "report", json.loads(printed)["sweep"])[1]
    facts = {"jobs": n, "run_cpu_seconds": hand / n, "sweep_cpu_seconds": cpu, "report_cpu_seconds": report}
    return {**facts, "overhead_cpu_seconds": (cpu - report - hand) / n}


def measure_many(place: Path, n: int = 500) -> dict[str, Any]:
    """Return the times of `sweep status` and `sweep report` for a sweep of many finished jobs.

    One run with 300 calls is copied for each of 100 settings and 5 seeds.
    """
    from invdesign.sweep.driver import figures_of
    from invdesign.sweep.index import Job, create_index

    cache = ["--cache", str(place / "cache")]
    invdesign("run", "ehrlich", "budget=300", "corpus.n=300", "vae.epochs=3", *cache, "--folder", str(place / "run"))
    values = [(str(beta), str(batch)) for beta in range(10) for batch in range(n // 50)]
    jobs = [Job(i, (), {"search.acquire.beta": values[i // 5][0], "batch": values[i // 5][1]}, i % 5) for i in range(n)]
    index = create_index(place / "many", {"name": "ehrlich", "command": "", "version": ""}, jobs)
    figures = figures_of(place / "run")
    for job in jobs:
        shutil.copytree(place / "run", index.folder_of(job))
        index.record(job, "done", seconds=10.0, figures=figures)
    status = min(invdesign("sweep", "status", str(index.folder)) for _ in range(3))
    report = invdesign("sweep", "report", str(index.folder))
    return {
        "jobs": n,
        "status_wall_seconds": status[0],
        "status_cpu_seconds": status[1],
        "report_wall_seconds": report[0],
        "report_cpu_seconds": report[1],
    }


def measure_speed(place: Path, n: int = 12) -> dict[str, Any]:
    """Return the times of short jobs one after another and two at a time, and whether their figures are the same."""
    cache = ["--cache", str(place / "cache")]
    invdesign("run", "ehrlich", *SHORT, *cache, "--results", str(place / "first"))
    walls, figures = {}, {}
    for name in ("basic", "joblib"):
        words = ["run", "ehrlich", "-m", f"seed=range(0,{n})", *SHORT, *cache, "--launcher", name, "--json"]
        wall, _, printed = invdesign(
            *words, "--results", str(place / name), *(["--jobs", "2"] if name == "joblib" else [])
        )
        walls[name] = wall
        figures[name] = [job["figures"]["best"] for job in json.loads(printed)["jobs"]]
    n_models = len(list((place / "cache" / "models").iterdir()))
    is_same = figures["basic"] == figures["joblib"]
    return {"jobs": n, **walls, "faster": walls["basic"] / walls["joblib"], "same": is_same, "models": n_models}


def measure_tune(place: Path, cache: Path, jobs: int) -> dict[str, Any]:
    """Return the result of tuning `ehrlich` in 40 trials; a tuning that was stopped goes on."""
    space = [word for text in SPACE for word in ("--space", text)]
    words = ["tune", "ehrlich", *TUNED, *space, "--trials", "40", "--seeds", "2", "--held-out", "8", "--json"]
    wall, cpu, printed = invdesign(*words, "--jobs", str(jobs), "--cache", str(cache), "--results", str(place))
    return {"wall_seconds": wall, "cpu_seconds": cpu, **json.loads(printed)}


def main() -> None:
    """Measure the parts and write their figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=("overhead", "many", "speed", "tune"))
    parser.add_argument("--results", type=Path, default=Path("results/sweeps"), help="where the tuning is kept")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    for part in arguments.parts:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            if part == "tune":
                found = measure_tune(arguments.results, arguments.cache, arguments.jobs)
            else:
                measure = {"overhead": measure_overhead, "many": measure_many, "speed": measure_speed}[part]
                found = measure(Path(folder))
        known = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
        known[part] = {**found, "load_before": round(load, 2), "cores": len(os.sched_getaffinity(0))}
        arguments.out.write_text(json.dumps(known, indent=1) + "\n")
        print(part, json.dumps(known[part]), flush=True)


if __name__ == "__main__":
    main()
