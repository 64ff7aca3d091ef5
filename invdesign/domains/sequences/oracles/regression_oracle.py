"""Regression oracle: a model of measured variants, trained once, with its held-out error.

Two models are compared: additive (ridge on one-hot) and a small ensemble of networks. The one with the smaller error on
held-out variants is trained again on all of them. Where neither ranks the held-out variants, designs are ranked by few
mutations of the consensus instead. The result is cached by the content of the table.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
import torch
from scipy.stats import spearmanr

from invdesign.core import (
    Array,
    Goal,
    InvdesignError,
    Objective,
    Progress,
    ValueSource,
    ValueUsage,
    describe_usage,
)
from invdesign.core.capabilities import prepare_with, stating
from invdesign.domains.sequences.io import files
from invdesign.domains.sequences.oracles.regressors import (
    Encoder,
    Ensemble,
    NetworkRecipe,
    Networks,
    Ridge,
    fit_consensus,
    fit_networks,
    fit_ridge,
)
from invdesign.io.atomic import write_bytes
from invdesign.io.json_values import from_plain, to_plain
from invdesign.vae.store import read_tensors, write_tensors
from invdesign.vae.training import Rows, split

log = logging.getLogger(__name__)

FORMAT = 2
MIN_VARIANTS = 30
MAX_CROSS_VALIDATED = 2000
"""Variants up to which every one is held out once; of more, a random tenth is."""
FOLDS = 5
QUICK_STEPS = 200
"""Steps of a training that is not logged: it takes a second."""
MIN_RANK_CORRELATION = 0.2
"""Rank correlation on held-out variants below which no regression is used: designs that it ranked first were worse than
a few random mutations of the consensus."""
ModelName = Literal["ridge", "networks", "consensus"]
MODEL_NAMES = {"ridge": "additive", "networks": "ensemble of networks", "consensus": "few mutations of the consensus"}


@dataclass(frozen=True)
class HeldOutScore:
    """Accuracy of a regression on variants that it was not trained on."""

    n: int
    """Number of predicted variants."""
    n_unseen: int
    """Number of variants without a prediction: no training variant has one of their letters at its position."""
    spearman: float
    """Rank correlation of predictions and measured values."""
    rmse: float
    """Root mean square error, in the unit of the measured values."""


@dataclass(frozen=True)
class RegressionReport:
    """Held-out accuracy of both models, each trained on the variants that are not held out."""

    variants: int
    """Number of measured variants in the table."""
    held_out: int
    """Number of held-out variants: all of up to 2,000, each held out once, or a random tenth."""
    spread: float
    """Standard deviation of the measured values."""
    mean: float
    """Mean of the measured values."""
    lowest: float
    """Smallest measured value."""
    highest: float
    """Largest measured value."""
    ridge: HeldOutScore
    """Accuracy of the additive model."""
    networks: HeldOutScore
    """Accuracy of the ensemble of networks."""
    chosen: ModelName
    """Model with the smaller error, which is then trained on all variants; the consensus where its rank correlation is
    below 0.2."""

    @property
    def best(self) -> HeldOutScore:
        """Accuracy of the regression with the smaller error, whether it is used or not."""
        return min(self.ridge, self.networks, key=lambda score: score.rmse)

    @property
    def error(self) -> float:
        """Root mean square error of a prediction: that on held-out variants, or their spread without a regression."""
        return max(self.best.rmse, self.spread) if self.chosen == "consensus" else self.best.rmse

    def describe(self) -> str:
        """Return what is used and how accurate it is, as a sentence."""
        best = self.best
        accuracy = (
            f"held-out error {best.rmse:.2g} (the spread of the values is {self.spread:.2g}), rank correlation "
            f"{best.spearman:.2f} on {best.n:,} of {self.variants:,} variants"
        )
        if self.chosen != "consensus":
            return f"regression ({MODEL_NAMES[self.chosen]}): {accuracy}"
        return (
            f"regression: {accuracy}, below {MIN_RANK_CORRELATION}: it predicts nothing and is not used. Designs are "
            "ranked by few mutations of the consensus with frequent letters instead. Measure more variants"
        )


@dataclass(frozen=True, eq=False)
class Regression:
    """Trained regression with its held-out accuracy."""

    encoder: Encoder
    """Encoder of designs."""
    model: Ridge | Ensemble
    """Model, trained on all variants."""
    report: RegressionReport
    """Held-out accuracy of both models."""
    usage: tuple[ValueUsage, ...] = ()
    """Account of the measured values of the table."""

    def predict(self, designs: Sequence[str]) -> Array:
        """Return predicted values (`n`); NaN for a letter that no measured variant has at its position."""
        return predict(self.encoder, self.model, designs)


def train_or_load(
    path: str | Path,
    *,
    column: str,
    sequence_column: str | None = None,
    kind: str = "protein",
    max_length: int = files.MAX_LENGTH,
    recipe: NetworkRecipe | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Regression:
    """Return the regression of a table of variants: from the cache if possible, otherwise newly trained.

    The report is written as JSON beside the model in the cache.

    Args:
        path: Table of variants, see `files.read`; of a repeated variant the mean counts.
        column: Column of the measured values; rows without a value are omitted.
        sequence_column: Column of the sequences; found by its name by default.
        kind: Kind of the sequences, see `letters_of`.
        max_length: Maximum number of letters of a sequence.
        recipe: Settings of the networks.
        cache: Folder of trained regressions; by default in the user's cache folder.
        progress: Called with the steps of the training; by default its start and end are logged as warnings, because it
            can take a minute.

    Raises:
        InvdesignError: The table cannot be read, or has fewer than 30 measured variants or only one value.
    """
    file = Path(path)
    if not file.is_file():
        raise InvdesignError(f"cannot read {file}: no such file. Check the path of the measured table")
    folder = Path(cache) if cache else platformdirs.user_cache_path("invdesign") / "regressions"
    options = (column, sequence_column, kind, max_length, recipe or NetworkRecipe())
    return _train_or_load(file.resolve(), file.stat().st_mtime_ns, *options, folder, progress or _log_progress)


def _source(
    *,
    path: str | Path,
    column: str,
    sequence_column: str | None = None,
    kind: str = "protein",
    max_length: int = files.MAX_LENGTH,
    cache: str | Path | None = None,
) -> ValueSource:
    """Return the held-out accuracy of a regression; it is trained or loaded for it."""
    report = train_or_load(
        path, column=column, sequence_column=sequence_column, kind=kind, max_length=max_length, cache=cache
    ).report
    return ValueSource(
        "predicted",
        f"{'regression' if report.chosen != 'consensus' else 'no regression'} ({MODEL_NAMES[report.chosen]}) "
        f"of {Path(path).name}",
        error=report.error,
        rank_correlation=report.best.spearman,
        n_held_out=report.best.n,
        highest=report.highest,
        lowest=report.lowest,
    )


def _prepare(
    *,
    path: str | Path,
    column: str,
    sequence_column: str | None = None,
    kind: str = "protein",
    max_length: int = files.MAX_LENGTH,
    cache: str | Path | None = None,
) -> None:
    """Train or load the regression, and log its accuracy at a level that is visible by default."""
    fitted = train_or_load(
        path, column=column, sequence_column=sequence_column, kind=kind, max_length=max_length, cache=cache
    )
    log.warning("%s", fitted.report.describe())


@stating(_source)
@prepare_with(_prepare)
def regression(
    designs: Sequence[str],
    *,
    path: str | Path,
    column: str,
    sequence_column: str | None = None,
    kind: str = "protein",
    max_length: int = files.MAX_LENGTH,
    goal: Goal = "maximize",
    cache: str | Path | None = None,
) -> Array:
    """Return the predictions of a regression of measured variants, in the unit of the table (`n`).

    The value is NaN for a letter that no measured variant has at its position. `prepare`, or the first call, trains the
    regression or loads it from the cache. Below a rank correlation of 0.2 on held-out variants the values are the mean
    of the table, a little nearer to the goal for fewer mutations of the consensus and for frequent letters.

    Args:
        designs: `n` sequences.
        path: Table of variants; see `train_or_load`, as for all that follow.
        column: Column of the measured values.
        sequence_column: Column of the sequences.
        kind: Kind of the sequences.
        max_length: Maximum number of letters.
        goal: Goal of the objective, which decides the direction in which the consensus is preferred.
        cache: Folder of trained regressions.

    Raises:
        InvdesignError: See `train_or_load`.
    """
    fitted = train_or_load(
        path, column=column, sequence_column=sequence_column, kind=kind, max_length=max_length, cache=cache
    )
    values = fitted.predict(designs)
    report = fitted.report
    if report.chosen == "consensus" and _is_downwards(goal, report.mean):
        return 2 * report.mean - values
    return values


def _is_downwards(goal: Goal, mean: float) -> bool:
    """Return whether values below the mean are nearer to a goal than values above it."""
    objective, step = Objective("value", goal=goal), max(abs(mean), 1.0) * 1e-6
    up, down = objective.utility(np.array([mean + step, mean - step]))
    return bool(down > up)


def predict(encoder: Encoder, model: Ridge | Ensemble, designs: Sequence[str]) -> Array:
    """Return predicted values of designs (`n`); NaN for a design with a letter that the encoder lacks.

    Args:
        encoder: Encoder of designs.
        model: Model of the encoder's pairs.
        designs: `n` designs.
    """
    if not len(designs):
        return np.empty(0)
    numbers, is_known = encoder.encode(designs)
    return np.where(is_known, model.predict(numbers), np.nan)


def score_predictions(predictions: Array, measured: Array) -> HeldOutScore:
    """Compare predictions with measured values; predictions that are NaN are counted and omitted.

    Args:
        predictions: `n` values.
        measured: `n` values.

    Example:
        >>> score_predictions(np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, 9.0])).n_unseen
        1
    """
    is_predicted = np.isfinite(predictions)
    x, y = predictions[is_predicted], measured[is_predicted]
    has_ranks = len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0
    correlation = float(spearmanr(x, y).statistic) if has_ranks else 0.0
    rmse = float(np.sqrt(((x - y) ** 2).mean())) if len(x) else float("nan")
    return HeldOutScore(len(x), int((~is_predicted).sum()), correlation, rmse)


@lru_cache(maxsize=8)
def _train_or_load(
    path: Path,
    modified: int,
    column: str,
    sequence_column: str | None,
    kind: str,
    max_length: int,
    recipe: NetworkRecipe,
    folder: Path,
    progress: Progress,
) -> Regression:
    """Train or load a regression; the file's time of modification is part of the cache key."""
    with path.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    key = json.dumps([FORMAT, content, column, sequence_column, kind, max_length, asdict(recipe)])
    stored = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    if stored.is_file():
        fitted = _load(stored)
        _log_usage(fitted, path)
        return fitted
    corpus = files.read(
        path, kind=kind, sequence_column=sequence_column, properties={column: column}, max_length=max_length
    )
    y = corpus.properties[column]
    measured = np.flatnonzero(np.isfinite(y))
    if len(measured) < MIN_VARIANTS:
        raise InvdesignError(
            f"{path}: expected at least {MIN_VARIANTS} variants with a number in {column!r}, got {len(measured)}. "
            "Measure more variants, or check the column"
        )
    fitted = replace(
        _fit([corpus.designs[i] for i in measured.tolist()], y[measured], recipe, progress), usage=corpus.usage
    )
    _log_usage(fitted, path)
    _save(fitted, stored, {"table": path.name, "sha256": content, "column": column})
    return fitted


