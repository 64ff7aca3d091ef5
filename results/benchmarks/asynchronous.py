"""Benchmark: asynchronous over synchronous search on 8 workers whose calls last log-normal times, simulated.

Both searches measure the same number of points of a grid on which the Hartmann function of six dimensions is maximized,
start from the same seed designs, and a call on a design lasts as long in both. The latent space is exact, so that a
campaign takes seconds. Compared are the evaluations in the same simulated time, and the best value for the same
number of evaluations. A stopped command goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from botorch.test_functions import Hartmann

from invdesign import Corpus, State, apply, initialize, make_engine
from invdesign.campaign import run, start
from invdesign.execution.simulated import Clock, Simulated

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import toy

DIMENSIONS = 6
RANGE = 30
"""Largest coordinate of a point of the grid."""
WORKERS = 8
SIGMA = 1.0
"""Standard deviation of the logarithm of a duration; the median is 1."""


class Times:
    """A recorder that keeps the time at which each call of the search was answered, and its value."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.state = clock, State()
        self.answered: list[tuple[float, float]] = []

    def on_batch(self, event: Any) -> None:
        """Take an event into the state."""
        self.state = apply(self.state, event)

    on_lease = on_release = on_round_end = on_batch

    def on_outcomes(self, events: Sequence[Any]) -> None:
        """Keep the time of outcomes."""
        for event in events:
            self.answered.append((self.clock.now, event.outcome.y[0]))
            self.on_batch(event)


def hartmann(designs: Sequence[toy.Point]) -> Any:
    """Return the Hartmann function of points of the grid; its maximum is 3.322."""
    x = (torch.tensor(designs, dtype=torch.float64).reshape(-1, DIMENSIONS) + RANGE) / (2 * RANGE)
    return Hartmann(negate=True)(x).numpy()


def corpus(seed: int) -> Corpus[toy.Point]:
    """Return points to start from."""
    points = np.random.default_rng(seed).integers(-RANGE, RANGE + 1, size=(200, DIMENSIONS))
    return Corpus(tuple(tuple(int(v) for v in point) for point in np.unique(points, axis=0)), name="points", sha256="0")


def duration(design: toy.Point, *, seed: int) -> float:
    """Return the duration of a call, which depends on the design and the seed alone."""
    words = hashlib.sha256(f"{seed} {design}".encode()).digest()
    return float(np.random.default_rng(list(words[:16])).lognormal(0.0, SIGMA))


def search(seed: int, n_in_flight: int, arguments: argparse.Namespace) -> list[tuple[float, float]]:
    """Return time and value of every call of one search."""
    parts = toy.campaign(
        oracle=hartmann,
        n_seeds=arguments.n_seeds,
        budget=arguments.budget,
        batch=WORKERS,
        n_in_flight=n_in_flight,
        seed=seed,
    )
    parts = replace(parts, search=replace(parts.search, oversample=40))
    space: Any = toy.GridSpace(toy.Grid(), d=DIMENSIONS)
    engine = make_engine(parts, space)
    clock = Clock()
    times = Times(clock)
    state = start(engine, initialize(engine, corpus(seed)), times)
    place = partial(Simulated, duration=partial(duration, seed=seed), workers=WORKERS, clock=clock)
    run(engine, state, executor=place, recorder=times)
    return times.answered


def compare(asynchronous: list[list[float]], synchronous: list[list[float]], n_seeds: int) -> dict[str, float]:
    """Return the figures of one seed; the seed designs are not compared.

    The area is the mean of the best value so far over the evaluations after the seed designs.
    """
    facts = {}
    for name, rows in (("asynchronous", asynchronous), ("synchronous", synchronous)):
        best = np.fmax.accumulate([value for _, value in rows])[n_seeds:]
        begun = rows[n_seeds - 1][0]
        facts |= {f"{name} area": float(best.mean()), f"{name} best": float(best[-1])}
        facts |= {f"{name} time": rows[-1][0] - begun}
    ended = asynchronous[-1][0]
    n_then = sum(at <= ended for at, _ in synchronous[n_seeds:])
    return {**facts, "evaluations in the same time": (len(asynchronous) - n_seeds) / max(1, n_then)}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and its 95 % bootstrap interval over seeds."""
    draw = np.random.default_rng(0)
    means = draw.choice(np.asarray(values), size=(10_000, len(values))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(np.mean(values)), float(low), float(high)


def page(rows: list[dict[str, float]], arguments: argparse.Namespace) -> str:
    """Return the page of the figures."""
    ratio = interval([row["evaluations in the same time"] for row in rows])
    area = interval([row["asynchronous area"] - row["synchronous area"] for row in rows])
    best = interval([row["asynchronous best"] - row["synchronous best"] for row in rows])
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    lines = [
        "# Asynchronous and synchronous search",
        "",
        f"`python results/benchmarks/asynchronous.py`: the Hartmann function of six dimensions (maximum 3.322) on a grid, "
        f"with an exact latent space, a Gaussian process, LogEI and one trust region; {arguments.n_seeds} seed designs, "
        f"then {arguments.budget - arguments.n_seeds} calls on {WORKERS} simulated workers; durations are log-normal with sigma {SIGMA:g} and keyed by the design. Synchronous: batches of "
        f"{WORKERS}; asynchronous: `n_in_flight={WORKERS}`. {len(rows)} seeds, {platform.machine()}, torch "
        f"{torch.__version__}. Intervals: 95 %, bootstrap over seeds.",
        "",
        "| | asynchronous | synchronous | difference or ratio | target |",
        "|---|---|---|---|---|",
        f"| evaluations in the same simulated time | | | {ratio[0]:.2f} times [{ratio[1]:.2f}, {ratio[2]:.2f}] | "
        ">= 1.5 times |",
        f"| simulated time of all calls | {mean['asynchronous time']:.1f} | {mean['synchronous time']:.1f} | "
        f"{mean['synchronous time'] / mean['asynchronous time']:.2f} times | |",
        f"| mean of the best value so far, over evaluations | {mean['asynchronous area']:.4f} | "
        f"{mean['synchronous area']:.4f} | {area[0]:+.4f} [{area[1]:+.4f}, {area[2]:+.4f}] | no loss |",
        f"| best value at the end | {mean['asynchronous best']:.4f} | {mean['synchronous best']:.4f} | {best[0]:+.4f} "
        f"[{best[1]:+.4f}, {best[2]:+.4f}] | no loss |",
        "",
        "The time of the search itself is not part of the simulated time: an asynchronous search fits its surrogate once "
        "for every design instead of once for every batch, so it pays where a call lasts longer than a fit.",
    ]
    return "\n".join(line if line.startswith("|") else textwrap.fill(line, 130) for line in lines) + "\n"


def main() -> None:
    """Run both searches for every seed, and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--n-seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    done: dict[str, dict[str, Any]] = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for seed in range(arguments.seeds):
        found = done.setdefault(str(seed), {})
        for name, n_in_flight in (("synchronous", 0), ("asynchronous", WORKERS)):
            if name not in found:
                found[name] = search(seed, n_in_flight, arguments)
                beside = arguments.out.with_suffix(".part")
                beside.write_text(json.dumps(done) + "\n")
                os.replace(beside, arguments.out)
        row = compare(found["asynchronous"], found["synchronous"], arguments.n_seeds)
        print(seed, json.dumps({key: round(value, 4) for key, value in row.items()}), flush=True)
    rows = [compare(each["asynchronous"], each["synchronous"], arguments.n_seeds) for each in done.values()]
    arguments.out.with_suffix(".md").write_text(page(rows, arguments))


if __name__ == "__main__":
    main()
