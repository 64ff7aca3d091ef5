"""Training of a pattern view against a trained space, with checkpoints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.encoding import unpack
from invdesign.domains.crystals.model.token_vae import CrystalTokenVAE
from invdesign.domains.crystals.powder.diffraction import (
    Grid,
    monomials,
    reciprocal_metric,
    reflections,
    squared_structure_factors,
)
from invdesign.domains.crystals.powder.view import (
    INVERSE_D,
    MAX_S,
    MIN_S,
    N_POINTS,
    PatternView,
    Views,
    formula_inputs,
)
from invdesign.domains.crystals.sanity import is_whole
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.vae.checkpoint import read_checkpoint, remove_if_damaged, write_checkpoint
from invdesign.vae.store import read_tensors, write_tensors

STEP = float(INVERSE_D[1] - INVERSE_D[0])
MIN_WIDTH, MAX_WIDTH = 0.0015, 0.006
"""Widths of the peaks in training [1/angstrom]."""
STRAIN, ZERO = 0.002, 0.001
"""Spread of the stretch of 1/d, and of its shift [1/angstrom], that a measurement adds."""
TEXTURE, NOISE, BACKGROUND = 0.25, 0.01, 0.03
"""Spread of the logarithm of the intensities of reflections, noise, and largest remaining background."""
MISSING = 0.1
"""Share of the crystals whose pattern, and of those whose formula, is hidden in training."""
FILE = "view.safetensors"


@dataclass(frozen=True)
class ViewSettings:
    """Settings of the training of a pattern view."""

    epochs: int = 12
    """Passes through the crystals."""
    batch: int = 64
    """Crystals of a step."""
    learning_rate: float = 1e-3
    """Largest learning rate; it falls to a fiftieth along a cosine."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    n_changed: int = 1
    """Changed copies of each crystal that are trained on: similar elements, other cells and coordinates."""
    width: int = 384
    """Hidden units."""
    n_components: int = 4
    """Normals of the mixture."""
    max_minutes: float = float("inf")
    """Time [min] after which training stops; the same call continues it."""
    seed: int = 0
    """Seed of parameters, copies and noise."""


@dataclass(frozen=True, eq=False)
class _Pool:
    """Crystals with patterns to train on."""

    rows: Tensor
    """Encoded crystals, `n x columns`."""
    strengths: Tensor
    """|F|^2 times multiplicity, summed on `INVERSE_D`, `n x N_POINTS` (half precision)."""
    formulas: Tensor
    """Formulas as the network reads them."""


def sharp_strengths(crystal: Crystal) -> Array:
    """Return |F|^2 times multiplicity of a crystal's reflections, summed on `INVERSE_D`; the largest is 1."""
    found = reflections(crystal.space_group, crystal.cell, MAX_S)
    s = np.sqrt(monomials(found.hkl) @ reciprocal_metric(np.array([crystal.cell]))[0])
    strength = squared_structure_factors(found.hkl, s, *expand(crystal)) * found.multiplicity
    grid = Grid(MIN_S, STEP, N_POINTS)
    summed: Array = grid.deposit(s[None], strength)[0]
    return summed / max(float(summed.max()), 1e-12)


def make_pool(vae: CrystalTokenVAE, rows: Tensor, settings: ViewSettings, *, progress: Progress = silent) -> _Pool:
    """Return crystals and changed copies of them with their patterns; those without a pattern are left out."""
    vocabulary = vae.language.vocabulary
    torch.manual_seed(settings.seed)
    copies = torch.cat([rows, *(vae.augment(rows) for _ in range(settings.n_changed))])
    kept, strengths, formulas = [], [], []
    for i, crystal in enumerate(unpack(vocabulary, copies)):
        if i % 100 == 0:
            progress("calculating patterns", i, len(copies))
        if crystal is None or not is_whole(crystal):
            continue
        try:
            strength = sharp_strengths(crystal)
        except InvdesignError:
            continue
        kept.append(i)
        strengths.append(torch.from_numpy(strength).half())
        formulas.append(crystal.counts)
    if not kept:
        raise InvdesignError("pattern view: expected crystals with a pattern, got none. Check the corpus")
    return _Pool(copies[kept], torch.stack(strengths), formula_inputs(vocabulary.elements, formulas))


