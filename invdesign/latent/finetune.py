"""Fine-tuning of the VAE on the history of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import Array, B, D, FitDensity, InvdesignError, Progress, silent
from invdesign.latent.condition_alignment import align_conditions, fit_condition_maps
from invdesign.latent.density import mixture
from invdesign.latent.moments import posterior_moments, standardization
from invdesign.latent.prepare import MAX_REFERENCE
from invdesign.latent.space import LatentSpace
from invdesign.vae.base import VAE
from invdesign.vae.losses import WeightedTerm, property_regression
from invdesign.vae.training import Recipe, train

PART = 500
"""Designs encoded at once."""


def finetune(
    latent_space: LatentSpace[D, B],
    designs: Sequence[D],
    utilities: Array,
    *,
    epochs: float = 1.0,
    learning_rate: float = 3e-4,
    batch: int = 128,
    beta: float | None = None,
    k: float = 1e-3,
    fraction: float = 0.5,
    n_replay: int = 4000,
    is_joint: bool = True,
    property_weight: float = 1.0,
    fit_density: FitDensity = mixture,
    seed: int = 0,
    progress: Progress = silent,
) -> LatentSpace[D, B]:
    """Return a latent space whose VAE was trained further on the history, better designs more often.

    A design is drawn with weight `1 / (k N + rank)`. To preserve the rest of the latent space, part of the draws
    replays designs of its sample. A joint fine-tuning also trains a head that predicts the utility from the
    latent, which gathers good designs. Latents are standardized again and the density is fitted again, so everything
    encoded before must be encoded again. The given latent space is not changed.

    Args:
        latent_space: The latent space.
        designs: `n` measured designs.
        utilities: `n` utilities, more is better; NaN where a measurement failed (ranked last, no target of the head).
        epochs: Passes through history and replay.
        learning_rate: Peak learning rate.
        batch: Designs per step.
        beta: Weight of the KL divergence; by default that of the recipe on the model's card with its target rate, if it
            has one, else 0.1.
        k: Flatness of the weights; a small value is greedy.
        fraction: Fraction of the draws that come from the history.
        n_replay: Designs of the sample that are replayed.
        is_joint: Whether a head learns the utility along with the VAE.
        property_weight: Weight of that head's squared error against one nat.
        fit_density: Fits log p(z) on the new latents.
        seed: Seed of the draws and the noise.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: No measured design, or a number of utilities other than that of designs.

    References:
        Tripp, Daxberger and Hernandez-Lobato, Sample-Efficient Optimization in the Latent Space of Deep Generative
        Models via Weighted Retraining, arXiv:2006.09191; Maus et al., Local Latent Space Bayesian Optimization over
        Structured Inputs (LOL-BO), arXiv:2201.11872.
    """
    utilities = np.asarray(utilities, dtype=np.float64).reshape(-1)
    if len(utilities) != len(designs) or not np.isfinite(utilities).any():
        raise InvdesignError(
            f"finetune: expected one utility for each of {len(designs)} designs and at least one number, got "
            f"{len(utilities)} utilities ({int(np.isfinite(utilities).sum())} numbers)"
        )
    replay, replayed = _replay(latent_space, n_replay, seed)
    history: Any = latent_space.encoding.encode(designs)
    if not isinstance(history, Tensor) or not isinstance(replay, Tensor):
        raise InvdesignError(
            f"finetune: expected designs encoded as one tensor, got {type(history).__name__} from domain "
            f"{latent_space.domain.name!r}. Set finetune=null"
        )
    weights = np.concatenate(
        [fraction * rank_weights(utilities, k=k), np.full(len(replay), (1 - fraction) / max(1, len(replay)))]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = latent_space.vae.with_properties(1 if is_joint else 0)
    recipe = Recipe(
        build=lambda encoding: vae,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        warmup=10,
        beta=_setting_of_recipe(latent_space, "beta") or 0.1 if beta is None else beta,
        target_rate=_setting_of_recipe(latent_space, "target_rate") if beta is None else None,
        terms={"properties": WeightedTerm(property_regression, property_weight)},
        held_out=0,
        seed=seed,
    )
    targets = _targets(utilities, len(replay)) if is_joint else None
    own = latent_space.conditions_of(designs)
    condition = None if own is None or replayed is None else torch.cat([own, replayed])
    train(
        vae,
        torch.cat([history, replay]),
        recipe,
        targets=targets,
        weights=torch.from_numpy(weights),
        condition=condition,
        progress=progress,
    )
    if replayed is not None:
        align_conditions(vae, replay.split(PART), replayed)
    return with_model(latent_space, vae.to(latent_space.device), replay, conditions=replayed, fit_density=fit_density)


def rank_weights(utilities: Array, *, k: float = 1e-3) -> Array:
    """Return weights `1 / (k N + rank)` that add up to one; the best design has rank 0, NaN is ranked last."""
    order = np.argsort(-np.where(np.isfinite(utilities), utilities, -np.inf), kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    weights: Array = 1 / (k * len(order) + rank)
    normalized: Array = weights / weights.sum()
    return normalized


def with_model(
    latent_space: LatentSpace[D, B],
    vae: VAE,
    batch: Tensor,
    *,
    conditions: Float[Tensor, "n c"] | None = None,
    fit_density: FitDensity = mixture,
) -> LatentSpace[D, B]:
    """Return the latent space with another model, standardized on a batch of real designs, its density fitted again.

    Args:
        latent_space: The latent space.
        vae: The model.
        batch: `n` encoded designs.
        conditions: Their conditions, for a conditional model; its latents are aligned on them again.
        fit_density: Fits log p(z) on the new latents.
    """
    mean, sd = posterior_moments(vae.eval(), batch.split(PART), conditions)
    shift, scale = standardization(vae, mean)
    sample, sample_sd = (mean - shift) / scale, sd / scale
    known = latent_space.known_conditions
    if known is not None:
        known = replace(known, maps=None if conditions is None else fit_condition_maps(sample, conditions))
        sample = sample if conditions is None else known.align(sample, conditions)
    moved = replace(
        latent_space,
        vae=vae,
        shift=shift,
        scale=scale,
        density=fit_density(sample, sample_sd),
        sample=sample,
        sample_sd=sample_sd,
        known_conditions=known,
    )
    rows = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))[:MAX_REFERENCE]
    held: Any = batch[rows]
    decoded = list(enumerate(latent_space.encoding.decode(held)))
    designs = [design for _, design in decoded if design is not None]
    if known is None or conditions is None:
        return moved.with_reference(designs)
    own = conditions[rows][[i for i, design in decoded if design is not None]]
    keys = [latent_space.domain.key(design) for design in designs]
    rated = replace(moved, known_conditions=known.with_designs(keys, own)).with_reference(designs)
    return replace(rated, known_conditions=known)


def _replay(latent_space: LatentSpace[D, B], n: int, seed: int) -> tuple[Any, Float[Tensor, "k c"] | None]:
    """Return designs of the sample, decoded from their latents and encoded: the corpus is not needed.

    Latents hold no condition, so those of a conditional model are decoded under conditions drawn from the corpus.

    Returns:
        The encoded designs, and the conditions under which they were decoded; None for a VAE that reads none.
    """
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.permutation(len(latent_space.sample))[:n])
    Z, known = latent_space.sample[torch.from_numpy(rows)], latent_space.known_conditions
    if known is None:
        decoded = latent_space.decode(Z)
        return latent_space.encoding.encode([design for design in decoded if design is not None]), None
    conditions = known.table[torch.from_numpy(draw.integers(len(known.table), size=len(Z)))].float()
    distinct, which = torch.unique(conditions, dim=0, return_inverse=True)
    designs: list[D] = []
    written = []
    for i, condition in enumerate(distinct):
        decoded = latent_space.under_row(condition).decode(Z[which == i])
        found = [design for design in decoded if design is not None]
        designs += found
        written.append(condition.expand(len(found), -1))
    return latent_space.encoding.encode(designs), torch.cat(written)


def _setting_of_recipe(latent_space: LatentSpace[D, B], name: str) -> float | None:
    """Return a number of the recipe on the model's card; None where it states none."""
    recipe = latent_space.card.get("recipe", {})
    value = recipe.get(name) if isinstance(recipe, dict) else None
    return None if value is None else float(value)


def _targets(utilities: Array, n_replay: int) -> Tensor:
    """Return standardized utilities, NaN for failures and replayed designs: `(n + n_replay) x 1`."""
    finite = np.where(np.isfinite(utilities), utilities, np.nan)
    spread, center = np.nanstd(finite), np.nanmean(finite)
    known = (finite - center) / (spread if spread > 0 else 1.0)
    return torch.from_numpy(np.concatenate([known, np.full(n_replay, np.nan)])).float()[:, None]
