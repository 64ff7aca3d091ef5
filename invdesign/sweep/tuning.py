"""Tuning: a search over the settings of a campaign with Optuna, and its comparison on held-out seeds."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np

from invdesign.config.search_space import Dimension
from invdesign.core import Progress
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import probe, write_bytes
from invdesign.io.locks import hold
from invdesign.io.tables import write_table
from invdesign.report.comparison import Difference, Metric, paired_difference
from invdesign.sweep.index import owned
from invdesign.sweep.plan import Source, check_source
from invdesign.sweep.trials import (
    N_STEPS,
    SEARCH_FIGURES,
    VAE_FIGURES,
    Evaluate,
    PrunedError,
    SearchTrials,
    Stage,
    TrialFailedError,
    VaeTrials,
)
from invdesign.sweep.tuned_campaign import write_tuned

STUDY = "study.sqlite"
RESULT = "tuned.yaml"
TRIALS = "trials.csv"
FACTS = "tune.json"
FIRST_HELD_OUT = 1000
"""First of the seeds that no trial uses."""
REDUCTION = 3
"""Reduction factor of asynchronous halving: one trial in this number continues with three times as many calls."""
N_STARTUP = 8
"""Random trials before the sampler uses earlier ones."""


@dataclass(frozen=True)
class TunePlan:
    """What is tuned, and how."""

    name: str
    """Name of the campaign."""
    source: Source
    """The campaign."""
    fixed: tuple[str, ...]
    """Changes that all trials have."""
    space: tuple[Dimension, ...]
    """Settings that are searched."""
    stage: Stage = "search"
    """Whether runs of the campaign are tuned, or the training of its VAE."""
    objectives: tuple[str, ...] = ("auc",)
    """Figures that are tuned."""
    n_trials: int = 40
    """Settings that are tried."""
    n_seeds: int = 2
    """Seeds of each trial."""
    n_held_out: int = 8
    """Seeds of the comparison with the campaign as it is."""
    is_pruned: bool = True
    """Whether trials that fall behind are stopped; with one objective of runs alone."""

    def directions(self) -> list[bool]:
        """Return whether more is better, for each objective.

        Raises:
            InvdesignError: There is no such figure.
        """
        known = SEARCH_FIGURES if self.stage == "search" else VAE_FIGURES
        for name in self.objectives:
            if name not in known:
                raise InvdesignError(f"tune: expected an objective among {', '.join(known)}, got {name!r}. Correct it")
        return [known[name] for name in self.objectives]

    def digest(self, base: Any) -> str:
        """Return 8 hexadecimal digits of the checksum of all but the number of trials and of held-out seeds."""
        content = {**asdict(self), "n_trials": 0, "n_held_out": 0, "base": base}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Tuned:
    """Result of tuning."""

    folder: Path
    """Folder of the trials."""
    overrides: tuple[str, ...]
    """The best setting."""
    held_out: dict[str, Difference]
    """Paired difference of the best setting from the campaign as it is on held-out seeds, for each objective."""
    tuned: dict[str, float]
    """Means of the best setting on held-out seeds."""
    default: dict[str, float]
    """Means of the campaign as it is on held-out seeds."""
    n_trials: int
    """Trials that ended."""
    n_pruned: int
    """Trials that were stopped early."""
    front: tuple[tuple[str, ...], ...]
    """With several objectives: the settings that no other one surpasses in all of them."""
    importance: dict[str, float]
    """Share of the variance of the first objective that each setting explains (fANOVA)."""

    @property
    def statement(self) -> str:
        """What was found, in one sentence."""
        name, difference = next(iter(self.held_out.items()))
        numbers = f"{name} {self.tuned[name]:.4g} against {self.default[name]:.4g} on {difference.n} held-out seeds"
        if difference.verdict == "better":
            return f"the tuned setting is better than the campaign as it is: {numbers}"
        if difference.verdict == "worse":
            return f"no better setting was found: the tuned one is worse than the campaign as it is, {numbers}"
        return f"no setting was shown to be better than the campaign as it is: {numbers}"


def check_dimension(source: Source, fixed: Sequence[str], dimension: Dimension) -> Dimension:
    """Return a dimension whose values are valid; of one that takes whole numbers alone only those.

    Raises:
        InvdesignError: A choice or an end of an interval is refused.
    """
    for value in dimension.examples():
        check_source(source, [*fixed, dimension.override(value)])
    if dimension.between is None:
        return dimension
    try:
        check_source(source, [*fixed, dimension.override(dimension.between)])
    except InvdesignError:
        return replace(dimension, is_int=True)
    return dimension


def find_or_make(results: Path, plan: TunePlan, base: Any) -> Path:
    """Return the folder of the newest tuning of a plan, else a new one `<results>/<name>/tune-<time>-<digest>`."""
    home = results / plan.name
    probe(home)
    code = plan.digest(base)
    with hold(home / ".lock"):
        own = sorted(home.glob(f"tune-*-{code}"))
        folder = own[-1] if own else home / f"tune-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{code}"
        folder.mkdir(exist_ok=True)
    return folder


def make_trials(plan: TunePlan, folder: Path, *, cache: Path | None, stop: Event) -> Evaluate:
    """Return what evaluates the settings of a plan."""
    kind = SearchTrials if plan.stage == "search" else VaeTrials
    return kind(plan.source, plan.fixed, plan.objectives, folder.resolve(), cache, stop)


def tune(
    plan: TunePlan,
    folder: Path,
    evaluate: Evaluate,
    *,
    n_workers: int,
    first_seed: int,
    stop: Event,
    progress: Progress,
) -> Tuned:
    """Search for a better setting, and compare the best one with the campaign as it is on seeds that no trial used.

    Args:
        plan: What is tuned.
        folder: Folder of the trials; a tuning that was stopped goes on there.
        evaluate: Evaluates a setting.
        n_workers: Trials at a time.
        first_seed: First seed of the trials.
        stop: Is set to end all trials.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: Optuna is not installed, another process works there, or no trial has a value.
    """
    optuna = _optuna()
    seeds = range(first_seed, first_seed + plan.n_seeds)
    with owned(folder), ThreadPoolExecutor(n_workers) as pool:
        study = _study(optuna, plan, folder)
        try:
            evaluate((), seeds)
            _run_trials(optuna, plan, study, evaluate, seeds, pool, n_workers, progress)
            best = _best_overrides(plan, study)
            held_out = [FIRST_HELD_OUT + first_seed + i for i in range(plan.n_held_out)]
            pairs = _compare(evaluate, best, held_out, pool, progress)
        except BaseException:
            stop.set()
            raise
        result = _result(optuna, plan, study, folder, best, pairs)
    _write(plan, study, result)
    return result


def _study(optuna: Any, plan: TunePlan, folder: Path) -> Any:
    """Return the study of a folder; trials that a killed process left are run again."""
    directions = ["maximize" if more else "minimize" for more in plan.directions()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental features
        sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=N_STARTUP, multivariate=True, constant_liar=True)
    pruner = optuna.pruners.NopPruner()
    if plan.is_pruned and len(directions) == 1 and plan.stage == "search":
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
    study = optuna.create_study(
        storage=f"sqlite:///{(folder / STUDY).resolve()}",
        study_name=plan.name,
        directions=directions,
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"again": True})
    return study


def _run_trials(
    optuna: Any,
    plan: TunePlan,
    study: Any,
    evaluate: Evaluate,
    seeds: Sequence[int],
    pool: ThreadPoolExecutor,
    n_workers: int,
    progress: Progress,
) -> None:
    """Run trials until as many ended as the plan has."""
    lock = Lock()
    running: set[Future[None]] = set()
    while True:
        n_ended = len(_ended(optuna, study))
        _report(study, plan, n_ended, len(running), progress)
        while n_ended + len(running) < plan.n_trials and len(running) < n_workers:
            trial = study.ask()
            overrides = [d.override(_suggest(trial, d)) for d in plan.space]
            trial.set_user_attr("overrides", overrides)
            running.add(pool.submit(_run_trial, optuna, study, trial, overrides, evaluate, seeds, lock))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()


def _run_trial(
    optuna: Any, study: Any, trial: Any, overrides: Sequence[str], evaluate: Evaluate, seeds: Sequence[int], lock: Lock
) -> None:
    states = optuna.trial.TrialState
    reported: set[int] = set()

    def watch(step: int, value: float) -> None:
        if step in reported or step >= N_STEPS or len(study.directions) > 1:
            return
        reported.add(step)
        with lock:
            trial.report(value, step)
            is_behind = trial.should_prune()
        if is_behind:
            raise PrunedError

    try:
        values = np.mean(evaluate(overrides, seeds, watch), axis=0)
    except PrunedError:
        study.tell(trial, state=states.PRUNED)
        return
    except TrialFailedError as error:
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=states.FAIL)
        return
    if np.isfinite(values).all():
        study.tell(trial, values.tolist())
    else:
        trial.set_user_attr("reason", "a figure has no value")
        study.tell(trial, state=states.FAIL)


def _suggest(trial: Any, dimension: Dimension) -> Any:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, list(dimension.choices))
    if dimension.is_int:
        return trial.suggest_int(dimension.key, int(dimension.low or 0), int(dimension.high or 0), log=dimension.is_log)
    return trial.suggest_float(dimension.key, dimension.low, dimension.high, log=dimension.is_log)


def _ended(optuna: Any, study: Any) -> list[Any]:
    """Return the trials that ended by themselves; those that a killed process left do not count."""
    states = optuna.trial.TrialState
    trials = study.get_trials(deepcopy=False, states=[states.COMPLETE, states.PRUNED, states.FAIL])
    return [t for t in trials if t.state != states.FAIL or "reason" in t.user_attrs]


def _best_overrides(plan: TunePlan, study: Any) -> list[str]:
    """Return the best setting; with several objectives that which is best in the first of them.

    Raises:
        InvdesignError: No trial has a value.
    """
    best = study.best_trials
    if not best:
        reasons = [t.user_attrs["reason"] for t in study.get_trials(deepcopy=False) if "reason" in t.user_attrs]
        raise InvdesignError(
            f"tune: expected a trial with a value, got none of {len(study.trials)}. "
            f"{reasons[-1] if reasons else 'Try more trials'}"
        )
    sign = 1 if plan.directions()[0] else -1
    found: list[str] = max(best, key=lambda trial: sign * trial.values[0]).user_attrs["overrides"]
    return found


def _compare(
    evaluate: Evaluate, best: Sequence[str], seeds: Sequence[int], pool: ThreadPoolExecutor, progress: Progress
) -> list[tuple[list[float], list[float]]]:
    """Return the figures of the best setting and of the campaign as it is for each held-out seed."""
    jobs = [pool.submit(evaluate, overrides, [seed]) for seed in seeds for overrides in (best, ())]
    for i, job in enumerate(jobs):
        progress("comparing with the campaign as it is on held-out seeds", i, len(jobs))
        job.result()
    rows = [job.result()[0] for job in jobs]
    return list(zip(rows[0::2], rows[1::2], strict=True))


def _result(optuna: Any, plan: TunePlan, study: Any, folder: Path, best: Sequence[str], pairs: Sequence[Any]) -> Tuned:
    ours, theirs = (np.array([pair[k] for pair in pairs], dtype=np.float64) for k in (0, 1))
    held_out = {}
    for j, (name, more) in enumerate(zip(plan.objectives, plan.directions(), strict=True)):
        held_out[name] = paired_difference(ours[:, j] - theirs[:, j], Metric(name, name, more))
    ended = _ended(optuna, study)
    front = [tuple(t.user_attrs["overrides"]) for t in study.best_trials] if len(plan.objectives) > 1 else []
    return Tuned(
        folder,
        tuple(best),
        held_out,
        dict(zip(plan.objectives, ours.mean(axis=0).tolist(), strict=True)),
        dict(zip(plan.objectives, theirs.mean(axis=0).tolist(), strict=True)),
        len(ended),
        sum(t.state == optuna.trial.TrialState.PRUNED for t in ended),
        tuple(front),
        _importance(optuna, plan, study),
    )


def _importance(optuna: Any, plan: TunePlan, study: Any) -> dict[str, float]:
    """Return the importance of each setting; nothing where too few trials tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target = (lambda trial: trial.values[0]) if len(plan.objectives) > 1 else None
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            found: dict[str, float] = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
            return found
    except (ValueError, RuntimeError):
        return {}


