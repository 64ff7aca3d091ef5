"""Benchmark: molecules from their Morgan count fingerprints, on held-out ZINC250k molecules; or the shipped table.

python results/benchmarks/fingerprints.py ZINC --table      writes the table of environments of the other molecules
python results/benchmarks/fingerprints.py ZINC -n 2000      measures
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rdkit
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

import invdesign.domains.molecules
from invdesign.domains.molecules.environments import (
    SHIPPED,
    EnvironmentTable,
    collect_environments,
    shipped_environments,
)
from invdesign.domains.molecules.from_fingerprint import FingerprintDecoder
from invdesign.domains.molecules.near_fingerprint import approach
from invdesign.io.text_files import decode_text, read_bytes
from invdesign.vae.training import split

HELD_OUT = 5000
"""Molecules held out from the training of the shipped VAE, and from the table (seed 0)."""
N_KNOWN = 5000
"""Training molecules from which near ones are searched."""
SETTINGS = ((3, 2048), (2, 2048), (3, 1024), (2, 1024))
TABLE_SIZES = (2000, 20_000)
N_CHANGED = (1, 3, 10)


def main() -> None:
    """Build the table, or measure exact recovery by setting and nearness for changed fingerprints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zinc", type=Path, help="zinc250k.smi.gz")
    parser.add_argument("-n", type=int, default=2000, help="held-out molecules (default 2000)")
    parser.add_argument("--changed", type=int, default=20, help="fingerprints that are changed at random (default 20)")
    parser.add_argument("--table", action="store_true", help="write the shipped table and stop")
    arguments = parser.parse_args()
    designs = decode_text(read_bytes(arguments.zinc)).split()
    train_rows, rows = split(len(designs), held_out=HELD_OUT, seed=0)
    if arguments.table:
        table = collect_environments([designs[i] for i in train_rows])
        Path(invdesign.domains.molecules.__file__).with_name(SHIPPED).write_bytes(table.to_bytes())
        print(f"{len(table.types):,} types, {len(table.environments):,} environments")
        return
    held_out = [designs[i] for i in rows[: arguments.n]]
    table = shipped_environments()
    results: dict[str, Any] = {
        "held_out": len(held_out),
        "types": len(table.types),
        "environments": len(table.environments),
        "exact": [measure_exact(table, held_out, radius, n_bits) for radius, n_bits in SETTINGS],
        "by_table": {
            n: measure_exact(collect_environments([designs[i] for i in train_rows[:n]]), held_out[:500], 3, 2048)
            for n in TABLE_SIZES
        },
        "changed": measure_changed(held_out[: arguments.changed], [designs[i] for i in train_rows[:N_KNOWN]]),
        "machine": {"processor": platform.machine(), "rdkit": rdkit.__version__, "load": os.getloadavg()[0]},
    }
    text = json.dumps(results, indent=1)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


def measure_exact(table: EnvironmentTable, designs: Sequence[str], radius: int, n_bits: int) -> dict[str, Any]:
    """Return the share of molecules whose constitution is found from the fingerprint alone, and the time."""
    decoder = FingerprintDecoder(table, radius=radius, n_bits=n_bits)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=n_bits)
    n_exact = n_other = 0
    seconds = []
    for design in designs:
        mol = Chem.MolFromSmiles(design)
        fingerprint = generator.GetCountFingerprintAsNumPy(mol)
        Chem.RemoveStereochemistry(mol)
        start = time.process_time()
        found = decoder.decode(fingerprint)
        seconds.append(time.process_time() - start)
        is_same = found == Chem.CanonSmiles(Chem.MolToSmiles(mol))
        n_exact += is_same
        n_other += found is not None and not is_same
    return {
        "radius": radius,
        "n_bits": n_bits,
        "molecules": len(designs),
        "exact": n_exact / len(designs),
        "other_molecule_of_the_same_fingerprint": n_other / len(designs),
        "cpu_seconds_mean": float(np.mean(seconds)),
        "cpu_seconds_99": float(np.quantile(seconds, 0.99)),
    }


def measure_changed(designs: Sequence[str], known: Sequence[str]) -> list[dict[str, Any]]:
    """Return how near the molecules are that are found for fingerprints of which some counts were changed."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=2048)
    rng = np.random.default_rng(0)
    rows = []
    for n in N_CHANGED if designs else ():
        reached, originals = [], []
        for design in designs:
            mol = Chem.MolFromSmiles(design)
            true = generator.GetCountFingerprintAsNumPy(mol).astype(float)
            wanted = true.copy()
            bins = rng.choice(len(wanted), n, replace=False)
            wanted[bins] += 1
            smiles, similarity = approach(wanted, known)
            reached.append(similarity)
            originals.append(float(np.minimum(true, wanted).sum() / np.maximum(true, wanted).sum()))
        rows.append(
            {
                "changed": n,
                "molecules": len(designs),
                "found": float(np.mean(reached)),
                "true": float(np.mean(originals)),
            }
        )
    return rows


if __name__ == "__main__":
    main()
