"""Leakage test: can a classifier tell a condition from the latents, and did the property go with it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from invdesign.core import B, Corpus, D
from invdesign.core.capabilities import computed_properties, features
from invdesign.latent.semantics import principal_components
from invdesign.latent.space import LatentSpace

MAX_DESIGNS = 3000
N_FOLDS = 5
N_NEIGHBOURS = 5
COMPUTED = ("logp", "gravy", "volume_per_atom")
"""Computed properties that stand in for measured ones, in a corpus that has none."""


@dataclass(frozen=True)
class Leakage:
    """What latents hold of the conditions, and what they keep of the properties.

    "Before" are principal components of structure features, as many as latents, from which nothing was taken away.
    """

    n: int
    """Designs of the test."""
    auroc: Mapping[str, float]
    """Cross-validated AUROC of the better of two classifiers (linear, boosted trees), by label; .5 is chance."""
    auroc_before: Mapping[str, float]
    """The same from structure features; empty where designs have none."""
    correlation: Mapping[str, float]
    """Rank correlation of a property with the mean of the nearest other designs, by property."""
    correlation_before: Mapping[str, float]
    """The same among structure features; empty where designs have none."""


def measure_leakage(latent_space: LatentSpace[D, B], corpus: Corpus[D], *, seed: int = 0) -> Leakage:
    """Test what the latents of a corpus hold of its conditions.

    Args:
        latent_space: A latent space with the conditions of the corpus.
        corpus: Has the labels of the conditions.
        seed: Seed of the choice of designs and of the folds.
    """
    assert latent_space.known_conditions is not None
    rows = np.sort(np.random.default_rng(seed).permutation(len(corpus))[:MAX_DESIGNS])
    designs = [corpus.designs[i] for i in rows]
    labels = {name: [corpus.labels[name][i] for i in rows] for name in latent_space.known_conditions.conditions.shares}
    properties = {name: np.asarray(values)[rows] for name, values in corpus.properties.items()}
    if not properties:
        known = computed_properties(latent_space.domain)
        properties = {
            name: np.asarray(known[name].measure(designs), dtype=np.float64).ravel()
            for name in COMPUTED
            if name in known
        }
    Z = latent_space.encode(designs).numpy()
    F = features(latent_space.encoding, designs)
    before = principal_components(F, latent_space.d) if F.shape[1] else None
    return Leakage(
        n=len(rows),
        auroc={name: auroc_of_label(Z, values, seed=seed) for name, values in labels.items()},
        auroc_before={}
        if before is None
        else {name: auroc_of_label(before, values, seed=seed) for name, values in labels.items()},
        correlation={name: neighbour_rank_correlation(Z, y) for name, y in properties.items()},
        correlation_before={}
        if before is None
        else {name: neighbour_rank_correlation(before, y) for name, y in properties.items()},
    )


def auroc_of_label(Z: Float[np.ndarray, "n d"], labels: Sequence[str], *, seed: int = 0) -> float:
    """Return the cross-validated AUROC of a label from latents, of the better of a linear and a nonlinear classifier.

    Several values are rated one against the rest, and averaged. Designs without a label are left out.

    Args:
        Z: Latents of `n` designs.
        labels: Label of each; empty where unknown.
        seed: Seed of the folds.

    Example:
        >>> Z = np.arange(100.0)[:, None]
        >>> auroc_of_label(Z, ["A"] * 50 + ["B"] * 50) > 0.99
        True
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # takes two seconds, which most commands need not spend
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    is_known = np.array([bool(label) for label in labels])
    X, y = Z[is_known], np.array(labels)[is_known]
    values, counts = np.unique(y, return_counts=True)
    keep = np.isin(y, values[counts >= N_FOLDS])
    X, y = X[keep], y[keep]
    if len(np.unique(y)) < 2:
        return float("nan")
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    found = []
    for model in (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
        HistGradientBoostingClassifier(max_iter=60, random_state=seed),
    ):
        rated = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
        rated = rated[:, 1] if rated.shape[1] == 2 else rated
        found.append(float(roc_auc_score(y, rated, multi_class="ovr")))
    return round(max(found), 4)


def neighbour_rank_correlation(
    Z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], *, k: int = N_NEIGHBOURS
) -> float:
    """Return the rank correlation of a property with its mean over the nearest other designs.

    Args:
        Z: Latents of `n` designs.
        y: Their property; NaN where unknown.
        k: Nearest designs that are averaged.
    """
    from scipy.stats import spearmanr

    is_known = np.isfinite(y)
    if is_known.sum() < 3 * k or np.ptp(y[is_known]) == 0:
        return float("nan")
    X, values = torch.from_numpy(Z[is_known]), y[is_known]
    distances = torch.cdist(X, X).fill_diagonal_(torch.inf)
    nearest = distances.topk(k, largest=False).indices.numpy()
    return round(float(spearmanr(values, values[nearest].mean(1)).statistic), 4)


def describe_leakage(leakage: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return plain sentences on a leakage test, from its JSON.

    Example:
        >>> describe_leakage({"auroc": {"laboratory": 0.52}, "auroc_before": {"laboratory": 0.99}, "correlation": {},
        ...     "correlation_before": {}})
        ['the laboratory cannot be predicted from the latents (AUROC .52; from structure features .99; .5 is chance)']
    """
    lines = []
    for name, value in leakage["auroc"].items():
        verb = "cannot" if value <= 0.55 else "can hardly" if value <= 0.65 else "can"
        before = leakage["auroc_before"].get(name)
        beside = "" if before is None else f"; from structure features {_short(before)}"
        lines.append(f"the {name} {verb} be predicted from the latents (AUROC {_short(value)}{beside}; .5 is chance)")
    for name, value in leakage["correlation"].items():
        before = leakage["correlation_before"].get(name)
        beside = "" if before is None else f", among structure features {_short(before)}"
        lines.append(f"{name}: rank correlation with the nearest other designs {_short(value)}{beside}")
    return lines


def _short(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1)
