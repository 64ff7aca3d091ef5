"""Room of VAEs: the one training loop, with validation, early stop, checkpoints and exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from invdesign.core import BuildVAE, InvdesignError, Progress, silent
from invdesign.vae.base import VAE, elbo
from invdesign.vae.checkpoint import read_checkpoint, write_checkpoint

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How a VAE is built and trained; with the data it decides the model, and so the cache key.

    Args:
        build: from a fitted domain to an untrained model.
        epochs: passes through the training designs.
        batch: designs per step.
        learning_rate: its peak, reached after `warmup` steps; it falls to 2 % of that along a cosine.
        warmup: steps of rising learning rate.
        weight_decay: of AdamW.
        clip: largest norm of a gradient.
        beta: weight of the divergence.
        beta_warmup: share of the steps over which beta rises from 0.
        free_bits: nats per latent dimension that are not punished.
        property_weight: weight of the property head's squared error (in standard deviations) against one nat.
        held_out: designs kept for validation, at most a tenth.
        validate_every: steps between validations; 0 for once per epoch.
        patience: validations without improvement before training stops; 0 to go on to the end.
        max_minutes: wall-clock after which training stops at the next step; a stopped run can be resumed.
        checkpoint_minutes: between checkpoints.
        seed: of the parameters, the order of the data and the noise.
        device: `"auto"` takes a GPU where there is one.
    """

    build: BuildVAE
    epochs: float = 10.0
    batch: int = 256
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.0
    clip: float = 1.0
    beta: float = 0.1
    beta_warmup: float = 0.0
    free_bits: float = 0.0
    property_weight: float = 1.0
    held_out: int = 5000
    validate_every: int = 0
    patience: int = 0
    max_minutes: float = math.inf
    checkpoint_minutes: float = 3.0
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class Validation:
    """What one validation found.

    Args:
        step: steps done.
        loss: minus the weighted evidence bound, nats per held-out design.
        log_likelihood: nats per held-out design, at drawn latents.
        kl: nats per held-out design.
        seconds: of training so far.
    """

    step: int
    loss: float
    log_likelihood: float
    kl: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Training:
    """A trained model and how it came about.

    Args:
        vae: with the parameters of the best validation.
        validations: in order.
        steps: done.
        total: steps planned.
        stopped: `"finished"`, `"no improvement"` or `"time"`.
        held_out: rows that were not trained on.
    """

    vae: VAE
    validations: tuple[Validation, ...]
    steps: int
    total: int
    stopped: str
    held_out: Rows


