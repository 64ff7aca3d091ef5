"""Training of a VAE, with validation, early stopping, checkpoints and exact resume."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from invdesign.core import BuildVAE, Corpus, InvdesignError, Progress, silent
from invdesign.vae.base import VAE, to_device
from invdesign.vae.beta import GAIN, MIN_TOTAL_GAIN, BetaControl
from invdesign.vae.checkpoint import read_checkpoint, remove_if_damaged, write_checkpoint
from invdesign.vae.independence import independence
from invdesign.vae.losses import TrainingBatch, WeightedTerm, elbo
from invdesign.vae.neighbourhoods import Neighbourhoods, laplacian
from invdesign.vae.processes import current_processes, local_rank
from invdesign.vae.stored_tokens import RowTargets, StoredTokens

logger = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]
VALIDATION_BATCH = 512
BATCHES_SORTED_TOGETHER = 50
LINKS = 1
"""Distinguishes the random numbers that draw links from those that order the designs."""
FindLinks = Callable[[Any, Corpus[Any]], Rows]


def default_terms() -> dict[str, WeightedTerm]:
    """Return the loss terms beside the evidence lower bound: the regression of the property head."""
    return {"properties": WeightedTerm()}


@dataclass(frozen=True)
class Recipe:
    """Settings of building and training a VAE; with the data they decide the model, and so the cache key."""

    build: BuildVAE
    """Builds an untrained model for an encoding."""
    epochs: float | None = None
    """Passes through the training designs; None for as many as `min_epochs` and `min_steps` need."""
    min_epochs: float = 10.0
    """Smallest number of passes where `epochs` is None."""
    min_steps: int = 400
    """Smallest number of steps where `epochs` is None: a small corpus is passed through more often."""
    batch: int = 256
    """Designs per step."""
    learning_rate: float = 2e-3
    """Peak learning rate, reached after `warmup` steps; it falls to 2 % of that along a cosine."""
    warmup: int = 100
    """Steps of rising learning rate."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    clip: float = 1.0
    """Largest norm of a gradient."""
    beta: float = 0.1
    """Weight of the KL divergence; with a target, its initial value."""
    target_rate: float | None = None
    """KL divergence per design [nats] at which the training is held by an adaptive beta; None for a fixed beta."""
    target_distortion: float | None = None
    """-log p(x | z) per design [nats] at which the training is held by an adaptive beta; None for a fixed beta."""
    beta_warmup: float = 0.0
    """Fraction of the steps over which beta rises from 0."""
    free_bits: float = 0.0
    """KL divergence per latent dimension [nats] that is not penalized."""
    terms: Mapping[str, WeightedTerm] = field(default_factory=default_terms)
    """Further loss terms by name, each weighted and scheduled."""
    condition: Sequence[str] = ()
    """Labels of the corpus, e.g. `[laboratory, assay]`, that encoder and decoder read and latents should not hold."""
    independence: float = 0.0
    """Weight of a term that makes latents independent of the condition (see `vae.independence`) where a label leaks.
    The default is 0: in small corpora the shift of the latents alone leaks less."""
    decode_under: Mapping[str, str] = field(default_factory=dict)
    """Value of each of these labels under which designs are decoded; by default the most frequent one."""
    neighbours: FindLinks | None = None
    """Finds links between designs that should be near each other, `(domain, corpus) -> k x 2` rows; None for none."""
    closeness: float = 0.1
    """Weight of the term that keeps linked designs together (see `vae.neighbourhoods`)."""
    held_out: int = 5000
    """Designs kept for validation, at most a tenth."""
    validate_every: int = 0
    """Steps between validations; 0 for once per epoch."""
    patience: int = 0
    """Validations without improvement before training stops; 0 to train to the end."""
    max_minutes: float = math.inf
    """Time [min] after which training stops at the next step; a stopped training can be resumed."""
    checkpoint_minutes: float = 3.0
    """Time between checkpoints [min]."""
    information_epochs: float | None = None
    """Passes of the autoregressive model that measures the information content; None for half of `epochs`, 0 for no
    measurement."""
    seed: int = 0
    """Seed of the parameters, the order of the data and the noise."""
    device: str = "auto"
    """Device to train on; `"auto"` takes a GPU where there is one."""