def _fit(designs: Sequence[str], y: Array, recipe: NetworkRecipe, progress: Progress) -> Regression:
    """Choose a model on held-out variants, and train it on all."""
    folds = _split_folds(len(y), recipe.seed)
    held_out = np.concatenate([test for _, test in folds])
    scores: dict[str, HeldOutScore] = {}
    for name in ("ridge", "networks"):
        predictions = [
            predict(
                *_fit_model(name, [designs[i] for i in rows], y[rows], recipe, progress), [designs[i] for i in test]
            )
            for rows, test in folds
        ]
        scores[name] = score_predictions(np.concatenate(predictions), y[held_out])
    chosen: ModelName = "ridge" if scores["ridge"].rmse <= scores["networks"].rmse else "networks"
    if scores[chosen].spearman < MIN_RANK_CORRELATION:
        chosen = "consensus"
    encoder, model = _fit_model(chosen, designs, y, recipe, progress)
    report = RegressionReport(
        variants=len(y),
        held_out=len(held_out),
        spread=float(y.std()),
        mean=float(y.mean()),
        lowest=float(y.min()),
        highest=float(y.max()),
        ridge=scores["ridge"],
        networks=scores["networks"],
        chosen=chosen,
    )
    return Regression(encoder, model, report)


def _split_folds(n: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Return rows to train on and rows held out: five times for few variants, as a tenth of them says little."""
    if n > MAX_CROSS_VALIDATED:
        return [split(n, held_out=n, seed=seed)]
    order = np.random.default_rng([seed, n]).permutation(n)
    return [(np.sort(np.delete(order, np.s_[k::FOLDS])), np.sort(order[k::FOLDS])) for k in range(FOLDS)]


def _fit_model(
    name: str, designs: Sequence[str], y: Array, recipe: NetworkRecipe, progress: Progress
) -> tuple[Encoder, Ridge | Ensemble]:
    encoder = Encoder.fit(designs)
    numbers, _ = encoder.encode(designs)
    n_pairs = len(encoder.pairs)
    if name == "ridge":
        return encoder, fit_ridge(numbers, y, n_pairs)
    if name == "consensus":
        return encoder, fit_consensus(numbers, y, n_pairs)
    return encoder, fit_networks(numbers, y, n_pairs, recipe, progress=progress)


def _save(fitted: Regression, path: Path, source: dict[str, str]) -> None:
    """Write the model as safetensors and its report as JSON."""
    model = fitted.model
    meta: dict[str, Any] = {
        "common": fitted.encoder.common,
        "pairs": fitted.encoder.pairs,
        "report": asdict(fitted.report),
        "usage": to_plain(fitted.usage),
        **source,
    }
    if isinstance(model, Ridge):
        tensors = {"effects": torch.from_numpy(model.effects), "constant": torch.tensor(model.constant).double()}
    else:
        tensors = dict(model.networks.state_dict())
        meta |= {"recipe": asdict(model.networks.recipe), "mean": model.mean, "spread": model.spread}
    write_tensors(path, tensors, meta)
    facts = {**source, **asdict(fitted.report), "measured_values": to_plain(fitted.usage)}
    write_bytes(path.with_suffix(".json"), json.dumps(facts, indent=1).encode())


def _load(path: Path) -> Regression:
    tensors, meta = read_tensors(path)
    encoder = Encoder(meta["common"], tuple((int(position), str(letter)) for position, letter in meta["pairs"]))
    stored = meta["report"]
    scores = {name: HeldOutScore(**stored[name]) for name in ("ridge", "networks")}
    report = RegressionReport(**{**stored, **scores})
    usage = tuple(from_plain(ValueUsage, each) for each in meta["usage"])
    if "recipe" not in meta:
        return Regression(encoder, Ridge(float(tensors["constant"]), tensors["effects"].numpy()), report, usage)
    networks = Networks(len(encoder.pairs), NetworkRecipe(**meta["recipe"]))
    networks.load_state_dict(tensors)
    return Regression(encoder, Ensemble(networks.eval(), meta["mean"], meta["spread"]), report, usage)


def _log_usage(fitted: Regression, path: Path) -> None:
    """Log which measured values a regression uses, at a level that is visible by default."""
    for line in describe_usage(fitted.usage, source=f"regression of {path.name}"):
        log.warning("%s", line)


def _log_progress(stage: str, done: int, total: int) -> None:
    """Log the start and the end of a training, at a level that is visible by default."""
    if done == 0 and total > QUICK_STEPS:
        log.warning("%s: %s steps, once; the result is cached", stage, f"{total:,}")
    elif done == total > QUICK_STEPS:
        log.warning("%s: done", stage)
