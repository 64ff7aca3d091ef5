"""Rate-distortion curve of a recipe: one training at falling target rates, and the point to choose with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.core import B, Corpus, D, Domain, InvdesignError, Progress, silent
from invdesign.io.atomic import write_bytes
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.diagnosis import Diagnosis, diagnose
from invdesign.latent.prepare import encode_corpus, fit_latent_space, measure_information, model_key
from invdesign.latent.stored_encoding import fit_encoding
from invdesign.latent.training_keys import corpus_keys
from invdesign.vae.base import VAE
from invdesign.vae.store import read_tensors, write_tensors
from invdesign.vae.training import Recipe, planned_epochs, train

CURVE = "curve.json"
FRACTION_OF_EPOCHS = 0.35
"""Passes at each further rate, as a fraction of those at the first."""


@dataclass(frozen=True)
class RatePoint:
    """One point of a rate-distortion curve, measured on held-out designs."""

    target_rate: float
    """KL divergence at which the training was held [nats]."""
    rate: float
    """KL divergence reached [nats]."""
    distortion: float
    """-log p(x | z) at draws of the posteriors [nats]."""
    neg_elbo: float
    """Importance-weighted bound on -log p(x) [nats]."""
    reconstruction: float
    """Fraction of held-out designs that decode exactly from their posterior mean."""
    prior_nonsense: float | None
    """Fraction of nonsense among decoded prior samples; None where the domain does not judge."""
    midpoint_nonsense: float | None
    """Fraction of nonsense among decoded midpoints of pairs of held-out designs."""


@dataclass(frozen=True)
class RateCurve:
    """A rate-distortion curve with the point that was chosen."""

    points: tuple[RatePoint, ...]
    """Points by falling rate."""
    information: float | None
    """Information content of the designs [nats]."""
    chosen: int
    """Number of the chosen point."""
    reason: str
    """Why it was chosen."""

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each point, with the gap to the information content, for a table."""
        return [
            {
                "target rate [nats]": point.target_rate,
                "rate [nats]": point.rate,
                "distortion [nats]": point.distortion,
                "-ELBO [nats]": point.neg_elbo,
                "gap [nats]": None if self.information is None else point.neg_elbo - self.information,
                "exact reconstruction": point.reconstruction,
                "nonsense, prior": point.prior_nonsense,
                "nonsense, midpoints": point.midpoint_nonsense,
                "": "chosen" if i == self.chosen else "",
            }
            for i, point in enumerate(self.points)
        ]


