"""Crystals of a formula from the latent space, at latents that the view of the pattern and the formula draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.atom_volumes import cell_volume
from invdesign.domains.crystals.model.encoding import unpack
from invdesign.domains.crystals.model.token_vae import CrystalTokenVAE
from invdesign.domains.crystals.powder.measured import Measured
from invdesign.domains.crystals.powder.substitution import LATENT, Proposal, TemplateLibrary
from invdesign.domains.crystals.powder.view import PatternView
from invdesign.domains.crystals.sanity import is_whole
from invdesign.domains.crystals.symmetry.canonical import occupation

DIFFERENCE = 0.6
"""Chemical difference that a decoded crystal counts as: a known structure with similar elements is preferred."""
TEMPERATURE = 0.7
"""Factor of the spread of the drawn latents around the centers of the view's normals."""
MAX_PER_OCCUPATION = 3
"""Crystals with the same elements on the same sites that are kept."""


@torch.no_grad()
def latent_proposals(
    vae: CrystalTokenVAE,
    view: PatternView,
    measured: Measured | None,
    counts: Mapping[str, int],
    library: TemplateLibrary,
    *,
    n: int,
    seed: int = 0,
) -> list[Proposal]:
    """Return crystals of a formula that the decoder writes at latents of the view, the likeliest first.

    Args:
        vae: The VAE.
        view: The view of its space.
        measured: The pattern; None where only the formula is known.
        counts: Number of atoms of each element in the formula.
        library: Typical volumes of the elements.
        n: Latents to draw; the centers of the view's normals are among them.
        seed: Seed of the draws.
    """
    if n < 1:
        return []
    mixture = view.eval()(view.views_of(measured, counts))
    centers, spreads = (
        mixture.component_distribution.base_dist.loc[0],
        mixture.component_distribution.base_dist.scale[0],
    )
    generator = torch.Generator().manual_seed(seed)
    n_drawn = max(n - len(centers), 0)
    chosen = torch.multinomial(mixture.mixture_distribution.probs[0], n_drawn, replacement=True, generator=generator)
    noise = torch.randn(n_drawn, vae.d, generator=generator)
    return decode_formula(
        vae, torch.cat([centers, centers[chosen] + TEMPERATURE * spreads[chosen] * noise])[:n], counts, library
    )


@torch.no_grad()
def decode_formula(
    vae: CrystalTokenVAE, z: Tensor, counts: Mapping[str, int], library: TemplateLibrary
) -> list[Proposal]:
    """Return the crystals of a formula that the decoder writes at latents, the likeliest first.

    Args:
        vae: The VAE.
        z: `n x d` latents.
        counts: Number of atoms of each element in the formula.
        library: Typical volumes of the elements.
    """
    found: dict[str, list[tuple[float, Crystal]]] = {}
    for output in vae.generate_formula(z, counts):
        rows = unpack(vae.language.vocabulary, output.batch)
        for crystal, score in zip(rows, output.scores.tolist(), strict=True):
            if crystal is not None and score > -1e6 and is_whole(crystal):
                found.setdefault(occupation(crystal), []).append((score, crystal))
    ranked = sorted(
        (row for group in found.values() for row in _distinct(group)[:MAX_PER_OCCUPATION]), key=lambda row: -row[0]
    )
    return [Proposal(_at_typical_volume(crystal, library), LATENT, DIFFERENCE) for _, crystal in ranked]


def _distinct(group: list[tuple[float, Crystal]]) -> list[tuple[float, Crystal]]:
    """Return crystals that differ in free coordinates or the shape of the cell, the likeliest first."""
    kept: dict[object, tuple[float, Crystal]] = {}
    for score, crystal in sorted(group, key=lambda row: -row[0]):
        a, b, c, *angles = crystal.cell
        shape = (round(b / a, 1), round(c / a, 1), *(round(x / 5) for x in angles))
        points = tuple(round(x, 1) for orbit in crystal.orbits for x in orbit.position)
        kept.setdefault((shape, points), (score, crystal))
    return list(kept.values())


def _at_typical_volume(crystal: Crystal, library: TemplateLibrary) -> Crystal:
    factor = (library.typical_volume(crystal.counts) / cell_volume(crystal.cell)) ** (1 / 3)
    a, b, c, *angles = crystal.cell
    return replace(crystal, cell=(a * factor, b * factor, c * factor, *angles))
