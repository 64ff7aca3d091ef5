"""Files for laboratories and computing clusters: starting materials, DFT inputs, relaxed cells of the candidates."""

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
# Columns of `relaxed.csv`: fields of `mlip.Relaxation` with their units.
RELAXATION_UNITS = {
    "energy": "eV/atom",
    "energy_change": "eV/atom",
    "displacement": "A",
    "volume_change": "",
    "n_steps": "",
    "is_converged": "",
}


def write_precursors(candidates: Sequence[Candidate[Crystal]], folder: Path) -> list[Path]:
    """Write `precursors.csv` with a row for each candidate and element (see `writing.precursors`).

    Args:
        candidates: Candidates, best first; the table refers to them by their rank.
        folder: Existing folder.

    Returns:
        Path of the table.
    """
    path = Path(folder) / "precursors.csv"
    columns = writing.precursors([c.design for c in candidates])
    write_bytes(path, writing.table(columns).encode())
    return [path]


def write_dft_inputs(candidates: Sequence[Candidate[Crystal]], folder: Path) -> list[Path]:
    """Write the inputs of a VASP relaxation (see `writing.dft_inputs`), a folder `RANK_FORMULA` for each candidate.

    A crystal without settings is listed in `left_out.csv` with the reason.

    Args:
        candidates: Candidates, best first.
        folder: Existing folder.

    Returns:
        Paths of all files.

    Raises:
        InvdesignError: No candidate has inputs.
    """
    width = len(str(max(len(candidates), 100)))
    paths: list[Path] = []
    left_out: dict[str, list[Any]] = {"crystal": [], "formula": [], "reason": []}
    for rank, candidate in enumerate(candidates, start=1):
        crystal = candidate.design
        try:
            paths += writing.dft_inputs(crystal, Path(folder) / f"{rank:0{width}d}_{crystal.formula}")
        except InvdesignError as error:
            left_out["crystal"].append(rank)
            left_out["formula"].append(crystal.formula)
            left_out["reason"].append(str(error))
    if not paths:
        raise InvdesignError(
            f"write_dft_inputs: expected inputs for some of {len(candidates)} crystals, got none; the first reason: "
            f"{left_out['reason'][0]}"
        )
    if left_out["crystal"]:
        path = Path(folder) / LEFT_OUT
        write_bytes(path, writing.table(left_out).encode())
        paths.append(path)
    return paths


def write_relaxed_cells(
    candidates: Sequence[Candidate[Crystal]],
    folder: Path,
    *,
    model: mlip.Model = "0.3.0",
    device: str = "cpu",
    force: float = 0.05,
    steps: int = 200,
) -> list[Path]:
    """Write the candidates relaxed by CHGNet (`relaxed.cif`, extra `mlip`) and the changes (`relaxed.csv`).

    A crystal that cannot be relaxed has an empty row in the table and is missing in the CIF.

    Args:
        candidates: Candidates, best first; the table refers to them by their rank.
        folder: Existing folder.
        model: CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        force: Largest force [eV/angstrom] at which a relaxation has converged.
        steps: Largest number of steps.

    Returns:
        Paths of the table and the CIF.

    Raises:
        InvdesignError: CHGNet is not installed.
    """
    relaxations = [
        mlip.relax_structure(c.design, model=model, device=device, force=force, steps=steps) for c in candidates
    ]
    crystals = [_find_symmetry(relaxation) for relaxation in relaxations]
    columns: dict[str, list[Any]] = {
        "crystal": list(range(1, len(candidates) + 1)),
        "formula": [c.design.formula for c in candidates],
        "space_group": ["" if crystal is None else crystal.space_group for crystal in crystals],
    }
    for name, unit in RELAXATION_UNITS.items():
        heading = f"{name} [{unit}]" if unit else name
        columns[heading] = ["" if relaxation is None else getattr(relaxation, name) for relaxation in relaxations]
    table, cells = Path(folder) / "relaxed.csv", Path(folder) / "relaxed.cif"
    write_bytes(table, writing.table(columns).encode())
    by_rank = {rank: crystal for rank, crystal in enumerate(crystals, start=1) if crystal is not None}
    writing.write(list(by_rank.values()), cells, columns={"crystal": list(by_rank)})
    return [table, cells]


def _find_symmetry(relaxation: mlip.Relaxation | None) -> Crystal | None:
    """Return the relaxed structure as a crystal; None without a relaxation or if atoms coincide."""
    try:
        return None if relaxation is None else crystal_of(relaxation.structure)
    except InvdesignError:  # coinciding atoms; the displacement in the table shows them
        return None