def rate_sweep(
    domain: Domain[D, B],
    corpus: Corpus[D],
    recipe: Recipe,
    rates: Sequence[float],
    *,
    cache: Path,
    min_reconstruction: float = 0.85,
    progress: Progress = silent,
) -> RateCurve:
    """Train at falling target rates, each from the parameters of the one before, and choose a point.

    A sweep that was stopped continues: what was measured is kept beside the cached models.

    Args:
        domain: The kind of designs.
        corpus: What to train on.
        recipe: Settings of the training; its target is replaced.
        rates: Target rates [nats]; they are used in falling order.
        cache: Folder for points, parameters and the encoded corpus.
        min_reconstruction: Exact reconstruction that the chosen point must reach.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: No rate, a rate that is not positive, or a corpus that does not fit the domain.

    References:
        Alemi et al., Fixing a Broken ELBO, arXiv:1711.00464.
    """
    if not rates or min(rates) <= 0:
        raise InvdesignError(f"rate sweep: expected positive rates [nats], got {list(rates)!r}")
    encoding = fit_encoding(domain, corpus)
    batch = encode_corpus(encoding, corpus, cache=cache, progress=progress)
    folder = _folder(domain, corpus, recipe, cache)
    information = measure_information(encoding, batch, recipe, folder, progress=progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        vae = recipe.build(encoding)
    if not isinstance(vae, VAE):
        raise InvdesignError(f"recipe: build must return a VAE, got {type(vae).__name__}")
    n_properties = int(vae.architecture().get("n_properties", 0))
    targets = auxiliary_targets(encoding, corpus, n_properties, progress=progress)
    weights = None if corpus.weights is None else torch.from_numpy(np.asarray(corpus.weights, dtype=np.float64))
    points: list[RatePoint] = []
    for i, rate in enumerate(sorted(set(rates), reverse=True)):
        name = f"{i}-{rate:g}"
        result, parameters = folder / f"{name}.json", folder / f"{name}.safetensors"
        if result.is_file() and parameters.is_file():
            points.append(RatePoint(**json.loads(result.read_text())))
            vae.load_state_dict(read_tensors(parameters)[0])
            continue
        epochs = planned_epochs(recipe, len(batch)) * (1.0 if i == 0 else FRACTION_OF_EPOCHS)
        settings = replace(recipe, epochs=epochs, target_rate=rate, target_distortion=None)
        checkpoint = folder / f"{name}-checkpoint.safetensors"
        training = train(
            vae, batch, settings, targets=targets, weights=weights, checkpoint=checkpoint, progress=progress
        )
        latent_space = fit_latent_space(domain, encoding, vae, corpus, batch, seed=recipe.seed)
        held_out = [corpus.designs[row] for row in training.held_out]
        found = diagnose(latent_space, held_out, known=corpus_keys(domain, corpus), seed=recipe.seed, progress=progress)
        points.append(_point(rate, found))
        write_tensors(parameters, vae.state_dict(), {"target_rate": rate})
        write_bytes(result, json.dumps(asdict(points[-1])).encode())
        checkpoint.unlink(missing_ok=True)
    chosen, reason = choose_point(points, min_reconstruction)
    curve = RateCurve(tuple(points), information, chosen, reason)
    write_bytes(folder / CURVE, json.dumps(asdict(curve)).encode())
    return curve


def read_curve(domain: Domain[D, B], corpus: Corpus[D], recipe: Recipe, cache: Path) -> RateCurve | None:
    """Return the rate-distortion curve of a recipe as it was last measured; None where it was not.

    Args:
        domain: The kind of designs.
        corpus: What was trained on.
        recipe: Settings of the training; its target does not matter.
        cache: Folder of the cache.
    """
    path = _folder(domain, corpus, recipe, cache) / CURVE
    if not path.is_file():
        return None
    stored = json.loads(path.read_text())
    points = tuple(RatePoint(**point) for point in stored["points"])
    return RateCurve(points, stored["information"], stored["chosen"], stored["reason"])


def _folder(domain: Domain[D, B], corpus: Corpus[D], recipe: Recipe, cache: Path) -> Path:
    return cache / "sweeps" / model_key(domain, corpus, replace(recipe, target_rate=None, target_distortion=None))


def choose_point(points: Sequence[RatePoint], min_reconstruction: float) -> tuple[int, str]:
    """Return the number of the point to choose, and the reason.

    It is the point of the lowest -ELBO among those that reconstruct enough; where none does, the one that reconstructs
    most.
    """
    enough = [i for i, point in enumerate(points) if point.reconstruction >= min_reconstruction]
    if not enough:
        best = max(range(len(points)), key=lambda i: points[i].reconstruction)
        return best, (
            f"no rate reconstructs {min_reconstruction:.0%} of the held-out designs: the one that reconstructs most, "
            f"{points[best].reconstruction:.1%}. Train longer (vae.epochs), or give higher rates"
        )
    best = min(enough, key=lambda i: points[i].neg_elbo)
    return best, (
        f"the lowest -ELBO, {points[best].neg_elbo:.1f} nats, of the {len(enough)} rates that reconstruct at least "
        f"{min_reconstruction:.0%} of the held-out designs"
    )


def _point(target_rate: float, found: Diagnosis) -> RatePoint:
    nonsense = {samples.source: samples.quality.get("nonsense") for samples in found.samples}
    return RatePoint(
        target_rate,
        found.rate,
        found.distortion,
        found.neg_elbo,
        found.reconstruction,
        nonsense.get("prior"),
        nonsense.get("midpoints"),
    )
