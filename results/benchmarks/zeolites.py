"""Benchmark: zeolites rebuilt from their T sites, and pores against the Database of Zeolite Structures."""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from invdesign import InvdesignError
from invdesign.domains.crystals.frameworks import structures
from invdesign.domains.crystals.pores import pores
from invdesign.domains.crystals.symmetry import crystal_of
from invdesign.domains.crystals.zeolites import framework_of, framework_residual, without_oxygen

COLUMNS = {"included": "included_sphere", "free": "largest_diff_sphere"}


def main() -> None:
    """Measure every framework of the archive as given and as rebuilt; write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True, help="zeolites.tar.xz")
    parser.add_argument("--pores", type=Path, help="zeolite_pores.csv; beside the archive where not given")
    parser.add_argument("--every", type=int, default=1, help="every n-th framework only")
    parser.add_argument("--most-atoms", type=int, default=1000, help="leave larger cells out")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    with (arguments.pores or arguments.archive.parent / "zeolite_pores.csv").open(newline="") as stream:
        known = {row["framework"]: row for row in csv.DictReader(stream)}
    given = list(structures(arguments.archive))
    whole = [(name, s) for name, s in given if not isinstance(s, str)]
    some = [(name, s) for name, s in whole if len(s) <= arguments.most_atoms][:: arguments.every]
    table: dict[str, list[float]] = {kind: [] for kind in COLUMNS}
    rebuilt: dict[str, list[float]] = {kind: [] for kind in COLUMNS}
    residuals, seconds, orbits, passed, lost = [], [], [], 0, []
    for name, structure in some:
        symbols = [site.specie.symbol for site in structure]
        true = pores(structure.lattice.matrix, symbols, structure.frac_coords)
        for kind, column in COLUMNS.items():
            table[kind].append(abs(getattr(true, kind) - float(known[name][column])))
        T = crystal_of(without_oxygen(structure))
        orbits.append(len(T.orbits))
        start = time.perf_counter()
        try:
            found = framework_of(T)
        except InvdesignError as error:
            lost.append(f"{name}: {error}")
            continue
        seconds.append(time.perf_counter() - start)
        residuals.append(found.residual)
        passed += framework_residual([T])[0].passed
        again = pores(found.lattice, found.species, found.positions)
        for kind in COLUMNS:
            rebuilt[kind].append(abs(getattr(again, kind) - getattr(true, kind)))
    figures = {
        "frameworks": len(some),
        "interrupted": len(given) - len(whole),
        "larger_left_out": len(whole) - len(some) if arguments.every == 1 else None,
        "median_t_orbits": float(np.median(orbits)),
        "table_error": {kind: _spread(values) for kind, values in table.items()},
        "share_4_connected": round(len(residuals) / len(some), 4),
        "share_residual_passed": round(passed / len(some), 4),
        "lost": lost,
        "rebuilt_pore_error": {kind: _spread(values) for kind, values in rebuilt.items()},
        "residual": _spread(residuals),
        "seconds_per_framework": _spread(seconds),
    }
    print(json.dumps(figures, indent=1))
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


def _spread(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 4) for q in (50, 75, 90, 100)}


if __name__ == "__main__":
    main()
