"""The command that finds molecules for fingerprints."""

from __future__ import annotations

import argparse
from pathlib import Path

from invdesign.cli import terminal

MAX_ROWS = 20


def decode(arguments: argparse.Namespace) -> int:
    """Print or write the molecules that have the fingerprints of a file, or near ones."""
    from invdesign.domains.molecules import Molecules
    from invdesign.io.design_files import read_designs
    from invdesign.runs.fingerprints import decode_fingerprints, read_fingerprints, write_decoded

    rows = read_fingerprints(Path(arguments.fingerprints))
    known = read_designs(Molecules(), Path(arguments.known)).designs if arguments.known else ()
    with terminal.progress() as progress:
        found = decode_fingerprints(rows, radius=arguments.radius, known=known, progress=progress)
    n_exact = sum(each.is_exact for each in found)
    shown = [{"smiles": each.smiles, "tanimoto": each.similarity, "exact": each.is_exact} for each in found]
    path = write_decoded(found, Path(arguments.out)) if arguments.out else None
    if arguments.json:
        terminal.print_json({"fingerprints": len(found), "exact": n_exact, "molecules": shown})
        return 0
    terminal.table("molecules", [{"": i, **row} for i, row in enumerate(shown[:MAX_ROWS], start=1)])
    print(f"{n_exact:,} of {len(found):,} fingerprints are exactly those of a molecule that was found")
    if path is not None:
        print(path)
    return 0