@dataclass(frozen=True)
class Validation:
    """Losses on the held-out designs, averaged over them."""

    step: int
    """Number of training steps before it."""
    loss: float
    """Loss by which validations are compared (see `BetaControl.loss`) [nats]."""
    log_likelihood: float
    """log p(x | z) at drawn latents [nats]."""
    kl: float
    """KL divergence [nats]."""
    seconds: float
    """Duration of the training so far [s]."""


@dataclass(frozen=True, eq=False)
class Training:
    """A trained model and the record of its training."""

    vae: VAE
    """The model, with the parameters of the best validation, on the device of the training."""
    validations: tuple[Validation, ...]
    """All validations, in order."""
    steps: int
    """Steps done."""
    total: int
    """Steps planned."""
    stopped: str
    """Why it stopped: `"finished"`, `"no improvement"` or `"time"`."""
    held_out: Rows
    """Rows that were not trained on."""


def split(n: int, *, held_out: int, seed: int, families: Sequence[str] = ()) -> tuple[Rows, Rows]:
    """Return the rows to train on and the rows held out (at most a tenth); equal for equal `n` and seed.

    Args:
        n: Designs.
        held_out: Designs held out.
        seed: Seed of the choice.
        families: Family of each design; whole families are held out, as many as fit into their number, which is at most
            a fifth: relatives say less than as many designs on their own. Where every family is larger than that,
            single designs are held out.

    Example:
        >>> len(split(20, held_out=3, seed=0, families=["a", "b"] * 4 + ["c"] * 12)[1])
        2
        >>> split(20, held_out=2, seed=0, families=["a", "b"] + ["c"] * 18)[1].tolist()
        [0, 1]
    """
    order = np.random.default_rng([seed, n]).permutation(n)
    n_held_out = min(held_out, n // 10)
    if families:
        by_family, n_of_families = _order_by_family(order, min(held_out, n // 5), families)
        if n_of_families:
            order, n_held_out = by_family, n_of_families
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def _order_by_family(order: Rows, n_held_out: int, families: Sequence[str]) -> tuple[Rows, int]:
    """Return rows with the families that are held out first, and the number of their members."""
    members: dict[str, list[int]] = {}
    for row in order.tolist():
        members.setdefault(families[row], []).append(row)
    chosen: list[int] = []
    others: list[int] = []
    for rows in members.values():
        (chosen if len(chosen) + len(rows) <= n_held_out else others).extend(rows)
    return np.array(chosen + others, dtype=order.dtype), len(chosen)


def planned_epochs(recipe: Recipe, n: int) -> float:
    """Return the passes through the training designs among `n` designs.

    Example:
        >>> recipe = Recipe(build=lambda encoding: None, min_epochs=10.0, min_steps=400, batch=256)
        >>> planned_epochs(recipe, 100_000), planned_epochs(recipe, 400)
        (10.0, 200.0)
    """
    if recipe.epochs is not None:
        return recipe.epochs
    n_trained = n - min(recipe.held_out, n // 10)
    return max(recipe.min_epochs, recipe.min_steps / math.ceil(n_trained / recipe.batch))


def train(
    vae: VAE,
    batch: Any,
    recipe: Recipe,
    *,
    targets: Float[Tensor, "n p"] | RowTargets | None = None,
    weights: Float[Tensor, " n"] | None = None,
    families: Sequence[str] = (),
    condition: Float[Tensor, "n c"] | None = None,
    neighbourhoods: Neighbourhoods | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a VAE on encoded designs; with an existing checkpoint, continue exactly where it was written.

    Processes that were started by torchrun and have joined (see `join_processes`) train together: each calls this
    function with the same arguments.

    A resumed training ends with the parameters of an uninterrupted one: the checkpoint holds the parameters, the
    optimizer and the state of the random numbers, and the order of the data follows from the seed and the epoch.

    Args:
        vae: The model; trained in place.
        batch: `n` encoded designs; must allow `len` and indexing with row numbers. Rows on disk (`StoredTokens`) are
            shuffled within stretches of some shards.
        recipe: Settings; `build` is not used here.
        targets: Standardized targets of the property head, NaN where unknown.
        weights: Sampling weights, not negative; None for each design once per epoch.
        families: Family of each design; whole families are held out.
        condition: Conditions of a conditional model.
        neighbourhoods: Links between the designs.
        checkpoint: File to write to and to resume from.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The data cannot be trained on, or the checkpoint belongs to another model or recipe.
    """
    _check_data(batch, recipe, targets, weights)
    rows, held_out = split(len(batch), held_out=recipe.held_out, seed=recipe.seed, families=families)
    start = time.monotonic()
    if vae.fit_at_once(batch, torch.from_numpy(rows)):
        seconds = time.monotonic() - start
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            return _fitted_at_once(vae, batch, held_out, seconds)
    loop = _Loop(vae, batch, recipe, targets, weights, families, condition, neighbourhoods)
    with torch.random.fork_rng(devices=[loop.device] if loop.device.type == "cuda" else []):
        torch.manual_seed(recipe.seed)
        if checkpoint is not None:
            remove_if_damaged(checkpoint)
            if checkpoint.exists():
                loop.resume(checkpoint)
        loop.run(checkpoint, progress)
    if loop.best is not None:
        vae.load_state_dict(loop.best)
    return Training(vae.eval(), tuple(loop.validations), loop.step, loop.total, loop.stopped, loop.held_out)


@torch.no_grad()
def _fitted_at_once(vae: VAE, batch: Any, held_out: Rows, seconds: float) -> Training:
    """Return the record of a model that needed no training."""
    bound = elbo(vae.eval(), batch[torch.from_numpy(held_out[:VALIDATION_BATCH])])
    log_likelihood, kl = float(bound.log_likelihood.mean()), float(bound.kl.sum(1).mean())
    validation = Validation(0, kl - log_likelihood, log_likelihood, kl, seconds)
    return Training(vae, (validation,), 0, 0, "finished", held_out)


class _Loop:
    """State of one training."""

    def __init__(
        self,
        vae: VAE,
        batch: Any,
        recipe: Recipe,
        targets: Tensor | RowTargets | None,
        weights: Tensor | None,
        families: Sequence[str] = (),
        condition: Tensor | None = None,
        neighbourhoods: Neighbourhoods | None = None,
    ) -> None:
        self.condition, self.neighbourhoods = condition, neighbourhoods
        self.terms = all_terms(recipe)
        self.vae, self.batch, self.recipe, self.targets = vae, batch, recipe, targets
        self.device = _device(recipe.device)
        self.processes = current_processes()
        self.rows, self.held_out = split(len(batch), held_out=recipe.held_out, seed=recipe.seed, families=families)
        vae.to(self.device)
        self.processes.copy_from_first(vae)
        self.parameters = [p for p in vae.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self.steps_per_epoch = math.ceil(len(self.rows) / recipe.batch)
        self.total = max(1, round(planned_epochs(recipe, len(batch)) * self.steps_per_epoch))
        self.sizes = _work(vae, batch)
        self.weights = None if weights is None else weights.double().cpu().numpy()
        self.beta = BetaControl(
            recipe.beta,
            recipe.beta_warmup * self.total,
            recipe.target_rate,
            recipe.target_distortion,
            max(GAIN, MIN_TOTAL_GAIN / self.total),
        )
        self.step = 0
        self.seconds_before = 0.0
        self.started = time.monotonic()
        self.validations: list[Validation] = []
        self.best: dict[str, Tensor] | None = None
        self.stopped = "finished"
        self.signature = _signature(vae, recipe, len(batch), self.total)

    def resume(self, checkpoint: Path) -> None:
        """Continue from a checkpoint."""
        meta, self.best = read_checkpoint(checkpoint, self.vae, self.optimizer, self.signature)
        self.step, self.seconds_before = int(meta["step"]), float(meta["seconds"])
        self.validations = [Validation(**row) for row in meta["validations"]]
        self.beta.beta, self.beta.error = meta["beta"]

    def run(self, checkpoint: Path | None, progress: Progress) -> None:
        """Train until the end, until the time is up, or until the validations stop improving."""
        recipe = self.recipe
        validate_every = recipe.validate_every or self.steps_per_epoch
        self.started = saved = time.monotonic()
        order: list[Rows] = []
        epoch = -1
        while self.step < self.total and self.stopped == "finished":
            if self.step // self.steps_per_epoch != epoch:
                epoch = self.step // self.steps_per_epoch
                order = self.batches_of_epoch(epoch)
            self.train_on(torch.from_numpy(order[self.step % self.steps_per_epoch]))
            now = time.monotonic()
            if self.step % validate_every == 0 or self.step == self.total:
                self.validate()
                if recipe.patience and _is_stale(self.validations, recipe.patience):
                    self.stopped = "no improvement"
            is_late = math.isfinite(recipe.max_minutes) and not self.processes.agree(
                now - self.started <= 60 * recipe.max_minutes
            )
            if self.stopped == "finished" and self.step < self.total and is_late:
                self.stopped = "time"
            is_done = self.stopped != "finished" or self.step == self.total
            if (
                checkpoint is not None
                and self.processes.rank == 0
                and (is_done or now - saved > 60 * recipe.checkpoint_minutes)
            ):
                try:
                    self.save(checkpoint)
                except InvdesignError as error:
                    logger.warning("the training goes on without a checkpoint: %s", error)
                    checkpoint = None
                saved = time.monotonic()
            progress(_stage(self.validations), self.step, self.total)

    def batches_of_epoch(self, epoch: int) -> list[Rows]:
        """Return the batches of one epoch, which follow from the seed and its number."""
        generator = np.random.default_rng([self.recipe.seed, epoch])
        if self.weights is not None:
            weights = self.weights[self.rows]
            shuffled = generator.choice(self.rows, size=len(self.rows), p=weights / weights.sum())
        elif isinstance(self.batch, StoredTokens):
            shuffled = self.batch.shuffle(self.rows, generator)
        else:
            shuffled = generator.permutation(self.rows)
        return _cut(shuffled, self.recipe.batch, self.sizes, generator)

    def train_on(self, rows: Tensor) -> None:
        """Make one step of AdamW on some designs."""
        recipe, step = self.recipe, self.step
        rise = min(1.0, (step + 1) / max(1, recipe.warmup))
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / self.total))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rise * cosine
        self.optimizer.zero_grad(set_to_none=True)
        own = self.processes.part(rows)
        self.processes.seed_step(recipe.seed, step)
        balance = self.backward(own, len(own) / len(rows)) if len(own) else torch.zeros(2, device=self.device)
        balance = self.processes.add_gradients(self.parameters, balance)
        nn.utils.clip_grad_norm_(self.parameters, recipe.clip)
        self.optimizer.step()
        if self.beta.has_target:
            self.beta.update(*balance.tolist())
        self.step += 1

    def backward(self, rows: Tensor, share: float) -> Tensor:
        """Add the gradients of a share of the batch, and return its share of rate and distortion."""
        recipe, step = self.recipe, self.step
        targets = None if self.targets is None else self.targets[rows].to(self.device, torch.float32)
        batch = self.with_links(
            TrainingBatch(to_device(self.batch[rows], self.device), targets, self.conditions_of(rows)), rows
        )
        self.vae.train()
        with _precision(self.device):
            bound = elbo(
                self.vae, batch.x, beta=self.beta.at(step), free_bits=recipe.free_bits, condition=batch.condition
            )
            loss = bound.loss.mean()
            for weighted in self.terms.values():
                value = weighted.term(self.vae, batch, bound.posterior, bound.z)
                loss = loss + weighted.weight_at(step / self.total) * value.sum() / max(1, len(value))
        (loss * share / 10).backward()
        return torch.stack([bound.kl.detach().sum(1).mean(), -bound.log_likelihood.detach().mean()]) * share

    def conditions_of(self, rows: Tensor) -> Tensor | None:
        """Return the conditions of some designs; None without conditions."""
        return None if self.condition is None else self.condition[rows].to(self.device, torch.float32)

    def with_links(self, batch: TrainingBatch, rows: Tensor) -> TrainingBatch:
        """Return the batch with a linked design for each of its designs; without links the same batch."""
        if self.neighbourhoods is None:
            return batch
        generator = np.random.default_rng([self.recipe.seed, self.step, LINKS])
        linked = torch.from_numpy(self.neighbourhoods.draw(rows.numpy(), generator))
        x = to_device(self.batch[linked], self.device)
        return replace(batch, linked=x, linked_condition=self.conditions_of(linked))

    @torch.no_grad()
    def validate(self) -> None:
        """Rate the held-out designs, with noise of their own: training draws the same with and without it."""
        recipe = self.recipe
        seconds = self.seconds_before + time.monotonic() - self.started
        self.vae.eval()
        log_likelihood, kl, n = 0.0, 0.0, max(1, len(self.held_out))
        own = self.processes.part(torch.from_numpy(self.held_out))
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(recipe.seed + 1 + self.processes.rank)
            for rows in own.split(VALIDATION_BATCH) if len(own) else ():
                x = to_device(self.batch[rows], self.device)
                bound = elbo(self.vae, x, condition=self.conditions_of(rows))
                log_likelihood += float(bound.log_likelihood.sum())
                kl += float(bound.kl.sum())
        log_likelihood, kl = self.processes.add(torch.tensor([log_likelihood, kl], dtype=torch.float64)).tolist()
        loss = self.beta.loss(kl / n, -log_likelihood / n)
        self.validations.append(Validation(self.step, loss, log_likelihood / n, kl / n, seconds))
        if self.best is None or loss <= min(v.loss for v in self.validations):
            self.best = {name: p.detach().to("cpu", copy=True) for name, p in self.vae.state_dict().items()}

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint."""
        meta = {
            "signature": self.signature,
            "step": self.step,
            "seconds": self.seconds_before + time.monotonic() - self.started,
            "validations": [vars(v) for v in self.validations],
            "beta": [self.beta.beta, self.beta.error],
        }
        write_checkpoint(checkpoint, self.vae, self.optimizer, meta, self.best)


def _work(vae: VAE, batch: Any) -> npt.NDArray[Any] | None:
    """Return the work of every design; None where all are alike."""
    if isinstance(batch, StoredTokens):
        return batch.n_tokens
    work = vae.sizes(batch)
    return None if work is None else np.asarray(work.cpu())


def _cut(shuffled: Rows, size: int, sizes: npt.NDArray[Any] | None, generator: np.random.Generator) -> list[Rows]:
    """Return shuffled rows as batches, with designs of like size together within stretches of 50 batches."""
    batches: list[Rows] = []
    stretch = BATCHES_SORTED_TOGETHER * size
    for start in range(0, len(shuffled), stretch):
        piece = shuffled[start : start + stretch]
        if sizes is not None:
            piece = piece[np.argsort(sizes[piece], kind="stable")]
        cuts = [piece[i : i + size] for i in range(0, len(piece), size)]
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


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name, local_rank()) if name == "cuda" else torch.device(name)


def _precision(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def all_terms(recipe: Recipe) -> dict[str, WeightedTerm]:
    """Return the loss terms of a recipe, with those of its conditions and of its neighbours."""
    terms = dict(recipe.terms)
    if recipe.condition and recipe.independence:
        terms.setdefault("independence", WeightedTerm(independence, recipe.independence))
    if recipe.neighbours is not None and recipe.closeness:
        terms.setdefault("neighbours", WeightedTerm(laplacian, recipe.closeness))
    return terms


def term_settings(terms: Mapping[str, WeightedTerm]) -> dict[str, Any]:
    """Return loss terms as JSON: the function's dotted path, its settings, the weight and the schedule."""
    described = {}
    for name, weighted in terms.items():
        function: Any = getattr(weighted.term, "func", weighted.term)
        described[name] = {
            "term": f"{function.__module__}.{function.__qualname__}",
            "settings": dict(getattr(weighted.term, "keywords", {})),
            "weight": weighted.weight,
            "warmup": weighted.warmup,
        }
    return described


def _signature(vae: VAE, recipe: Recipe, n: int, total: int) -> dict[str, Any]:
    names = ("batch", "learning_rate", "warmup", "weight_decay", "clip", "beta", "beta_warmup")
    more = ("target_rate", "target_distortion", "free_bits", "held_out", "validate_every", "patience", "seed")
    settings = {name: getattr(recipe, name) for name in (*names, *more)}
    settings["terms"] = term_settings(all_terms(recipe))
    if recipe.condition:
        settings["condition"] = list(recipe.condition)
    return {"architecture": vae.architecture(), "recipe": settings, "designs": n, "total": total}


def _check_data(batch: Any, recipe: Recipe, targets: Tensor | RowTargets | None, weights: Tensor | None) -> None:
    n = len(batch)
    if n < 10:
        raise InvdesignError(f"training: expected at least 10 designs, got {n}. Give a larger corpus")
    positive = ("epochs", "min_epochs", "batch", "learning_rate")
    for name, value in ((name, getattr(recipe, name)) for name in positive):
        if value is not None and not value > 0:
            raise InvdesignError(f"recipe: {name} must be positive, got {value!r}")
    if targets is not None and (len(targets) != n or (isinstance(targets, Tensor) and targets.ndim != 2)):
        shape = tuple(targets.shape) if isinstance(targets, Tensor) else (len(targets),)
        raise InvdesignError(f"training: expected targets {n} x p, one row for each design, got shape {shape}")
    fits = weights is None or (weights.shape == (n,) and bool((weights >= 0).all()) and float(weights.sum()) > 0)
    if not fits:
        raise InvdesignError(f"training: expected {n} weights, none negative and not all zero")
