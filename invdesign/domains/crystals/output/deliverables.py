"""What a laboratory or a cluster gets of the candidates: starting materials, and a folder of inputs for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invdesign.core import Candidate, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import writing
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.io.atomic import write_bytes

LEFT_OUT = "left_out.csv"


def precursors(candidates: Sequence[Candidate[Crystal]], folder: Path) -> list[Path]:
    """Write `precursors.csv`: a row per candidate and element (see `writing.precursors`), numbered as the candidates.

    Args:
        candidates: best first.
        folder: exists.
    """
    path = Path(folder) / "precursors.csv"
    columns = writing.precursors([c.design for c in candidates])
    write_bytes(path, writing.table(columns).encode())
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
        write_bytes(path, writing.table(left_out).encode())
        paths.append(path)
    return paths


def relaxed_cells(
    candidates: Sequence[Candidate[Crystal]],
    folder: Path,
    *,
    model: mlip.Model = "0.3.0",
    device: str = "cpu",
    force: float = 0.05,
    steps: int = 200,
) -> list[Path]:
    """Write `relaxed.cif`, the candidates as CHGNet relaxes them (extra `mlip`), and `relaxed.csv`, what that changed.

    A crystal that cannot be relaxed has an empty row in the table and is not in the file.

    Args:
        candidates: best first; the table numbers them by their places.
        folder: exists.
        model: which of CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        force: largest force (eV/angstrom) at which a relaxation ends.
        steps: at most so many.

    Raises:
        InvdesignError: CHGNet is not installed.
    """
    found = [mlip.relaxed(c.design, model=model, device=device, force=force, steps=steps) for c in candidates]
    crystals = [_described(relaxed) for relaxed in found]
    facts = ("energy", "energy_change", "displacement", "volume_change", "n_steps", "is_converged")
    units = ("eV/atom", "eV/atom", "A", "", "", "")
    columns: dict[str, list[Any]] = {
        "crystal": list(range(1, len(candidates) + 1)),
        "formula": [c.design.formula for c in candidates],
        "space_group": ["" if crystal is None else crystal.space_group for crystal in crystals],
    }
    for fact, unit in zip(facts, units, strict=True):
        heading = f"{fact} [{unit}]" if unit else fact
        columns[heading] = ["" if relaxed is None else getattr(relaxed, fact) for relaxed in found]
    table, cells = Path(folder) / "relaxed.csv", Path(folder) / "relaxed.cif"
    write_bytes(table, writing.table(columns).encode())
    kept = {number: crystal for number, crystal in enumerate(crystals, start=1) if crystal is not None}
    writing.write(list(kept.values()), cells, columns={"crystal": list(kept)})
    return [table, cells]


def _described(relaxed: mlip.Relaxed | None) -> Crystal | None:
    try:
        return None if relaxed is None else crystal_of(relaxed.structure)
    except InvdesignError:  # atoms that fell into each other: the row says how far they went
        return None
