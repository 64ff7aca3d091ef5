"""Oracles that need an interatomic potential: CHGNet's energies, relaxations and bulk moduli (extra `mlip`).

The potential is loaded on first use, in whichever process calls; its weights come with its wheel. It has learnt from
PBE(+U) energies with the Materials Project's corrections: compare its totals with its own only.

References:
    Deng et al., Nat. Mach. Intell. 2023, doi:10.1038/s42256-023-00716-3.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError, Oracle
from invdesign.domains.crystals.chemistry import built
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of

Model = Literal["0.3.0", "r2scan"]
GPA = 160.21766208  # eV per cubic angstrom
HEAVIEST = 94
# By results/benchmarks/chgnet_references.py, from mp_20.
REFERENCES = Path(__file__).with_name("chgnet_references.csv")


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What became of a crystal when atoms and cell were free to move.

    Args:
        structure: the relaxed primitive cell.
        energy: eV/atom.
        energy_change: relaxed less unrelaxed, eV/atom.
        displacement: root mean square way of the atoms (angstrom), the change of the cell and a common shift left out.
        volume_change: relaxed over unrelaxed volume, less one.
        n_steps: steps taken.
        is_converged: whether all forces fell below the limit.
    """

    structure: Structure
    energy: float
    energy_change: float
    displacement: float
    volume_change: float
    n_steps: int
    is_converged: bool


def energy_per_atom(designs: Sequence[Crystal], *, model: Model = "0.3.0", device: str = "cpu") -> Array:
    """CHGNet's energy of the design as it is, in eV/atom (`n`); NaN where an atom has no neighbour or no parameters."""
    _chgnet()
    cells = [_primitive(design) for design in designs]
    return _energies(cells, model, device)


def relaxed_energy(
    designs: Sequence[Crystal],
    *,
    model: Model = "0.3.0",
    device: str = "cpu",
    force: float = 0.05,
    steps: int = 200,
    must_converge: bool = False,
) -> Array:
    """CHGNet's energy after relaxing atoms and cell, in eV/atom (`n`).

    Args:
        designs: `n` crystals.
        model: which of CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        force: largest force (eV/angstrom) at which a relaxation ends.
        steps: at most so many.
        must_converge: whether a relaxation that ran out of steps counts as not measured.
    """
    _chgnet()
    values = np.full(len(designs), np.nan)
    for i, design in enumerate(designs):
        found = relaxed(design, model=model, device=device, force=force, steps=steps)
        if found is not None and (found.is_converged or not must_converge):
            values[i] = found.energy
    return values


def bulk_modulus(
    designs: Sequence[Crystal],
    *,
    model: Model = "0.3.0",
    device: str = "cpu",
    relax: bool = True,
    strain: float = 0.06,
    points: int = 7,
) -> Array:
    """Bulk modulus in GPa from energies of the cell at several volumes (`n`); see `birch_murnaghan`.

    The cell is scaled evenly with the atoms at their fractional places, so that soft internal or shear motions do not
    help: exact for cubic crystals without free coordinates, an upper bound for others.

    Args:
        designs: `n` crystals.
        model: which of CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        relax: whether to relax the design first.
        strain: largest change of the volume, as a share of it.
        points: volumes between `1 - strain` and `1 + strain`.

    Returns:
        NaN where the energies have no minimum within those volumes.
    """
    if points < 4 or not 0 < strain < 0.5:
        raise InvdesignError(
            f"bulk_modulus: expected at least 4 points and a strain between 0 and 0.5, got {points} and {strain}"
        )
    _chgnet()
    values = np.full(len(designs), np.nan)
    for i, design in enumerate(designs):
        cell = _primitive(design)
        if relax:
            found = relaxed(design, model=model, device=device)
            cell = None if found is None else found.structure
        if cell is not None:
            volumes = cell.volume * np.linspace(1 - strain, 1 + strain, points)
            E = len(cell) * _energies([_scaled(cell, volume) for volume in volumes], model, device)
            values[i] = birch_murnaghan(volumes, E)
    return values


