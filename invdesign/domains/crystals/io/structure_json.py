"""Reader of structures in JSON: pymatgen's dictionaries, and descriptions that `crystal.to_text` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.io.checks import check_labels
from invdesign.domains.crystals.io.refusals import RefusedError, check_lattice, check_symbol, size_error
from invdesign.domains.crystals.periodic_atoms import PeriodicAtoms, from_parts
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of

MAX_TEXT = 20_000_000
MAX_OCCUPANCY_ERROR = 0.01
MAX_LENGTH_ERROR, MAX_ANGLE_ERROR = 0.01, 0.5
"""Largest difference of a stated length [relative] and angle [degrees] from the matrix of the cell."""
MAX_DISTANCE = 0.05
"""Largest distance of the Cartesian and fractional coordinates of an atom [angstrom]."""
REMEDY = "write pymatgen's Structure.as_dict() again"


def parse_json(text: str) -> Any:
    """Return parsed JSON.

    Raises:
        RefusedError: The text is no JSON, nested too deeply or too long.
    """
    if len(text) > MAX_TEXT:
        raise RefusedError(f"JSON of {len(text):,} characters", "write fewer structures into a file")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"no JSON ({error})"[:160], "write the structure again") from error


def read_json_atoms(text: str, *, max_sites: int) -> PeriodicAtoms:
    """Return the atoms of one structure in JSON.

    Raises:
        RefusedError: The text is no structure, too large, disordered, or contradicts itself.
    """
    data = parse_json(text)
    if isinstance(data, dict) and "orbits" in data:
        return _described_atoms(text, max_sites)
    if not isinstance(data, dict) or not {"lattice", "sites"} <= data.keys():
        raise RefusedError("JSON without lattice and sites", "write the JSON of pymatgen's Structure.as_dict()")
    sites = data["sites"]
    if not isinstance(sites, list) or not isinstance(data["lattice"], dict):
        raise RefusedError("JSON without a lattice and a list of sites", "write pymatgen's Structure.as_dict()")
    if len(sites) > max_sites:
        raise size_error(len(sites), max_sites)
    try:
        lattice = np.array(data["lattice"]["matrix"], dtype=float).reshape(3, 3)
        symbols = [_symbol(site["species"]) for site in sites]
        positions = np.array([[float(x) for x in site["abc"]] for site in sites], dtype=float).reshape(-1, 3)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise RefusedError(
            f"JSON of a structure lacks something ({type(error).__name__}: {error})"[:160],
            "write the JSON of pymatgen's Structure.as_dict()",
        ) from error
    check_lattice(lattice)
    _check_cell(data["lattice"], lattice)
    _check_sites(sites, symbols, positions, lattice)
    return from_parts(lattice, symbols, positions)


def _symbol(species: Any) -> str:
    if len(species) != 1 or abs(float(species[0].get("occu", 1)) - 1) > MAX_OCCUPANCY_ERROR:
        shown = ", ".join(str(each.get("element")) for each in species)
        raise RefusedError(f"partial occupancies or several atoms on one site: {shown}"[:160], "order the structure")
    symbol = str(species[0]["element"])
    return check_symbol(symbol, symbol)


def _check_cell(stated: Mapping[str, Any], matrix: Array) -> None:
    """Reject lengths and angles that contradict the matrix of the cell."""
    lengths = np.linalg.norm(matrix, axis=1)
    a, b, c = lengths
    cosines = [matrix[i] @ matrix[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    alpha, beta, gamma = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    tolerances = {name: MAX_LENGTH_ERROR * length for name, length in zip("abc", lengths, strict=True)}
    values = {"a": a, "b": b, "c": c, "alpha": alpha, "beta": beta, "gamma": gamma}
    for name, value in values.items():
        given = stated.get(name)
        if isinstance(given, int | float) and not abs(given - value) <= tolerances.get(name, MAX_ANGLE_ERROR):
            raise RefusedError(f"the lattice states {name} = {given:g}, its matrix has {value:.6g}", REMEDY)


def _check_sites(sites: Sequence[Mapping[str, Any]], symbols: Sequence[str], positions: Array, lattice: Array) -> None:
    """Reject labels and Cartesian coordinates that contradict the elements and the fractional coordinates."""
    labels = [site.get("label") for site in sites]
    check_labels(symbols, [label if isinstance(label, str) else "" for label in labels], REMEDY)
    for label, site, x in zip(labels, sites, positions, strict=True):
        xyz = site.get("xyz")
        if not isinstance(xyz, list | tuple) or len(xyz) != 3:
            continue
        if not all(isinstance(value, int | float) for value in xyz):
            continue
        difference = np.array(xyz, dtype=float) @ np.linalg.inv(lattice) - x
        distance = float(np.linalg.norm((difference - np.rint(difference)) @ lattice))
        if not distance <= MAX_DISTANCE:
            raise RefusedError(f"abc and xyz of the site {str(label)[:40]!r} are {distance:.3g} A apart", REMEDY)


def _described_atoms(text: str, max_sites: int) -> PeriodicAtoms:
    try:
        design = crystal.from_text(text)
        if design.n_atoms > max_sites or len(design.orbits) > max_sites:
            raise size_error(design.n_atoms, max_sites)
        if not np.isfinite(design.cell).all() or not np.isfinite([o.position for o in design.orbits]).all():
            raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
        species, positions = expand(design)
    except InvdesignError as error:
        raise RefusedError(str(error), "write the text of a design again") from error
    return from_parts(lattice_of(design.cell), [check_symbol(each, each) for each in species], positions)
