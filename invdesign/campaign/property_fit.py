"""Surrogates of properties in their own units, whatever the unit: molar concentrations as well as counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from botorch.models.model import Model
from jaxtyping import Float
from torch import Tensor

from invdesign.core import FitSurrogate
from invdesign.search.acquisition import marginals
from invdesign.surrogate import fit_robustly

USUAL_SPREADS = (1e-3, 1e3)
"""Spreads that are left as they are."""


@dataclass(frozen=True, eq=False)
class PropertyFit:
    """Surrogate of `m` properties."""

    model: Model | None
    """Model of the properties divided by their scales; None where nothing could be fitted."""
    scales: Float[Tensor, " m"]
    """Scale of each property, see `choose_scales`."""
    notes: tuple[str, ...] = ()
    """Remarks on the fit."""

    def predict(self, X: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
        """Return mean and standard deviation of the properties in their units; NaN without a model.

        Args:
            X: `n x (d + f)` inputs.
        """
        if self.model is None:
            unknown = torch.full((len(X), len(self.scales)), torch.nan, dtype=X.dtype)
            return unknown, unknown
        mean, sd = predict(self.model, X)
        return mean * self.scales, sd * self.scales


def fit_properties(surrogate: FitSurrogate, X: Float[Tensor, "n c"], Y: Float[Tensor, "n m"], *, d: int) -> PropertyFit:
    """Fit a surrogate to properties.

    Args:
        surrogate: Function that returns a fitted model.
        X: `n x (d + f)` inputs.
        Y: `n x m` properties in their units, NaN where not measured.
        d: Number of latent columns.

    Example:
        >>> from invdesign.surrogate import exact_gp
        >>> X = torch.linspace(0, 3, 8, dtype=torch.float64)[:, None]
        >>> fitted = fit_properties(exact_gp, X, 1e-9 * X.sin(), d=1)
        >>> bool((fitted.predict(X + 9)[1] < 1e-8).all())
        True
    """
    scales = choose_scales(Y)
    fitted = fit_robustly(surrogate, X, Y / scales, d=d)
    return PropertyFit(fitted.model, scales, fitted.notes)


def choose_scales(values: Float[Tensor, "n m"]) -> Float[Tensor, " m"]:
    """Return the divisor of each column before a fit: 1 for usual spreads, else the power of two near the spread.

    GPyTorch raises variances to 1e-10 and BoTorch's acquisition functions to 1e-12, which is more than a property in
    mol/l may vary by. A power of two changes no digit.

    Args:
        values: `n x m` values, NaN where unknown.

    Example:
        >>> choose_scales(torch.tensor([[0.0, 0.0, 5.0], [2.0, 2e-9, 5.0]], dtype=torch.float64)).log2().tolist()
        [0.0, -29.0, 0.0]
    """
    scales = torch.ones(values.shape[1], dtype=torch.float64, device=values.device)
    for j, column in enumerate(values.double().T):
        known = column[column.isfinite()]
        spread = float(known.amax() - known.amin()) if len(known) else 0.0
        if spread > 0 and not USUAL_SPREADS[0] <= spread <= USUAL_SPREADS[1]:
            scales[j] = torch.tensor(spread, dtype=torch.float64).log2().round().exp2()
    return scales


def predict(model: Model, X: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
    """Return mean and standard deviation (`n x m` each) of what a surrogate was fitted to, at `X`.

    Args:
        model: A fitted model of `m` outputs.
        X: `n x (d + f)` inputs.
    """
    with torch.no_grad():
        mean, variance = marginals(model, X)
    return mean.reshape(len(X), -1), variance.reshape(len(X), -1).clamp_min(0).sqrt()
