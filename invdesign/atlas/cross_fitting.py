"""Cross-fitting of the audit: each real design is rated by a model and by counts that have none of its family."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int

from invdesign.atlas.measures import Measures
from invdesign.atlas.rarity import fit_rarities
from invdesign.core import Array, B, Corpus, D, Progress, silent
from invdesign.latent.space import LatentSpace
from invdesign.vae.base import VAE
from invdesign.vae.training import Rows

N_FOLDS = 12
"""Parts of the families. With 6 the models of the parts have fewer families than the model itself, and too few designs
are flagged."""
MIN_FAMILIES = 2 * N_FOLDS


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """Raw scores of real designs, each without its family."""

    scores: dict[str, Array]
    """Values of the likelihood, and of the surroundings where designs have parts."""
    nats: list[Array]
    """Nats of the places of each design."""


def cross_fit(
    measures: Measures[D, B], corpus: Corpus[D], rows: Rows, rated: Rows, *, progress: Progress = silent
) -> CrossFitted | None:
    """Return raw scores of real designs by models and counts of the other families.

    A new design is often of a family that the model has not seen. So are the designs that were held out from training,
    but they are of few families. Where scores differ between families, the most unusual family alone decides which
    scores are in the top 1 %. Here the families are divided into 12 parts, and the designs of each part are rated by a
    model that was fitted to the others, so that all families calibrate.

    Args:
        measures: A model that is fitted in closed form, and counts of real designs.
        corpus: Designs with families.
        rows: Rows of the corpus to fit to.
        rated: Those of the rows that are rated.
        progress: Called with `(stage, done, total)`.

    Returns:
        Scores of the rated rows without the density, which would need latent spaces of the models; None where the model
        cannot be fitted again at once, or there are fewer than 24 families.

    References:
        Vovk, Cross-conformal predictors (2015), doi:10.1007/s10472-013-9368-4.
    """
    families = [corpus.families[i] for i in rows] if corpus.families else []
    if len(set(families)) < MIN_FAMILIES:
        return None
    folds = assign_folds(families)
    fold_of = dict(zip(rows.tolist(), folds.tolist(), strict=True))
    designs = [corpus.designs[i] for i in rows]
    models = _fit_models(measures.latent_space, designs, folds, progress)
    if models is None:
        return None
    rarities = fit_rarities(measures.latent_space.domain, designs, folds)
    members = [[j for j, row in enumerate(rated.tolist()) if fold_of[row] == fold] for fold in range(N_FOLDS)]
    scores: dict[str, Array] = {}
    nats: list[Array] = [np.zeros(0)] * len(rated)
    for fold, (vae, rarity, own) in enumerate(zip(models, rarities, members, strict=True)):
        progress("rating families by the others", fold, N_FOLDS)
        # What no real design has is as rare as in the counts for new designs, however many were counted.
        alike = replace(rarity, n=measures.rarity.n)
        one = Measures(replace(measures.latent_space, vae=vae), alike)
        measured = one.measure([corpus.designs[rated[j]] for j in own])
        for name in measured.scores.keys() - {"density"}:
            scores.setdefault(name, np.zeros(len(rated)))[own] = measured.scores[name]
        for j, values in zip(own, measured.nats, strict=True):
            nats[j] = values
    return CrossFitted(scores, nats)


def assign_folds(families: Sequence[str], *, seed: int = 0) -> Int[np.ndarray, " n"]:
    """Return the fold of each design; a family is never divided, and each fold has as many families as others.

    Example:
        >>> folds = assign_folds([f"family {i // 2}" for i in range(48)])
        >>> bool((folds[::2] == folds[1::2]).all()), np.bincount(folds).tolist()
        (True, [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4])
    """
    names = np.random.default_rng(seed).permutation(sorted(set(families))).tolist()
    fold_of = {name: number % N_FOLDS for number, name in enumerate(names)}
    return np.array([fold_of[family] for family in families])


def _fit_models(
    latent_space: LatentSpace[D, B], designs: Sequence[D], folds: Int[np.ndarray, " n"], progress: Progress
) -> list[VAE] | None:
    """Return for each fold a model of the designs of the others; None where the model needs training."""
    # A few designs show whether there is a closed form: to encode all of a large corpus takes minutes.
    model = copy.deepcopy(latent_space.vae)
    if not model.fit_at_once(latent_space.encoding.encode(designs[:MIN_FAMILIES])):
        return None
    batch = latent_space.encoding.encode(designs)
    models = []
    for fold in range(N_FOLDS):
        progress("fitting models of other families", fold, N_FOLDS)
        model = copy.deepcopy(latent_space.vae)
        model.fit_at_once(batch, torch.from_numpy(np.flatnonzero(folds != fold)))
        models.append(model.eval())
    return models