def disturb(strengths: Tensor, formulas: Tensor, *, is_training: bool = True) -> Views:
    """Return patterns as measured, from sharp ones: width, strain, shift, texture, noise, background, missing views."""
    n, grid = len(strengths), torch.from_numpy(INVERSE_D).float()
    signal = strengths.float()
    if is_training:
        signal = signal * torch.exp(TEXTURE * torch.randn_like(signal))
    widths = torch.empty(n, 1).uniform_(MIN_WIDTH, MAX_WIDTH) if is_training else torch.full((n, 1), 0.003)
    padded = N_POINTS + 64
    transfer = torch.exp(-2 * (torch.pi * widths * torch.fft.rfftfreq(padded, STEP)) ** 2)
    broad = torch.fft.irfft(torch.fft.rfft(signal, padded) * transfer, padded)[:, :N_POINTS].clamp(min=0)
    if is_training:
        at = grid * (1 + STRAIN * torch.randn(n, 1)) + ZERO * torch.randn(n, 1)
        place = ((at - MIN_S) / STEP).clamp(0, N_POINTS - 1.001)
        low = place.long()
        broad = torch.lerp(broad.gather(1, low), broad.gather(1, low + 1), place - low)
    peak = broad.amax(1, keepdim=True).clamp(min=1e-12)
    pattern = broad / peak
    is_seen = torch.ones_like(pattern)
    if is_training:
        slope = torch.rand(n, 1) * BACKGROUND * torch.exp(-grid * 3 * torch.rand(n, 1))
        pattern = (pattern + slope * torch.rand(n, 1) + NOISE * torch.rand(n, 1) * torch.randn_like(pattern)).clamp(
            min=0
        )
        is_seen = ((grid <= torch.empty(n, 1).uniform_(0.55, MAX_S)) & (grid >= torch.rand(n, 1) * 0.08 + 0.03)).float()
        pattern = pattern / (pattern * is_seen).amax(1, keepdim=True).clamp(min=1e-6)
    both = torch.stack([pattern.clamp(0, 1).sqrt() * is_seen, is_seen], 1)
    if is_training:
        both = both * (torch.rand(n, 1, 1) > MISSING)
        formulas = formulas * (torch.rand(n, 1) > MISSING)
    return Views(both, formulas)


def train_view(
    vae: CrystalTokenVAE,
    rows: Tensor,
    folder: Path,
    *,
    settings: ViewSettings | None = None,
    progress: Progress = silent,
) -> PatternView:
    """Train a pattern view on the crystals of a space, or continue or load it from its folder.

    The loss is -log q(z | pattern, formula) of latents drawn from the VAE's posterior of the crystal.

    Args:
        vae: The trained VAE; it is not changed.
        rows: Encoded crystals, `n x columns`.
        folder: Folder of the checkpoint and of the trained view.
        settings: Settings of the training.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: A checkpoint of other settings lies in the folder.
    """
    settings = settings or ViewSettings()
    with torch.random.fork_rng(devices=[]):
        return _train_or_load(vae, rows, folder, settings, progress)


def _train_or_load(
    vae: CrystalTokenVAE, rows: Tensor, folder: Path, settings: ViewSettings, progress: Progress
) -> PatternView:
    torch.manual_seed(settings.seed)
    elements = vae.language.vocabulary.elements
    view = PatternView(elements, vae.d, width=settings.width, n_components=settings.n_components)
    signature = {**asdict(settings), "n": len(rows), "d": vae.d, "max_minutes": 0}
    trained, checkpoint = folder / FILE, folder / "view-checkpoint.safetensors"
    if trained.is_file():
        return _load(view, trained, signature)
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(view.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    remove_if_damaged(checkpoint)
    first = 0
    if checkpoint.is_file():
        meta, _ = read_checkpoint(checkpoint, view, optimizer, signature)
        first = int(meta["epoch"])
    pool = make_pool(vae, rows, settings, progress=progress)
    start = time.monotonic()
    losses: list[float] = []
    for epoch in range(first, settings.epochs):
        torch.manual_seed(settings.seed + 1000 + epoch)
        losses.append(_train_epoch(view, vae, pool, optimizer, settings, epoch))
        progress(f"training the pattern view (loss {losses[-1]:.1f} nats)", epoch + 1, settings.epochs)
        write_checkpoint(checkpoint, view, optimizer, {"signature": signature, "epoch": epoch + 1}, None)
        if time.monotonic() - start > 60 * settings.max_minutes:
            return view.eval()
    write_tensors(trained, view.state_dict(), {"settings": signature, "loss": losses[-1:]})
    return view.eval()


def _load(view: PatternView, path: Path, signature: dict[str, float]) -> PatternView:
    """Load the parameters of a trained view of the same settings."""
    tensors, meta = read_tensors(path)
    if meta["settings"] != signature:
        raise InvdesignError(
            f"{path}: expected the settings {signature}, got {meta['settings']}. Give those, or remove the file"
        )
    view.load_state_dict(tensors)
    return view.eval()


def _train_epoch(
    view: PatternView,
    vae: CrystalTokenVAE,
    pool: _Pool,
    optimizer: torch.optim.Optimizer,
    settings: ViewSettings,
    epoch: int,
) -> float:
    """Train on as many crystals as the corpus has, drawn from the pool, and return the mean loss."""
    view.train()
    n = len(pool.rows) // (1 + settings.n_changed)
    order = torch.randperm(len(pool.rows))[: max(n, 1)]
    total = 0.0
    parts: Sequence[Tensor] = order.split(settings.batch)
    for i, part in enumerate(parts):
        done = (epoch + i / len(parts)) / settings.epochs
        rate = settings.learning_rate * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (epoch * len(parts) + i + 1) / 100)
        with torch.no_grad():
            z = vae.posterior(pool.rows[part]).sample()
        views = disturb(pool.strengths[part], pool.formulas[part])
        loss = -view(views).log_prob(z).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(view.parameters(), 1.0)
        optimizer.step()
        total += float(loss.detach()) * len(part)
    return total / len(order)
