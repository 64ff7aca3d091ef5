"""What a laboratory or a cluster gets of the candidates: starting materials, and a folder of inputs for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invdesign.core import Candidate, InvdesignError
from invdesign.domains.crystals import writing
from invdesign.domains.crystals.crystal import Crystal
from invdesign.vae.store import write_atomically

LEFT_OUT = "left_out.csv"


def precursors(candidates: Sequence[Candidate[Crystal]], folder: Path) -> list[Path]:
    """Write `precursors.csv`: a row per candidate and element (see `writing.precursors`), numbered as the candidates.

    Args:
        candidates: best first.
        folder: exists.
    """
    path = Path(folder) / "precursors.csv"
    columns = writing.precursors([c.design for c in candidates])
    write_atomically(path, writing.table(columns).encode())
    return [path]


def dft_inputs(candidates: Sequence[Candidate[Crystal]], folder: Path) -> list[Path]:
    """Write the inputs of a VASP relaxation (see `writing.dft_inputs`), a folder `NUMBER_FORMULA` for each candidate.

    A crystal for which there are no settings is listed in `left_out.csv` with the reason.

    Args:
        candidates: best first; their numbers are their places.
        folder: exists.

    Raises:
        InvdesignError: there are inputs for none of them.
    """
    width = len(str(max(len(candidates), 100)))
    paths: list[Path] = []
    left_out: dict[str, list[Any]] = {"crystal": [], "formula": [], "reason": []}
    for number, candidate in enumerate(candidates, start=1):
        crystal = candidate.design
        try:
            paths += writing.dft_inputs(crystal, Path(folder) / f"{number:0{width}d}_{crystal.formula}")
        except InvdesignError as error:
            for heading, cell in zip(left_out, (number, crystal.formula, str(error)), strict=True):
                left_out[heading].append(cell)
    if not paths:
        raise InvdesignError(f"inputs for none of {len(candidates)} crystals, the first: {left_out['reason'][0]}")
    if left_out["crystal"]:
        path = Path(folder) / LEFT_OUT
        write_atomically(path, writing.table(left_out).encode())
        paths.append(path)
    return paths
