"""Reader of structures in JSON: pymatgen's dictionaries, and descriptions that `crystal.to_text` writes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from invdesign.core import InvdesignError
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.io.refusals import RefusedError, check_symbol, size_error
from invdesign.domains.crystals.periodic_atoms import PeriodicAtoms, from_parts
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of

MAX_TEXT = 20_000_000
MAX_OCCUPANCY_ERROR = 0.01


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
        RefusedError: The text is no structure, too large or disordered.
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
    return from_parts(lattice, symbols, positions)


def _symbol(species: Any) -> str:
    if len(species) != 1 or abs(float(species[0].get("occu", 1)) - 1) > MAX_OCCUPANCY_ERROR:
        shown = ", ".join(str(each.get("element")) for each in species)
        raise RefusedError(f"partial occupancies or several atoms on one site: {shown}"[:160], "order the structure")
    symbol = str(species[0]["element"])
    return check_symbol(symbol, symbol)


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