def split(n: int, *, held_out: int, seed: int) -> tuple[Rows, Rows]:
    """Rows to train on and rows held out (at most a tenth); the same for the same `n` and seed."""
    order = np.random.default_rng([seed, n]).permutation(n)
    kept = min(held_out, n // 10)
    return np.sort(order[kept:]), np.sort(order[:kept])


def train(
    vae: VAE,
    batch: Any,
    recipe: Recipe,
    *,
    labels: Tensor | None = None,
    weights: Tensor | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a VAE on a batch of designs; with a checkpoint that exists, go on exactly where it was written.

    A resumed training ends with the parameters of an uninterrupted one: the checkpoint holds the parameters, the
    optimizer and the state of the random numbers, and the order of the data follows from the seed and the epoch.

    Args:
        vae: the model; trained in place.
        batch: `n` designs, whatever the model takes; must allow `len` and indexing with row numbers.
        recipe: the settings; its `build` is not used here.
        labels: `n x p` standardized properties for the property head, NaN where unknown.
        weights: `n` sampling weights, not negative; None for each design once per epoch.
        checkpoint: file to write to and resume from.
        progress: told the steps done and planned.

    Raises:
        InvdesignError: when the data cannot be trained on, or the checkpoint is of another model or recipe.
    """
    _check(vae, batch, recipe, labels, weights)
    device = _device(recipe.device)
    rows, held_out = split(len(batch), held_out=recipe.held_out, seed=recipe.seed)
    vae.to(device)
    parameters = [p for p in vae.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(parameters, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay)
    per_epoch = math.ceil(len(rows) / recipe.batch)
    total = max(1, round(recipe.epochs * per_epoch))
    every = recipe.validate_every or per_epoch
    work = vae.sizes(batch)
    sizes = None if work is None else work.cpu().numpy()
    shares = None if weights is None else weights.double().cpu().numpy()

    step, spent = 0, 0.0
    validations: list[Validation] = []
    best: dict[str, Tensor] | None = None
    signature = _signature(vae, recipe, len(batch), total)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(recipe.seed)
        if checkpoint is not None and checkpoint.exists():
            meta, best = read_checkpoint(checkpoint, vae, adam, signature)
            step, spent = int(meta["step"]), float(meta["seconds"])
            validations = [Validation(**row) for row in meta["validations"]]
        started = saved = time.monotonic()
        stopped = "finished"
        order: list[Rows] = []
        epoch = -1
        while step < total:
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = _order(rows, recipe, epoch, sizes, shares)
            chosen = torch.from_numpy(order[step % per_epoch])
            x, known = _take(batch, chosen, device), _rows(labels, chosen, device)
            _step(vae, adam, parameters, x, known, recipe, step, total)
            step += 1
            now = time.monotonic()
            if step % every == 0 or step == total:
                seconds = spent + now - started
                validations.append(_validate(vae, batch, held_out, recipe, step, seconds, device))
                if best is None or validations[-1].loss <= min(v.loss for v in validations):
                    best = {name: p.detach().to("cpu", copy=True) for name, p in vae.state_dict().items()}
                if recipe.patience and _is_stale(validations, recipe.patience):
                    stopped = "no improvement"
            if stopped == "finished" and step < total and now - started > 60 * recipe.max_minutes:
                stopped = "time"
            done = stopped != "finished" or step == total
            if checkpoint is not None and (done or now - saved > 60 * recipe.checkpoint_minutes):
                meta = {
                    "signature": signature,
                    "step": step,
                    "seconds": spent + time.monotonic() - started,
                    "validations": [vars(v) for v in validations],
                }
                write_checkpoint(checkpoint, vae, adam, meta, best)
                saved = time.monotonic()
            progress(_stage(validations), step, total)
            if stopped != "finished":
                break
    if best is not None:
        vae.load_state_dict(best)
    return Training(vae.eval(), tuple(validations), step, total, stopped, held_out)


def _step(
    vae: VAE,
    adam: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    x: Any,
    labels: Tensor | None,
    recipe: Recipe,
    step: int,
    total: int,
) -> None:
    rise = min(1.0, (step + 1) / max(1, recipe.warmup))
    rate = recipe.learning_rate * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / total)))
    for group in adam.param_groups:
        group["lr"] = rate
    vae.train()
    with _precision(parameters[0].device):
        terms = elbo(vae, x, beta=_beta(recipe, step, total), free_bits=recipe.free_bits)
        loss = terms.loss.mean()
        if labels is not None and (hint := vae.predict(terms.z)) is not None:
            known = torch.isfinite(labels)
            missed = (hint.float() - labels.nan_to_num()).square() * known
            loss = loss + recipe.property_weight * missed.sum() / max(1, len(labels))
    adam.zero_grad(set_to_none=True)
    (loss / 10).backward()
    nn.utils.clip_grad_norm_(parameters, recipe.clip)
    adam.step()


def _beta(recipe: Recipe, step: int, total: int) -> float:
    if not recipe.beta_warmup:
        return recipe.beta
    return recipe.beta * min(1.0, step / (recipe.beta_warmup * total))


@torch.no_grad()
def _validate(
    vae: VAE, batch: Any, held_out: Rows, recipe: Recipe, step: int, seconds: float, device: torch.device
) -> Validation:
    """Rate the held-out designs, with noise of its own, so that training draws the same with and without it."""
    vae.eval()
    log_likelihood, kl, n = 0.0, 0.0, max(1, len(held_out))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(recipe.seed + 1)
        for start in range(0, len(held_out), 512):
            rows = torch.from_numpy(held_out[start : start + 512])
            terms = elbo(vae, _take(batch, rows, device), beta=recipe.beta)
            log_likelihood += float(terms.log_likelihood.sum())
            kl += float(terms.kl.sum())
    return Validation(step, (recipe.beta * kl - log_likelihood) / n, log_likelihood / n, kl / n, seconds)


def _order(
    rows: Rows, recipe: Recipe, epoch: int, sizes: Rows | None, shares: npt.NDArray[np.float64] | None
) -> list[Rows]:
    """The batches of one epoch: shuffled, and like sizes together within stretches of 50 batches."""
    generator = np.random.default_rng([recipe.seed, epoch])
    if shares is None:
        shuffled = generator.permutation(rows)
    else:
        share = shares[rows]
        shuffled = generator.choice(rows, size=len(rows), p=share / share.sum())
    batches: list[Rows] = []
    stretch = 50 * recipe.batch
    for start in range(0, len(shuffled), stretch):
        piece = shuffled[start : start + stretch]
        if sizes is not None:
            piece = piece[np.argsort(sizes[piece], kind="stable")]
        cuts = [piece[i : i + recipe.batch] for i in range(0, len(piece), recipe.batch)]
        batches += [cuts[i] for i in generator.permutation(len(cuts))]
    return batches


def _is_stale(validations: Sequence[Validation], patience: int) -> bool:
    losses = [v.loss for v in validations]
    return len(losses) - 1 - int(np.argmin(losses)) >= patience


def _stage(validations: Sequence[Validation]) -> str:
    if not validations:
        return "training the VAE"
    last = validations[-1]
    return f"training the VAE (held-out loss {last.loss:.2f} nats, reconstruction {-last.log_likelihood:.2f})"


def _take(batch: Any, rows: Tensor, device: torch.device) -> Any:
    piece = batch[rows]
    return piece.to(device) if hasattr(piece, "to") else piece


def _rows(values: Tensor | None, rows: Tensor, device: torch.device) -> Tensor | None:
    return None if values is None else values[rows].to(device, torch.float32)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _precision(device: torch.device) -> Any:
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def _signature(vae: VAE, recipe: Recipe, n: int, total: int) -> dict[str, Any]:
    names = ("batch", "learning_rate", "warmup", "weight_decay", "clip", "beta", "beta_warmup", "free_bits")
    more = ("property_weight", "held_out", "validate_every", "patience", "seed")
    settings = {name: getattr(recipe, name) for name in (*names, *more)}
    return {"architecture": vae.architecture(), "recipe": settings, "designs": n, "total": total}


def _check(vae: VAE, batch: Any, recipe: Recipe, labels: Tensor | None, weights: Tensor | None) -> None:
    n = len(batch)
    if n < 10:
        raise InvdesignError(f"training needs at least 10 designs, got {n}; give a larger corpus")
    for name, value in (("epochs", recipe.epochs), ("batch", recipe.batch), ("learning_rate", recipe.learning_rate)):
        if not value > 0:
            raise InvdesignError(f"recipe: {name} must be positive, got {value!r}")
    if labels is not None and (labels.ndim != 2 or len(labels) != n):
        raise InvdesignError(f"training: labels must be {n} x p, one row per design, got {tuple(labels.shape)}")
    fits = weights is None or (weights.shape == (n,) and bool((weights >= 0).all()) and float(weights.sum()) > 0)
    if not fits:
        raise InvdesignError(f"training: weights must be {n} numbers, none negative and not all zero")