def write_references(
    designs: Sequence[Crystal], path: str | Path, *, model: Model = "0.3.0", device: str = "cpu"
) -> None:
    """Write what `oracles.energy_above_hull` and `oracles.formation_energy` compare with: CHGNet's energies of phases.

    Args:
        designs: relaxed crystals such as a corpus; each element by itself must be among them to be of use.
        path: of a .csv file with the columns formula and energy_per_atom (eV/atom), the lowest of each formula.
        model: which of CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
    """
    lowest: dict[str, float] = {}
    for design, energy in zip(designs, energy_per_atom(designs, model=model, device=device).tolist(), strict=True):
        if math.isfinite(energy):
            lowest[design.formula] = min(energy, lowest.get(design.formula, math.inf))
    rows = "".join(f"{formula},{energy:.6f}\n" for formula, energy in sorted(lowest.items()))
    Path(path).write_text(f"formula,energy_per_atom\n{rows}", encoding="utf-8")


def own_references(energy: Oracle) -> Path:
    """The energies of the elements that ship for `oracles.formation_energy`, where an oracle's energies are CHGNet's.

    They are no energies of elemental crystals: CHGNet is poor at molecules. They are fitted so that its energies of
    mp_20 give the formation energies of the Materials Project (oxygen and the like with its corrections);
    `results/benchmarks/chgnet_references.md` says how well.

    Raises:
        InvdesignError: the oracle is another, or of other weights.
    """
    bound = getattr(energy, "keywords", {})
    is_ours = getattr(energy, "func", energy) in (energy_per_atom, relaxed_energy)
    if is_ours and bound.get("model", "0.3.0") == "0.3.0":
        return REFERENCES
    raise InvdesignError(
        "formation_energy: the energies of the elements that ship are CHGNet's 0.3.0, and `energy` is another method; "
        "give references=elements.csv with columns formula and energy_per_atom (eV/atom) by that method"
    )


def birch_murnaghan(volumes: Array, energies: Array) -> float:
    """Bulk modulus (GPa) of the third-order Birch-Murnaghan equation through energies (eV) at volumes (cubic angstrom).

    The equation is a cubic polynomial in `V^(-2/3)`, so that the fit is linear. NaN where its minimum lies outside the
    volumes.

    References:
        Birch, Phys. Rev. 1947, doi:10.1103/PhysRev.71.809.
    """
    V, E = np.asarray(volumes, dtype=float), np.asarray(energies, dtype=float)
    if not (np.isfinite(V).all() and np.isfinite(E).all()):
        return math.nan
    middle = float(np.median(V))
    # From the middle, and from the mean energy, the fit is well conditioned.
    x = (V / middle) ** (-2 / 3) - 1
    _, c1, c2, c3 = (float(c) for c in np.polynomial.Polynomial.fit(x, E - E.mean(), 3).convert().coef)
    # The minimum is that root of c1 + 2 c2 x + 3 c3 x^2 at which the curvature is positive: the root of a quarter of
    # the discriminant, doubled.
    square = c2**2 - 3 * c3 * c1
    if square <= 0:
        return math.nan
    half = math.sqrt(square)
    best = -c1 / (c2 + half) if c2 > 0 else (half - c2) / (3 * c3) if c3 else math.nan
    if not x.min() <= best <= x.max():
        return math.nan
    # B = V d2E/dV2, with dx/dV = -2/3 (1 + x)/V.
    volume: float = middle * (1 + best) ** -1.5
    return GPA * 4 / 9 * 2 * half * (1 + best) ** 2 / volume


