"""Trials of tuning: runs of one setting with several seeds, and what they are worth."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Literal, Protocol

import numpy as np

from invdesign.core import Array, utilities
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import write_bytes
from invdesign.report.comparison import best_curve
from invdesign.runs import folders
from invdesign.runs.quick_status import combination, objectives_of
from invdesign.sweep.execute import INTERRUPTED, Children, Work, execute, reason_of
from invdesign.sweep.index import LOG
from invdesign.sweep.plan import Source
from invdesign.sweep.results import read_properties

POLL_SECONDS = 1.0
"""Time between two looks at a running trial [s]."""
Stage = Literal["search", "vae"]
SEARCH_FIGURES = {
    "auc": True,
    "best": True,
    "candidates": True,
    "validity": True,
    "novelty": True,
    "diversity": True,
    "seconds": False,
}
"""Figures of a run that can be tuned, and whether more is better: `auc` is the mean over the oracle calls of the best
utility so far, `best` its last value."""
VAE_FIGURES = {"elbo": True, "reconstruction": True, "validity": True, "seconds": False}
"""Figures of a trained VAE: held-out ELBO [nats], designs that are decoded exactly, valid draws of the prior."""
N_STEPS = 9
"""Steps of a trial at which it can be stopped, all its seeds together."""
CARD = "card.json"
PRINTED = "printed.txt"


class PrunedError(Exception):
    """A trial was stopped since others were better at the same number of oracle calls."""


class TrialFailedError(Exception):
    """A run of a trial failed; the message is its reason."""


Watch = Callable[[int, float], None]
"""Called with a step and the value up to it; raises `PrunedError` to stop the trial."""


class Evaluate(Protocol):
    """Evaluation of a setting on some seeds: one list of figures a seed."""

    def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Watch | None = None) -> list[list[float]]:
        """Return the figures of each seed, in the order of the objectives."""
        ...


@dataclass(frozen=True)
class SearchTrials:
    """Runs a campaign with a setting, seed by seed, and watches its best-so-far curve meanwhile."""

    source: Source
    """The campaign."""
    fixed: tuple[str, ...]
    """Changes that all trials have."""
    figures: tuple[str, ...]
    """Names in `SEARCH_FIGURES`."""
    home: Path
    """Folder of all runs."""
    cache: Path | None = None
    """Folder of models; None for that of the user."""
    stop: Event = field(default_factory=Event)
    """Ends all trials where it is set."""

    def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Watch | None = None) -> list[list[float]]:
        """Return the figures of each seed; finished runs are not run again."""
        done: list[list[float]] = []
        for seed in seeds:
            folder = setting_folder(self.home, overrides) / f"seed-{seed}"
            box = setting_folder(self.home, ()) / f"seed-{seed}"
            look = partial(self._report, folder, box, [row[0] for row in done], len(seeds), watch)
            words = self.source.command("run", [*self.fixed, *overrides, f"seed={seed}"], cache=self.cache)
            options = ("--folder", str(folder), "--baselines", str(self.home / "baselines"))
            run_watched(Work(seed, (*words, *options), folder, Path.cwd()), self.stop, look)
            done.append([run_figure(folder, name, box=box) for name in self.figures])
        return done

    def _report(self, folder: Path, box: Path, earlier: Sequence[float], n_seeds: int, watch: Watch | None) -> None:
        """Report the mean over the seeds up to each step that the current run has reached."""
        if watch is None:
            return
        with suppress(InvdesignError, OSError, ValueError):  # the run has not written its first results
            curve, budget = utility_curve(folder, box=box)
            for step in range(1, N_STEPS + 1):
                calls = round(step * n_seeds * budget / N_STEPS) - len(earlier) * budget
                if 0 < calls <= min(len(curve), budget):
                    watch(step, float(np.mean([*earlier, curve[:calls].mean()])))


@dataclass(frozen=True)
class VaeTrials:
    """Trains the VAE of a campaign with a setting, seed by seed."""

    source: Source
    """The campaign."""
    fixed: tuple[str, ...]
    """Changes that all trials have."""
    figures: tuple[str, ...]
    """Names in `VAE_FIGURES`."""
    home: Path
    """Folder of the model cards."""
    cache: Path | None = None
    """Folder of models; None for that of the user."""
    stop: Event = field(default_factory=Event)
    """Ends all trials where it is set."""

    def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Watch | None = None) -> list[list[float]]:
        """Return the figures of each seed; a trained model is not trained again."""
        done = []
        for seed in seeds:
            folder = setting_folder(self.home, overrides) / f"seed-{seed}"
            card = folder / CARD
            if not card.is_file():
                words = self.source.command("train", [*self.fixed, *overrides, f"vae.seed={seed}"], cache=self.cache)
                run_watched(Work(seed, words, folder, Path.cwd(), output=PRINTED), self.stop, lambda: None)
                write_bytes(card, (folder / PRINTED).read_bytes())
            stored = json.loads(card.read_text(encoding="utf-8"))
            done.append([vae_figure(stored, name) for name in self.figures])
        return done


def setting_folder(home: Path, overrides: Sequence[str]) -> Path:
    """Return the folder of a setting, so that the same setting is run once."""
    text = json.dumps(sorted(overrides))
    name = hashlib.sha256(text.encode()).hexdigest()[:12] if overrides else "default"
    return home / "settings" / name


def run_watched(work: Work, stop: Event, look: Callable[[], None]) -> None:
    """Run a job to its end, and look at it every second; it is stopped where `look` raises an error.

    Raises:
        TrialFailedError: It failed.
        KeyboardInterrupt: It was stopped.
    """
    children = Children()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(execute, work, children)
        try:
            while not future.done():
                wait([future], timeout=POLL_SECONDS)
                if stop.is_set():
                    raise KeyboardInterrupt
                look()
        except BaseException:
            children.stop()
            raise
    code = future.result().code
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise TrialFailedError(reason_of(work.folder, code))


def utility_curve(folder: Path, *, box: Path | None = None) -> tuple[Array, int]:
    """Return the best utility after each oracle call of a run, and its budget.

    Args:
        folder: The run.
        box: The run whose measurements span the box of hypervolumes in a Pareto search; by default the run itself.

    Raises:
        InvdesignError: The run has no value yet.
    """
    config = folders.read_config(folder)
    objectives, combine = objectives_of(config.config), combination(config)
    given, Y = read_properties(folder, len(objectives))
    if len(objectives) > 1 and combine == "pareto":
        spanned = np.concatenate(read_properties(box or folder, len(objectives)))
        curve = best_curve(objectives, np.concatenate([given, Y]), combine=combine, box=spanned)
    else:
        U = utilities(objectives, np.concatenate([given, Y]), combine=combine)[:, 0]
        curve = np.fmax.accumulate(U)
    curve = curve[len(given) :]
    known = curve[np.isfinite(curve)]
    if not len(known):
        raise InvdesignError(f"{folder}: expected an oracle call that returned a value, got none. Look at {LOG} there")
    budget = config.settings.get("budget", {}).get("value") or config.config.get("budget") or len(curve)
    return np.where(np.isfinite(curve), curve, known[0]), int(budget)


def run_figure(folder: Path, name: str, *, box: Path | None = None) -> float:
    """Return a figure of a finished run; NaN where it has none."""
    summary: dict[str, Any] = json.loads((folder / folders.FINISHED).read_text(encoding="utf-8"))
    if name == "candidates":
        return float(len(summary["shortlist"]))
    if name == "seconds":
        return (folder / folders.FINISHED).stat().st_mtime - (folder / folders.CONFIG).stat().st_mtime
    if name in ("auc", "best"):
        try:
            curve, budget = utility_curve(folder, box=box)
        except InvdesignError:
            return math.nan
        held = np.concatenate([curve, np.full(max(0, budget - len(curve)), curve[-1])])
        return float(held.mean()) if name == "auc" else float(held[-1])
    value = summary.get("quality", {}).get(name)
    return math.nan if value is None else float(value)


def vae_figure(card: dict[str, Any], name: str) -> float:
    """Return a figure of a trained VAE from its card; NaN where it has none."""
    diagnosis = card.get("diagnosis", {})
    if name == "elbo":
        return -float(diagnosis["neg_elbo"])
    if name == "seconds":
        return float(card["training"]["seconds"])
    if name == "validity":
        prior = [part["validity"] for part in diagnosis["samples"] if part["source"] == "prior"]
        return float(prior[0]) if prior else math.nan
    return float(diagnosis[name])
