"""Room of the map: the VAE tuned on what a campaign has learnt, and the map drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, B, D, FitDensity, InvdesignError, Progress, silent
from invdesign.latent.density import mixture
from invdesign.latent.space import LatentSpace
from invdesign.vae.base import VAE
from invdesign.vae.training import Recipe, train


def finetune(
    space: LatentSpace[D, B],
    designs: Sequence[D],
    utilities: Array,
    *,
    epochs: float = 1.0,
    learning_rate: float = 3e-4,
    batch: int = 128,
    beta: float | None = None,
    k: float = 1e-3,
    share: float = 0.5,
    n_replay: int = 4000,
    is_joint: bool = True,
    property_weight: float = 1.0,
    fit_density: FitDensity = mixture,
    seed: int = 0,
    progress: Progress = silent,
) -> LatentSpace[D, B]:
    """A latent space whose VAE was trained further on the history, better designs more often.

    A design is drawn with weight `1 / (k N + rank)`. So that the rest of the map stays, part of the draws replays the
    designs that the space keeps a sample of. A joint tuning also fits a head that predicts the utility from the latent,
    so that good designs gather. Latents are standardized anew and the density fitted anew; everything encoded before
    must be encoded again. The space given is left as it is.

    Args:
        space: the latent space.
        designs: `n` measured designs.
        utilities: `n`, more is better; NaN where a measurement failed (ranked last, unknown to the head).
        epochs: passes through history and replay.
        learning_rate: its peak.
        batch: designs per step.
        beta: weight of the divergence; by default that of the recipe on the model's card, else 0.1.
        k: how flat the weights are; small is greedy.
        share: of the draws that come from the history.
        n_replay: designs of the sample that are replayed.
        is_joint: whether a head learns the utility along with the VAE.
        property_weight: weight of that head's squared error against one nat.
        fit_density: fits log p(z) on the new latents.
        seed: of the draws and the noise.
        progress: called with `(stage, done, total)`.

    Raises:
        InvdesignError: no measured design, or as many utilities as there are not designs.

    References:
        Tripp, Daxberger and Hernandez-Lobato, Sample-Efficient Optimization in the Latent Space of Deep Generative
        Models via Weighted Retraining, arXiv:2006.09191; Maus et al., Local Latent Space Bayesian Optimization over
        Structured Inputs (LOL-BO), arXiv:2201.11872.
    """
    merit = np.asarray(utilities, dtype=np.float64).reshape(-1)
    if len(merit) != len(designs) or not np.isfinite(merit).any():
        raise InvdesignError(
            f"finetune: needs one utility per design and at least one that is a number, got {len(merit)} utilities "
            f"({int(np.isfinite(merit).sum())} numbers) for {len(designs)} designs"
        )
    replay = _replay(space, n_replay, seed)
    history = space.domain.to_batch(designs)
    if not isinstance(history, Tensor) or not isinstance(replay, Tensor):
        raise InvdesignError(
            f"finetune: domain {space.domain.name!r} does not batch designs as one tensor; set finetune=null"
        )
    ranked = rank_weights(merit, k=k)
    weights = np.concatenate([share * ranked, np.full(len(replay), (1 - share) / max(1, len(replay)))])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = space.vae.with_properties(1 if is_joint else 0)
    recipe = Recipe(
        build=lambda domain: vae,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        warmup=10,
        beta=_beta(space) if beta is None else beta,
        property_weight=property_weight,
        held_out=0,
        seed=seed,
    )
    everything = torch.cat([history, replay])
    labels = _labels(merit, len(replay)) if is_joint else None
    train(vae, everything, recipe, labels=labels, weights=torch.from_numpy(weights), progress=progress)
    return redrawn(space, vae.cpu(), replay, fit_density=fit_density)


def rank_weights(utilities: Array, *, k: float = 1e-3) -> Array:
    """Weights `1 / (k N + rank)` that add up to one; the best has rank 0, what is NaN comes last."""
    order = np.argsort(-np.where(np.isfinite(utilities), utilities, -np.inf), kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    weights = 1 / (k * len(order) + rank)
    return weights / weights.sum()


def redrawn(space: LatentSpace[D, B], vae: VAE, batch: Any, *, fit_density: FitDensity = mixture) -> LatentSpace[D, B]:
    """The space with another model, standardized on a batch of real designs, with its density fitted anew."""
    with torch.no_grad():
        posteriors = [vae.posterior(part) for part in batch.split(500)]
    mean = torch.cat([p.loc for p in posteriors]).double()
    sd = torch.cat([p.scale for p in posteriors]).double()
    shift, scale = mean.mean(0), mean.std(0).clamp_min(1e-6)
    sample, sample_sd = (mean - shift) / scale, sd / scale
    density = fit_density(sample, sample_sd)
    with torch.no_grad():
        reference_log_densities = torch.cat([density(part) for part in sample.split(1000)]).sort().values
    return replace(
        space,
        vae=vae.eval(),
        shift=shift,
        scale=scale,
        density=density,
        sample=sample,
        sample_sd=sample_sd,
        reference_log_densities=reference_log_densities,
    )


def _replay(space: LatentSpace[D, B], n: int, seed: int) -> Any:
    """Designs of the sample, decoded from their latents: the corpus need not be at hand."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(space.sample))[:n])
    decoded = [design for design in space.decode(space.sample[torch.from_numpy(rows)]) if design is not None]
    return space.domain.to_batch(decoded)


def _beta(space: LatentSpace[D, B]) -> float:
    recipe = space.card.get("recipe", {})
    return float(recipe.get("beta", 0.1)) if isinstance(recipe, dict) else 0.1


def _labels(merit: Array, n_replay: int) -> Tensor:
    """Standardized utilities, NaN for failures and replayed designs: `(n + n_replay) x 1`."""
    spread = np.nanstd(np.where(np.isfinite(merit), merit, np.nan))
    center = np.nanmean(np.where(np.isfinite(merit), merit, np.nan))
    known = np.where(np.isfinite(merit), (merit - center) / (spread if spread > 0 else 1.0), np.nan)
    return torch.from_numpy(np.concatenate([known, np.full(n_replay, np.nan)])).float()[:, None]
