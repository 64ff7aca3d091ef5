"""The linear twin of a latent space: what a VAE is worth beside principal components of the same designs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.atlas.frozen import fit_projection, kept_neighbors
from invdesign.atlas.projection import thin
from invdesign.atlas.retrospective import N_SELECTED, best_after_budget
from invdesign.core import Array, B, D, DesignSpace
from invdesign.core.capabilities import features, is_same, placement_errors
from invdesign.latent.semantics import auroc
from invdesign.latent.space import LatentSpace
from invdesign.surrogate import ConditionedGP, exact_gp
from invdesign.surrogate.diagnostics import spearman
from invdesign.vae.base import to_device
from invdesign.vae.likelihood import log_evidence
from invdesign.vae.models.linear import LinearVAE

MAX_DESIGNS = 400
"""Designs of the corpus by which the two are compared; as many others fit the linear model."""
MAX_RECONSTRUCTED = 150
"""Designs that both models reconstruct."""
MAX_MAPPED = 200
"""Designs of which both models draw a map."""
MAX_MEASURED = 300
MIN_MEASURED = 20
MIN_SEARCHED = 2 * N_SELECTED
"""Measured designs below which no search among them is simulated."""
MAX_CHANGED = 100
"""Largest number of real designs, and of changed ones, between which the AUROC is computed."""
N_SAMPLES = 4
"""Latents drawn for the VAE's -log p(x) of each of these."""
EQUAL = 0.01
"""Difference up to which two figures count as equal."""


Change = Callable[[Sequence[D]], Sequence[D]]
"""Returns designs that were made from others by random changes."""


@dataclass(frozen=True)
class Comparison:
    """One figure of both models; 1 is best."""

    name: str
    """What is compared."""
    vae: float
    """Figure of the VAE."""
    linear: float
    """Figure of the linear model."""


def compare_with_linear(
    latent_space: LatentSpace[D, B],
    designs: Sequence[D],
    measured: Sequence[D] = (),
    y: Array | None = None,
    *,
    change: Change[D] | None = None,
) -> list[Comparison]:
    """Return figures of a latent space beside those of principal components of the features, with as many dimensions.

    Args:
        latent_space: The latent space.
        designs: Designs of the corpus.
        measured: Measured designs.
        y: A property or utility of theirs; more is better. From 60 on a search among them is simulated, see
            `retrospective.best_after_budget`.
        change: Returns designs that were changed at random; both models separate them from real ones.

    Returns:
        Nothing where the designs have no features, are no tensors, or are fewer than 50.
    """
    encoding = latent_space.encoding
    designs = [designs[i] for i in np.unique(np.linspace(0, len(designs) - 1, 2 * MAX_DESIGNS).astype(int))]
    shown, fitted = designs[::2], designs[1::2]
    batch = encoding.encode(fitted) if len(fitted) >= 25 else None
    if not isinstance(batch, Tensor) or not features(encoding, designs[:1]).shape[1]:
        return []
    twin = LinearVAE(encoding, d=latent_space.d, n_stored=len(fitted))
    twin.fit_at_once(batch)

    # Designs are encoded once for either model: for crystals this takes longer than the models.
    encoded: Any = encoding.encode(shown)
    F = twin.features_of(encoded).double().numpy()
    Z, L = latent_space.encode(shown), _place(twin, encoded)
    rows = thin(len(shown), MAX_RECONSTRUCTED)
    generated: Any = twin.generate(twin.posterior(encoded[rows]).mean)
    decoded = [latent_space.decode(Z[rows]), encoding.decode(generated)]
    reconstructed = [_share_of_equal(latent_space.domain, [shown[i] for i in rows], made) for made in decoded]
    found = [
        Comparison("reconstruction", *reconstructed),
        Comparison("neighbours kept", *(float(kept_neighbors(X, F).mean()) for X in (Z.numpy(), L))),
    ]
    if latent_space.d > 1:
        mapped = thin(len(shown), MAX_MAPPED)
        trust = [fit_projection(X[mapped], "tsne").trustworthiness for X in (Z.numpy(), L)]
        found.append(Comparison("trust in the map", *trust))
    if change is not None:
        found += _anomalies(twin, latent_space, shown[:MAX_CHANGED], encoded[:MAX_CHANGED], change)
    return found if y is None else [*found, *_compare_on_measured(latent_space, twin, measured, y)]


