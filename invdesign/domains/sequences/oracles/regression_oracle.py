"""The oracle of measured variants: a regression of a table, trained once, with its held-out error beside it.

Two regressions are tried, additive (ridge on one-hot) and a small ensemble of networks; a random tenth of the variants
says which is better, and then that one is trained on all. What is learnt is cached by the content of the table.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
import torch
from scipy.stats import spearmanr

from invdesign.core import Array, InvdesignError, Progress
from invdesign.domains.sequences.io import files
from invdesign.domains.sequences.oracles.regressors import (
    Encoder,
    Ensemble,
    Networks,
    Recipe,
    Ridge,
    fit_networks,
    fit_ridge,
)
from invdesign.io.atomic import write_bytes
from invdesign.vae.store import read_tensors, write_tensors
from invdesign.vae.training import split

FORMAT = 1
FEWEST = 30
Model = Literal["ridge", "networks"]


@dataclass(frozen=True)
class Score:
    """How well a regression foretold variants that it was not trained on.

    Args:
        n: variants.
        n_unseen: further variants that it could not tell of, for a letter at a place where it had seen none.
        spearman: rank correlation with what was measured.
        rmse: root mean square error, in the unit of what was measured.
    """

    n: int
    n_unseen: int
    spearman: float
    rmse: float


@dataclass(frozen=True)
class Report:
    """What is known of a regression: both candidates on the held-out tenth, trained on the others.

    Args:
        variants: in the table.
        held_out: of them, a random tenth.
        spread: standard deviation of what was measured.
        ridge: the additive candidate.
        networks: the other.
        chosen: the one of the smaller error, which was then trained on all variants.
    """

    variants: int
    held_out: int
    spread: float
    ridge: Score
    networks: Score
    chosen: Model


@dataclass(frozen=True, eq=False)
class Regression:
    """A trained regression, and how far to trust it."""

    encoder: Encoder
    model: Ridge | Ensemble
    report: Report

    def predict(self, designs: Sequence[str]) -> Array:
        """Values of designs (`n`); NaN where a letter stands at a place where no measured variant had it."""
        return predicted(self.encoder, self.model, designs)


def regression(
    designs: Sequence[str],
    *,
    path: str | Path,
    column: str,
    sequence_column: str | None = None,
    kind: str = "protein",
    max_length: int = files.MAX_LENGTH,
    cache: str | Path | None = None,
) -> Array:
    """What a regression of measured variants foretells, in the unit of the table (`n`); see `trained`.

    NaN where a letter stands at a place where no measured variant had it. The first call trains or loads, and no
    designs are needed for it.
    """
    return trained(
        path, column=column, sequence_column=sequence_column, kind=kind, max_length=max_length, cache=cache
    ).predict(designs)  # fmt: skip


def trained(
    path: str | Path,
    *,
    column: str,
    sequence_column: str | None = None,
    kind: str = "protein",
    max_length: int = files.MAX_LENGTH,
    recipe: Recipe | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Regression:
    """The regression of a table of variants: from the cache, or trained now.

    The report is written as JSON beside the model in the cache.

    Args:
        path: of the table, see `files.read`; of a repeated variant the first row counts.
        column: of the values that were measured; rows without one are left out.
        sequence_column: of the sequences; found by its name where it is not given.
        kind: of the sequences.
        max_length: letters of the longest sequence.
        recipe: of the networks.
        cache: folder of trained regressions; by default among your cache folder's.
        progress: told the steps; by default a training is announced on standard error.

    Raises:
        InvdesignError: the table cannot be read, or has fewer than 30 measured variants or only one value.
    """
    place = Path(path)
    if not place.is_file():
        raise InvdesignError(f"cannot read {place}: no such file. Check the path of the measured table")
    folder = Path(cache) if cache else platformdirs.user_cache_path("invdesign") / "regressions"
    options = (column, sequence_column, kind, max_length, recipe or Recipe())
    return _trained(place.resolve(), place.stat().st_mtime_ns, *options, folder, progress or _announce)


def predicted(encoder: Encoder, model: Ridge | Ensemble, designs: Sequence[str]) -> Array:
    """Values of designs by a model of an encoder's pairs (`n`), NaN where the encoder lacks a letter."""
    if not len(designs):
        return np.empty(0)
    numbers, is_known = encoder.numbers(designs)
    return np.where(is_known, model.predict(numbers), np.nan)


