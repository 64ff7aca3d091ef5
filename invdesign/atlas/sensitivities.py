"""Sensitivities: which part of a design would change a property next, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.atlas.directions import Measure
from invdesign.core import Array, B, D, DesignSpace, InvdesignError
from invdesign.core.capabilities import places, substitutions
from invdesign.latent.space import LatentSpace
from invdesign.surrogate import exact_gp
from invdesign.vae.base import to_device

STEP = 0.05
"""Length of the latent step over which the decoder is differentiated [sd of the corpus]."""


@runtime_checkable
class TokenDecoder(Protocol):
    """A VAE whose decoder rates every token at every step."""

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the logits, `n x steps x n_tokens`, given the true tokens before each."""
        ...


@dataclass(frozen=True, eq=False)
class Change(Generic[D]):
    """A design that differs in one place."""

    name: str
    """What is changed, e.g. `"O3 to N"`."""
    design: D
    """The changed design."""
    effect: float
    """Change of the property; NaN where it has none."""


@dataclass(frozen=True, eq=False)
class Sensitivity(Generic[D]):
    """What changes of one place do to a property."""

    place: str
    """Name of the place."""
    changes: tuple[Change[D], ...]
    """The changes, the largest rise first; those without a value are left out."""

    @property
    def mean(self) -> float:
        """Mean effect of the changes: far below 0 where the property depends on what the place has; NaN without any."""
        return float(np.mean([change.effect for change in self.changes])) if self.changes else float("nan")

    @property
    def gain(self) -> float:
        """Largest rise that a change of this place brings, 0 or more."""
        return max(0.0, self.changes[0].effect) if self.changes else 0.0

    @property
    def support(self) -> float:
        """What the place contributes: the mean loss by its changes, 0 or more."""
        return max(0.0, -self.mean) if self.changes else 0.0


def substitution_effects(domain: DesignSpace[D], design: D, measure: Measure) -> list[Sensitivity[D]]:
    """Return what every change of a single place does to a property: exact, and at the cost of predictions alone.

    Args:
        domain: Lists the changes.
        design: The design.
        measure: Computes or predicts the property.

    Raises:
        InvdesignError: The domain lists no changes.
    """
    listed = substitutions(domain, design)
    if not any(listed):
        raise InvdesignError(
            f"explain: {domain.name} list no changes of single places of this design. Give another one"
        )
    designs = [changed for changes in listed for _, changed in changes]
    values = np.asarray(measure([design, *designs]), dtype=np.float64)
    effects = iter((values[1:] - values[0]).tolist())
    found = []
    for place, changes in zip(places(domain, design), listed, strict=True):
        rated = [Change(name, changed, next(effects)) for name, changed in changes]
        known = sorted((change for change in rated if np.isfinite(change.effect)), key=lambda change: -change.effect)
        found.append(Sensitivity(place.name, tuple(known)))
    return found


def latent_gradient(
    Z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], z: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " d"]:
    """Return the gradient of the mean of a GP on latents.

    Args:
        Z: Latents of designs with a value.
        y: Their values.
        z: Where the gradient is taken.
    """
    model = exact_gp(torch.from_numpy(Z), torch.from_numpy(y)[:, None], d=Z.shape[1])
    point = torch.from_numpy(z).clone().requires_grad_()
    posterior: Any = model.posterior(point[None, None])
    (gradient,) = torch.autograd.grad(posterior.mean.sum(), point)
    slope: Array = gradient.numpy()
    return slope


@torch.no_grad()
def decoder_rates(
    latent_space: LatentSpace[D, B], design: D, gradient: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "steps n_tokens"]:
    """Return how fast the log-probability of each token rises along a gradient: the decoder's Jacobian times it.

    The Jacobian is not formed: one central difference along the gradient gives the product.

    Args:
        latent_space: A latent space whose VAE decodes tokens.
        design: The design at which the decoder is differentiated.
        gradient: The direction; it is made one standard deviation long.

    Raises:
        InvdesignError: The VAE does not rate tokens.
    """
    vae = latent_space.vae
    if not isinstance(vae, TokenDecoder):
        raise InvdesignError(
            f"explain: expected a VAE that decodes tokens, got {type(vae).__name__}. Use substitutions"
        )
    step = torch.from_numpy(gradient / max(float(np.linalg.norm(gradient)), 1e-12) * STEP)
    z = latent_space.encode([design])
    x = to_device(latent_space.encoding.encode([design]), latent_space.device)
    up, down = (
        vae.logits(x, latent_space.vae_latents(z + side).float().to(latent_space.device)) for side in (step, -step)
    )
    rates: Array = ((up.log_softmax(2) - down.log_softmax(2))[0] / (2 * STEP)).double().cpu().numpy()
    return rates


def strengths(sensitivities: Sequence[Sensitivity[Any]], *, by: str = "gain") -> list[float]:
    """Return a strength from 0 to 1 for each place, for a drawing.

    Args:
        sensitivities: Of all places of a design.
        by: `"gain"` (what would raise the property) or `"support"` (what it depends on).
    """
    values = [getattr(sensitivity, by) for sensitivity in sensitivities]
    top = max(values, default=0.0)
    return [value / top if top > 0 else 0.0 for value in values]