def _write(plan: TunePlan, study: Any, result: Tuned) -> None:
    """Write the trials as a table, the facts as JSON, and the tuned campaign."""
    trials = study.get_trials(deepcopy=False)
    columns: dict[str, list[Any]] = {"trial": [t.number for t in trials], "state": [t.state.name for t in trials]}
    columns |= {d.key: [t.params.get(d.key) for t in trials] for d in plan.space}
    for j, name in enumerate(plan.objectives):
        columns[name] = [t.values[j] if t.values else None for t in trials]
    columns["reason"] = [t.user_attrs.get("reason", "") for t in trials]
    write_table(columns, result.folder / TRIALS)
    facts = {**asdict(result), "folder": str(result.folder), "statement": result.statement}
    write_bytes(result.folder / FACTS, json.dumps(facts, indent=1, default=str).encode())
    name, difference = next(iter(result.held_out.items()))
    interval = "" if math.isnan(difference.low) else f", 95 % interval {difference.low:.3g} to {difference.high:.3g}"
    comment = [
        f"Result of invdesign tune: {result.n_trials} trials, {plan.n_seeds} seeds each, objective {name}.",
        f"{result.statement[0].upper()}{result.statement[1:]}; mean difference {difference.mean:.3g}{interval}.",
        "  invdesign run tuned.yaml",
    ]
    write_tuned(plan.source, [*plan.fixed, *result.overrides], result.folder / RESULT, comment=comment)


def _report(study: Any, plan: TunePlan, n_ended: int, n_running: int, progress: Progress) -> None:
    best = ""
    if len(plan.objectives) == 1 and study.best_trials:
        best = f" · best {plan.objectives[0]} {study.best_value:.4g} (trial {study.best_trial.number})"
    progress(f"tune · {n_ended} of {plan.n_trials} trials done · {n_running} running{best}", n_ended, plan.n_trials)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InvdesignError(
            "tune: expected the package optuna, which is not installed. Run pip install 'invdesign[sweep]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
