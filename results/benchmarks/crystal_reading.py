"""Time of reading crystals: from the rows of a table to canonical descriptions and keys, on one core.

python results/benchmarks/crystal_reading.py perov_5_train.csv.gz mp_20_pilot_train.csv.gz
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from invdesign.domains.crystals.io import records
from invdesign.domains.crystals.symmetry import canonical


def main() -> None:
    """Print structures per CPU second, in a first pass and with the tables of the space groups at hand."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("files", nargs="+", type=Path, help="tables with a CIF column")
    parser.add_argument("--max-rows", type=int, default=4_000, help="rows of each file")
    arguments = parser.parse_args()
    for path in arguments.files:
        rows = records.rows(path, column="cif")[: arguments.max_rows]
        for name in ("first pass", "second pass"):
            start = time.process_time()
            for row in rows:
                atoms, _ = records.atoms(row)
                canonical.key(canonical.crystal_of(atoms))
            seconds = time.process_time() - start
            print(f"{path.name}, {name}: {len(rows)} structures, {len(rows) / seconds:.0f} per second and core")


if __name__ == "__main__":
    main()