def relaxed(
    crystal: Crystal, *, model: Model = "0.3.0", device: str = "cpu", force: float = 0.05, steps: int = 200
) -> Relaxed | None:
    """Relax atoms and cell of a crystal; None where it cannot be built or the potential has no answer.

    What was relaxed last is remembered, so that an oracle and a validator relax a design once in each process.
    """
    return _relaxed(crystal, model, device, force, steps)


@lru_cache(maxsize=512)
def _relaxed(crystal: Crystal, model: Model, device: str, force: float, steps: int) -> Relaxed | None:
    start = _primitive(crystal)
    if start is None or math.isnan(float(_energies([start], model, device)[0])):
        return None
    with _quietly():
        done = _optimizer(model, device).relax(
            start.copy(), fmax=force, steps=steps, verbose=False, assign_magmoms=False
        )
    end, path = done["final_structure"], done["trajectory"]
    # The path holds the start, one entry for each step, and the end once more.
    n, n_steps = len(start), max(len(path.energies) - 2, 0)
    energies = [float(e) / n for e in (path.energies[0], path.energies[-1])]
    if not (np.isfinite(energies).all() and np.isfinite(end.frac_coords).all() and end.volume > 0):
        return None
    return Relaxed(
        end,
        energies[1],
        energies[1] - energies[0],
        _displacement(start, end),
        end.volume / start.volume - 1,
        n_steps,
        n_steps < steps,
    )


def _displacement(start: Structure, end: Structure) -> float:
    """Root mean square way of the atoms in angstrom, at the mean of both cells, without their common shift."""
    way = end.frac_coords - start.frac_coords
    way -= np.round(way)
    way -= way.mean(axis=0)
    moved = way @ ((start.lattice.matrix + end.lattice.matrix) / 2)
    return float(np.sqrt((moved**2).sum(axis=1).mean()))


def _primitive(crystal: Crystal) -> Structure | None:
    structure, _ = built(crystal)
    if structure is None or max(site.specie.Z for site in structure) > HEAVIEST:
        return None
    return structure_of(crystal, primitive=True)


def _scaled(cell: Structure, volume: float) -> Structure:
    scaled = cell.copy()
    scaled.scale_lattice(volume)
    return scaled


def _energies(cells: Sequence[Structure | None], model: Model, device: str) -> Array:
    """Energies per atom (`n`), NaN where there is no cell or the potential cannot make a graph of it."""
    potential = _potential(model, device)
    # A relaxation shares the model and tells it to put up with atoms that have no neighbours.
    potential.graph_converter.set_isolated_atom_response("error")
    graphs, places = [], []
    with _quietly():
        for i, cell in enumerate(cells):
            try:
                graph = None if cell is None else potential.graph_converter(cell)
            except ValueError:  # an atom without neighbours
                graph = None
            if graph is not None:
                graphs.append(graph)
                places.append(i)
        values = np.full(len(cells), np.nan)
        if graphs:
            answers = potential.predict_graph(graphs, task="e", batch_size=16)
            # One graph is answered by itself.
            values[places] = [float(answer["e"]) for answer in (answers if len(graphs) > 1 else [answers])]
    return np.where(np.isfinite(values), values, np.nan)


@cache
def _potential(model: Model, device: str) -> Any:
    load, _ = _chgnet()
    with _quietly():
        return load(model_name=model, use_device=device, verbose=False)


@cache
def _optimizer(model: Model, device: str) -> Any:
    _, optimizer = _chgnet()
    return optimizer(model=_potential(model, device), use_device=device)


def _chgnet() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How CHGNet loads its weights, and what relaxes with it.

    Raises:
        InvdesignError: it is not installed; an oracle says so even where it has nothing to measure.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from chgnet.model import CHGNet
            from chgnet.model.dynamics import StructOptimizer
        except ImportError as error:
            raise InvdesignError(
                f"this needs the potential CHGNet ({error}); install it with: pip install 'invdesign[mlip]'"
            ) from error
    return CHGNet.load, StructOptimizer


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what CHGNet and ASE print and warn of."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
