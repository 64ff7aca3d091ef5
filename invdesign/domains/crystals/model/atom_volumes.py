"""Typical volumes of the elements in a corpus, from which the volume of a composition is estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Cell, Crystal
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of

RIDGE = 0.1
"""Weight of the pull towards the corpus's mean volume per atom: about that of two crystals of the element."""
MIN_VOLUME = 1.0
"""Smallest volume of an element [angstrom^3]."""


def fit_atom_volumes(crystals: Sequence[Crystal], elements: Sequence[str]) -> Array:
    """Fit the volume of each element to the cells of a corpus, by least squares of the relative error.

    The fit minimizes, over volumes `v` of the elements,

        sum_i (sum_e n_ie v_e / V_i - 1)^2 + RIDGE sum_e (v_e / v_0 - 1)^2,

    where crystal `i` has `n_ie` atoms of element `e` in a cell of volume `V_i`, and `v_0` is the mean volume per atom.

    Args:
        crystals: The corpus, `n` crystals.
        elements: Chemical symbols.

    Returns:
        Volumes [angstrom^3], one for each element.

    Example:
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> copper = Crystal(225, (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> fit_atom_volumes([copper], ["Cu"]).round(3).tolist()
        [11.664]
    """
    counts = np.array([[crystal.counts.get(element, 0) for element in elements] for crystal in crystals], dtype=float)
    volumes = np.array([cell_volume(crystal.cell) for crystal in crystals])
    mean = float(np.exp(np.log(volumes / counts.sum(1)).mean()))
    shares = counts * mean / volumes[:, None]
    pull = RIDGE * np.eye(len(elements))
    relative = np.linalg.solve(shares.T @ shares + pull, shares.sum(0) + RIDGE)
    fitted: Array = np.maximum(MIN_VOLUME, relative * mean)
    return fitted


def composition_volume(crystal: Crystal, volumes: Mapping[str, float]) -> float:
    """Return the sum of the typical volumes of the atoms of a cell [angstrom^3]; NaN where one is not known.

    Args:
        crystal: The crystal.
        volumes: Typical volume of each element [angstrom^3].
    """
    return sum(n * volumes.get(element, math.nan) for element, n in crystal.counts.items())


def cell_volume(cell: Cell | Sequence[float]) -> float:
    """Return the volume of a cell given by lengths [angstrom] and angles [degrees], in angstrom^3."""
    a, b, c, alpha, beta, gamma = cell
    return float(abs(np.linalg.det(lattice_of((a, b, c, alpha, beta, gamma)))))