def score(found: Array, wanted: Array) -> Score:
    """Compare predictions with what was measured; predictions that are NaN are counted and left out."""
    told = np.isfinite(found)
    error = found[told] - wanted[told]
    is_ranked = told.sum() > 1 and np.ptp(found[told]) > 0 and np.ptp(wanted[told]) > 0
    correlation = float(spearmanr(found[told], wanted[told]).statistic) if is_ranked else 0.0
    rmse = float(np.sqrt((error**2).mean())) if told.any() else float("nan")
    return Score(int(told.sum()), int((~told).sum()), correlation, rmse)


@lru_cache(maxsize=8)
def _trained(
    path: Path,
    changed: int,
    column: str,
    sequence_column: str | None,
    kind: str,
    max_length: int,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> Regression:
    with path.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    key = json.dumps([FORMAT, content, column, sequence_column, kind, max_length, asdict(recipe)])
    place = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    if place.is_file():
        return _load(place)
    corpus = files.read(
        path, kind=kind, sequence_column=sequence_column, properties={column: column}, max_length=max_length
    )  # fmt: skip
    y = corpus.properties[column]
    known = np.flatnonzero(np.isfinite(y))
    if len(known) < FEWEST:
        raise InvdesignError(
            f"{path}: {len(known)} variants with a number in {column!r}; a regression needs at least {FEWEST}"
        )
    fitted = _fit([corpus.designs[i] for i in known], y[known], recipe, progress)
    _save(fitted, place, {"table": path.name, "sha256": content, "column": column})
    return fitted


def _fit(designs: Sequence[str], y: Array, recipe: Recipe, progress: Progress) -> Regression:
    kept, out = split(len(y), held_out=len(y), seed=recipe.seed)
    held_out = [designs[i] for i in out]
    scores: dict[str, Score] = {}
    for name in ("ridge", "networks"):
        encoder, model = _model(name, [designs[i] for i in kept], y[kept], recipe, progress)
        scores[name] = score(predicted(encoder, model, held_out), y[out])
    chosen: Model = "ridge" if scores["ridge"].rmse <= scores["networks"].rmse else "networks"
    encoder, model = _model(chosen, designs, y, recipe, progress)
    report = Report(len(y), len(out), float(y.std()), scores["ridge"], scores["networks"], chosen)
    return Regression(encoder, model, report)


def _model(
    name: str, designs: Sequence[str], y: Array, recipe: Recipe, progress: Progress
) -> tuple[Encoder, Ridge | Ensemble]:
    encoder = Encoder.of(designs)
    numbers, _ = encoder.numbers(designs)
    n_pairs = len(encoder.pairs)
    if name == "ridge":
        return encoder, fit_ridge(numbers, y, n_pairs)
    return encoder, fit_networks(numbers, y, n_pairs, recipe, progress=progress)


def _save(fitted: Regression, place: Path, source: dict[str, str]) -> None:
    model = fitted.model
    meta: dict[str, Any] = {
        "common": fitted.encoder.common,
        "pairs": fitted.encoder.pairs,
        "report": asdict(fitted.report),
        **source,
    }
    if isinstance(model, Ridge):
        tensors = {"effects": torch.from_numpy(model.effects), "constant": torch.tensor(model.constant).double()}
    else:
        tensors = dict(model.networks.state_dict())
        meta |= {"recipe": asdict(model.networks.recipe), "mean": model.mean, "spread": model.spread}
    write_tensors(place, tensors, meta)
    write_bytes(place.with_suffix(".json"), json.dumps({**source, **asdict(fitted.report)}, indent=1).encode())


def _load(place: Path) -> Regression:
    tensors, meta = read_tensors(place)
    encoder = Encoder(meta["common"], tuple((int(at), str(letter)) for at, letter in meta["pairs"]))
    said = meta["report"]
    report = Report(**{**said, "ridge": Score(**said["ridge"]), "networks": Score(**said["networks"])})
    if "recipe" not in meta:
        return Regression(encoder, Ridge(float(tensors["constant"]), tensors["effects"].numpy()), report)
    networks = Networks(len(encoder.pairs), Recipe(**meta["recipe"]))
    networks.load_state_dict(tensors)
    return Regression(encoder, Ensemble(networks.eval(), meta["mean"], meta["spread"]), report)


def _announce(stage: str, done: int, total: int) -> None:
    if done in (0, total):
        what = f"{total:,} steps, once; then it is cached" if not done else "done"
        print(f"invdesign: {stage}: {what}", file=sys.stderr, flush=True)
