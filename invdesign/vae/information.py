"""Information content of designs: the nats that an autoregressive model without a latent needs for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from invdesign.core import Encoding, InvdesignError, Progress, silent
from invdesign.vae.base import VAE
from invdesign.vae.models.unconditional import unconditional
from invdesign.vae.training import Recipe, Training, planned_epochs, train


def information_content(
    encoding: Encoding[Any, Any],
    batch: Any,
    recipe: Recipe,
    *,
    epochs: float | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> float:
    """Return the mean -log p(x) of held-out designs under an autoregressive model trained on the others [nats].

    No VAE needs fewer nats (-ELBO) than a perfect model of this kind; what it needs more is wasted by its encoder and
    its prior, and shows as nonsense between designs.

    Args:
        encoding: The encoding of the designs.
        batch: `n` encoded designs, split as the recipe splits them.
        recipe: Recipe of the VAE.
        epochs: Passes through the designs; by default half of the recipe's.
        checkpoint: File to write to and to resume from.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The decoder is not autoregressive, and designs are not written as tokens.
    """
    training = fit_unconditional(encoding, batch, recipe, epochs=epochs, checkpoint=checkpoint, progress=progress)
    return min(validation.loss for validation in training.validations)


def fit_unconditional(
    encoding: Encoding[Any, Any],
    batch: Any,
    recipe: Recipe,
    *,
    epochs: float | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Training:
    """Return a trained autoregressive model of designs: the decoder of the recipe's VAE without its latent.

    A decoder that is not autoregressive is replaced, for designs written as tokens, by that of a `SequenceVAE`. The
    arguments are those of `information_content`.

    Raises:
        InvdesignError: The decoder is not autoregressive, and designs are not written as tokens.

    References:
        Chen et al., Variational Lossy Autoencoder, arXiv:1611.02731; Alemi et al., Fixing a Broken ELBO,
        arXiv:1711.00464.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        vae = recipe.build(encoding)
        if not isinstance(vae, VAE):
            raise InvdesignError(f"recipe: build must return a VAE, got {type(vae).__name__}")
        model = unconditional(vae, encoding)
    schedule = replace(
        recipe,
        epochs=planned_epochs(recipe, len(batch)) / 2 if epochs is None else epochs,
        beta=1.0,
        beta_warmup=0.0,
        target_rate=None,
        target_distortion=None,
        free_bits=0.0,
        terms={},
    )
    return train(
        model,
        batch,
        schedule,
        checkpoint=checkpoint,
        progress=lambda stage, done, total: progress(f"information content: {stage}", done, total),
    )
