"""Search for the crystals of a formula whose calculated pattern agrees with a measured one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.atom_volumes import cell_volume
from invdesign.domains.crystals.powder.agreement import (
    LEVELS,
    SCAN_WIDTH,
    Fit,
    calculated_pattern,
    fit_cell,
    make_model,
    rate,
    refine_positions,
    scan_scale,
)
from invdesign.domains.crystals.powder.measured import Measured
from invdesign.domains.crystals.powder.substitution import LATENT, Proposal, TemplateLibrary
from invdesign.domains.crystals.sanity import nearest_contact
from invdesign.domains.crystals.symmetry.matching import fits, reduce_cell

SCALE_MARGIN, FIT_MARGIN = 1.12, 1.08
"""Factors by which cells may grow in the first search and in the refinement."""
DIFFERENCE_WEIGHT = 0.05
"""Loss of agreement that outweighs the exchange of all elements by unlike ones."""
VOLUME_WEIGHT, VOLUME_SPREAD, MAX_VOLUME_DEVIATION = 0.01, 0.12, 3.0
"""Loss of agreement at one spread of the logarithm of the volume from the typical one, and the largest deviation that
counts."""
CONTACT_WEIGHT, MIN_CLOSENESS = 1.0, 0.6
"""Loss of agreement for atoms nearer than this share of the sum of their covalent radii."""


@dataclass(frozen=True)
class Effort:
    """How many candidates each stage keeps."""

    n_fitted: int = 20
    """Known structures whose cells are fitted, the best of the search over scales, and as many decoded crystals."""
    n_refined: int = 10
    """Of these, those whose free coordinates are refined; 0 for none."""
    is_fitted: bool = True
    """Whether cells are fitted to the positions of the peaks, beyond their scale."""


@dataclass(frozen=True, eq=False)
class Solution:
    """A crystal that may explain a measured pattern."""

    crystal: Crystal
    """The crystal."""
    origin: str
    """Where its structure comes from."""
    agreement: float
    """Cosine of the calculated and the measured pattern: 1 for equal patterns."""
    score: float
    """Agreement less penalties for unlike elements, an unusual volume and near atoms: what the rank follows."""
    zero: float
    """Shift of the measured angles [degrees]."""
    pattern: Array
    """Calculated pattern on the grid of the measured one; the largest intensity is 100."""


@dataclass(frozen=True)
class _Scored:
    """A proposal with its fit."""

    score: float
    proposal: Proposal
    fit: Fit


def solve(
    measured: Measured,
    proposals: Sequence[Proposal],
    library: TemplateLibrary,
    *,
    n: int = 10,
    effort: Effort | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Solution]:
    """Return the `n` crystals that explain a measured pattern best, no two of them alike.

    Every proposal is scaled to the peaks. The best known structures and the best decoded ones are fitted: first their
    cells to the positions of the peaks, then their free coordinates to the intensities.

    Args:
        measured: The pattern.
        proposals: Crystals to try.
        library: Typical volumes of the elements.
        n: Number of crystals.
        effort: How many candidates each stage keeps.
        seed: Seed of the search for cells.
        progress: Called with ("comparing crystals with the pattern", done, total).
    """
    effort = effort or Effort()
    total = len(proposals) + effort.n_fitted + effort.n_refined
    rng = np.random.default_rng(seed)
    scanned: list[_Scored] = []
    coarse = measured.broadened(SCAN_WIDTH)
    for i, proposal in enumerate(proposals):
        progress("comparing crystals with the pattern", i, total)
        found = _scan(proposal, measured, coarse)
        if found is not None:
            scanned.append(found)
    is_latent = [each.proposal.origin == LATENT for each in scanned]
    fitted = [
        *_best([each for each, latent in zip(scanned, is_latent, strict=True) if not latent], effort.n_fitted),
        *_best([each for each, latent in zip(scanned, is_latent, strict=True) if latent], effort.n_fitted),
    ]
    if effort.is_fitted:
        levels = [measured.broadened(sigma) for sigma, _ in LEVELS]
        fitted = [_fit(each, measured, levels, library, rng) for each in fitted]
    else:
        fitted = [_as_it_is(each, measured, library) for each in fitted]
    progress("comparing crystals with the pattern", len(proposals) + len(fitted), total)
    ranked = _best(fitted, len(fitted))
    refined = [_refine(each, measured, library) for each in ranked[: effort.n_refined]]
    progress("comparing crystals with the pattern", total, total)
    return [_solution(each, measured) for each in distinct(_best(refined + ranked[effort.n_refined :], len(ranked)), n)]


def _best(scored: Sequence[_Scored], n: int) -> list[_Scored]:
    return sorted(scored, key=lambda each: -each.score)[:n]


def _scan(proposal: Proposal, measured: Measured, coarse: Measured) -> _Scored | None:
    """Return a proposal at its best scale; None for one whose pattern cannot be calculated."""
    try:
        model = make_model(proposal.crystal, measured, margin=SCALE_MARGIN)
    except InvdesignError:
        return None
    if not len(model.found.hkl):
        return None
    crystal, cosine = scan_scale(model, coarse)
    return _Scored(cosine - DIFFERENCE_WEIGHT * proposal.difference, proposal, Fit(crystal, 0.0, SCAN_WIDTH, cosine))


def _fit(
    scored: _Scored,
    measured: Measured,
    levels: Sequence[Measured],
    library: TemplateLibrary,
    rng: np.random.Generator,
) -> _Scored:
    """Return a scaled proposal with its cell fitted."""
    fit = fit_cell(make_model(scored.fit.crystal, measured, margin=FIT_MARGIN), measured, levels, rng)
    return _Scored(_score(fit, scored.proposal, library), scored.proposal, fit)


def _as_it_is(scored: _Scored, measured: Measured, library: TemplateLibrary) -> _Scored:
    """Return a scaled proposal with the agreement of its sharp pattern."""
    fit = rate(make_model(scored.fit.crystal, measured), measured)
    return _Scored(_score(fit, scored.proposal, library), scored.proposal, fit)


def _refine(scored: _Scored, measured: Measured, library: TemplateLibrary) -> _Scored:
    """Return a fitted proposal with its free coordinates refined, where that is better."""
    model = refine_positions(make_model(scored.fit.crystal, measured), measured, scored.fit)
    fit = rate(model, measured, zero=scored.fit.zero)
    score = _score(fit, scored.proposal, library)
    return _Scored(score, scored.proposal, fit) if score > scored.score else scored


def _score(fit: Fit, proposal: Proposal, library: TemplateLibrary) -> float:
    crystal = fit.crystal
    deviation = math.log(cell_volume(crystal.cell) / library.typical_volume(crystal.counts)) / VOLUME_SPREAD
    closeness = nearest_contact(crystal)[1]
    return (
        fit.agreement
        - DIFFERENCE_WEIGHT * proposal.difference
        - VOLUME_WEIGHT * min(abs(deviation), MAX_VOLUME_DEVIATION) ** 2
        - CONTACT_WEIGHT * max(0.0, MIN_CLOSENESS - closeness)
    )


def distinct(scored: Sequence[_Scored], n: int) -> list[_Scored]:
    """Return the first `n` crystals that match none before them."""
    kept: list[_Scored] = []
    cells: list[Structure] = []
    for each in scored:
        cell = reduce_cell(each.fit.crystal)
        if any(fits(cell, other) for other in cells):
            continue
        kept.append(each)
        cells.append(cell)
        if len(kept) == n:
            break
    return kept


def _solution(scored: _Scored, measured: Measured) -> Solution:
    fit, proposal = scored.fit, scored.proposal
    pattern = calculated_pattern(make_model(fit.crystal, measured), measured, fit)
    return Solution(fit.crystal, proposal.origin, fit.agreement, scored.score, fit.zero, pattern)
