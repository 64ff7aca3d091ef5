"""Fitted densities kept between processes."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from pathlib import Path

from jaxtyping import Float64
from torch import Tensor

from invdesign.core import Density, FitDensity, InvdesignError
from invdesign.latent.density import Mixture, mixture
from invdesign.vae.store import read_tensors, write_tensors

logger = logging.getLogger(__name__)
FOLDER = "densities"
PARTS = ("log_weights", "means", "precisions")


def fit_cached(
    fit_density: FitDensity, mean: Float64[Tensor, "n d"], sd: Float64[Tensor, "n d"], cache: Path | None
) -> Density:
    """Return a fitted density. A mixture, whose fit takes seconds, is kept by the content of all that decides it.

    Args:
        fit_density: Fits log p(z).
        mean: Means of the posteriors of real designs, standardized.
        sd: Their standard deviations.
        cache: Folder; None keeps nothing.
    """
    settings = _mixture_settings(fit_density)
    if cache is None or settings is None:
        return fit_density(mean, sd)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in (mean, sd):
        digest.update(part.contiguous().numpy().tobytes())
    path = cache / FOLDER / f"{digest.hexdigest()[:24]}.safetensors"
    kept = _read(path)
    if kept is not None:
        return kept
    fitted = fit_density(mean, sd)
    assert isinstance(fitted, Mixture)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, {name: getattr(fitted, name) for name in PARTS}, {})
    except (InvdesignError, OSError) as error:
        logger.debug("the density is not kept: %s", error)
    return fitted


def _mixture_settings(fit_density: FitDensity) -> list[object] | None:
    """Return the settings of a mixture; None for other densities."""
    if fit_density is mixture:
        return []
    if isinstance(fit_density, functools.partial) and fit_density.func is mixture:
        return [list(fit_density.args), fit_density.keywords]
    return None


def _read(path: Path) -> Mixture | None:
    """Return a kept mixture; None where there is none or it is damaged, so that it is fitted again."""
    if not path.is_file():
        return None
    try:
        tensors, _ = read_tensors(path)
        return Mixture(*(tensors[name] for name in PARTS))
    except (InvdesignError, OSError, ValueError, KeyError, RuntimeError) as error:
        logger.warning("%s: the kept density is damaged (%s); it is fitted again", path, error)
        return None