def describe_comparison(comparisons: Sequence[Comparison]) -> str:
    """Return in one sentence in what either model was better.

    Example:
        >>> describe_comparison([Comparison("reconstruction", 0.9, 0.0), Comparison("trust in the map", 0.9, 0.95)])
        'The VAE is better in reconstruction; the linear model in trust in the map.'
    """
    vae = [c.name for c in comparisons if c.vae > c.linear + EQUAL]
    linear = [c.name for c in comparisons if c.linear > c.vae + EQUAL]
    if not vae and not linear:
        return "The VAE and the linear model are equally good."
    parts = [
        f"{model} {'is better ' if i == 0 else ''}in {', '.join(names)}"
        for i, (model, names) in enumerate((m, n) for m, n in (("the VAE", vae), ("the linear model", linear)) if n)
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _compare_on_measured(
    latent_space: LatentSpace[D, Any], twin: LinearVAE, measured: Sequence[D], y: Array
) -> list[Comparison]:
    """Return how well a surrogate predicts measured designs, and what a search among them finds, in both models.

    Args:
        latent_space: The latent space.
        twin: The linear model.
        measured: Measured designs.
        y: Their utilities; NaN where unknown.

    Returns:
        Nothing where fewer than 20 are known; no search where fewer than 60 are.
    """
    known = np.flatnonzero(np.isfinite(y))
    if len(known) < MIN_MEASURED:
        return []
    newest, drawn = known[-MAX_MEASURED:], known[thin(len(known), MAX_MEASURED)]
    rows = np.union1d(newest, drawn)
    designs = [measured[i] for i in rows]
    both = latent_space.encode(designs).numpy(), _place(twin, latent_space.encoding.encode(designs))
    at = np.searchsorted(rows, newest)
    found = [
        Comparison("rank correlation of the surrogate on latents", *(_rank_correlation(X[at], y[newest]) for X in both))
    ]
    if len(drawn) >= MIN_SEARCHED:
        name = f"best of {N_SELECTED} designs that a search selects among {len(drawn)} measured ones"
        at = np.searchsorted(rows, drawn)
        found.append(Comparison(name, *(best_after_budget(X[at], y[drawn]) for X in both)))
    return found


def _place(twin: LinearVAE, x: Tensor) -> Float[np.ndarray, "n d"]:
    """Return coordinates of encoded designs; not standardized, so that the leading components count for more."""
    coordinates: Array = (twin.posterior(x).mean * twin.scale).double().numpy()
    return coordinates


def _share_of_equal(domain: DesignSpace[D], designs: Sequence[D], decoded: Sequence[D | None]) -> float:
    pairs = zip(designs, decoded, strict=True)
    return float(np.mean([b is not None and is_same(domain, a, b) for a, b in pairs]))


def _anomalies(
    twin: LinearVAE, latent_space: LatentSpace[D, Any], real: Sequence[D], encoded: Tensor, change: Change[D]
) -> list[Comparison]:
    """Return the AUROC of -log p(x) for designs that were changed at random; nothing where too few can be written."""
    encoding, vae = latent_space.encoding, latent_space.vae
    made = change(real)
    changed = [x for x, error in zip(made, placement_errors(encoding, made), strict=True) if not error]
    if len(changed) < MIN_MEASURED:
        return []
    batches = [encoded, encoding.encode(changed)]
    by_vae = [
        -log_evidence(vae, to_device(x, latent_space.device), samples=N_SAMPLES).double().numpy() for x in batches
    ]
    by_twin = [_surprise(twin, x).double().numpy() for x in batches]
    return [Comparison("changed designs separated from real ones (AUROC)", auroc(*by_vae), auroc(*by_twin))]


def _surprise(twin: LinearVAE, x: Tensor) -> Tensor:
    """Return -log p(x, z) at the latent mean of each design."""
    z = twin.posterior(x).mean
    return 0.5 * z.square().sum(1) - twin.log_likelihood(x, z)


def _rank_correlation(X: Array, y: Array) -> float:
    """Return the rank correlation of leave-one-out predictions of a GP."""
    model = exact_gp(torch.from_numpy(X), torch.from_numpy(y)[:, None], d=X.shape[1])
    if not isinstance(model, ConditionedGP):
        return float("nan")
    return spearman(model.leave_one_out()[0][:, 0], torch.from_numpy(y))
