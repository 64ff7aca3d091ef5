"""Oracles of a machine-learned interatomic potential: CHGNet's energies, relaxations and bulk moduli (extra `mlip`).

The potential is loaded by `prepare`, or on first use in the calling process; its weights are part of its wheel. It is
trained on PBE(+U) energies with the corrections of the Materials Project, so that its total energies are comparable
only with each other.

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
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError, Oracle, ValueSource
from invdesign.core.capabilities import prepare_with, stating
from invdesign.domains.crystals.chemistry import build_structure
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of

Model = Literal["0.3.0", "r2scan"]
GPA = 160.21766208  # GPa in one eV per cubic angstrom
MAX_ATOMIC_NUMBER = 94
BATCH_SIZE = 16
ENERGY_ERROR = 0.03
"""Mean absolute error of CHGNet's energies on its test set, 30 meV/atom (Deng et al. 2023)."""
# Both written by results/benchmarks/chgnet_references.py from mp_20.
REFERENCES = Path(__file__).with_name("chgnet_references.csv")
PHASES = Path(__file__).with_name("chgnet_phases.csv")


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Result of a relaxation of atoms and cell."""

    structure: Structure
    """Relaxed primitive cell."""
    energy: float
    """Energy of the relaxed structure [eV/atom]."""
    energy_change: float
    """Relaxed minus unrelaxed energy [eV/atom]."""
    displacement: float
    """Root mean square displacement of the atoms [angstrom], without the change of the cell and a common shift."""
    volume_change: float
    """Relative change of the volume: relaxed over unrelaxed volume, minus 1."""
    n_steps: int
    """Number of steps."""
    is_converged: bool
    """Whether all forces fell below the limit."""


def _prepare(*, model: Model = "0.3.0", device: str = "cpu") -> None:
    _load_potential(model, device)


def _energy_source(*, model: Model = "0.3.0") -> ValueSource:
    """Return CHGNet's mean absolute error on the test set of its paper [eV/atom], the only one that is published."""
    return ValueSource("predicted", f"CHGNet {model}", error=ENERGY_ERROR)


def _modulus_source(*, model: Model = "0.3.0") -> ValueSource:
    return ValueSource("predicted", f"CHGNet {model}")


@stating(_energy_source)
@prepare_with(_prepare)
def energy_per_atom(designs: Sequence[Crystal], *, model: Model = "0.3.0", device: str = "cpu") -> Array:
    """Compute CHGNet's energy of the unrelaxed designs.

    Args:
        designs: `n` crystals.
        model: CHGNet's weights.
        device: `"cpu"` or `"cuda"`.

    Returns:
        `n` energies [eV/atom]; NaN if an atom has no neighbours or no parameters.

    Raises:
        InvdesignError: CHGNet is not installed.
    """
    _import_chgnet()
    cells = [_build_primitive(design) for design in designs]
    return _compute_energies(cells, model, device)


@stating(_energy_source)
@prepare_with(_prepare)
def relaxed_energy(
    designs: Sequence[Crystal],
    *,
    model: Model = "0.3.0",
    device: str = "cpu",
    force: float = 0.05,
    steps: int = 200,
    must_converge: bool = False,
) -> Array:
    """Compute CHGNet's energy of the designs after a relaxation of atoms and cell.

    Args:
        designs: `n` crystals.
        model: CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        force: Largest force [eV/angstrom] at which a relaxation has converged.
        steps: Largest number of steps.
        must_converge: Whether a relaxation that does not converge counts as not measured.

    Returns:
        `n` energies [eV/atom]; NaN if the design cannot be relaxed.

    Raises:
        InvdesignError: CHGNet is not installed.
    """
    _import_chgnet()
    values = np.full(len(designs), np.nan)
    for i, design in enumerate(designs):
        relaxation = relax_structure(design, model=model, device=device, force=force, steps=steps)
        if relaxation is not None and (relaxation.is_converged or not must_converge):
            values[i] = relaxation.energy
    return values


@stating(_modulus_source)
@prepare_with(_prepare)
def bulk_modulus(
    designs: Sequence[Crystal],
    *,
    model: Model = "0.3.0",
    device: str = "cpu",
    relax: bool = True,
    strain: float = 0.06,
    n_points: int = 7,
) -> Array:
    """Compute the bulk modulus from energies at several volumes (see `fit_birch_murnaghan`).

    The cell is scaled uniformly at fixed fractional coordinates, without relaxation of internal or shear degrees of
    freedom: the result is exact for cubic crystals without free coordinates and an upper bound for others.

    Args:
        designs: `n` crystals.
        model: CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        relax: Whether to relax the design first.
        strain: Largest relative change of the volume.
        n_points: Number of volumes between `1 - strain` and `1 + strain`.

    Returns:
        `n` bulk moduli [GPa]; NaN if the energies have no minimum within the volumes.

    Raises:
        InvdesignError: There are fewer than four points, `strain` is not between 0 and 0.5, or CHGNet is not installed.
    """
    if n_points < 4 or not 0 < strain < 0.5:
        raise InvdesignError(
            f"bulk_modulus: expected at least 4 points and a strain between 0 and 0.5, got {n_points} and {strain}"
        )
    _import_chgnet()
    values = np.full(len(designs), np.nan)
    for i, design in enumerate(designs):
        cell = _build_primitive(design)
        if relax:
            relaxation = relax_structure(design, model=model, device=device)
            cell = None if relaxation is None else relaxation.structure
        if cell is not None:
            volumes = cell.volume * np.linspace(1 - strain, 1 + strain, n_points)
            cells = [_scale_volume(cell, volume) for volume in volumes]
            E = len(cell) * _compute_energies(cells, model, device)
            values[i] = fit_birch_murnaghan(volumes, E)
    return values


def write_references(
    designs: Sequence[Crystal], path: str | Path, *, model: Model = "0.3.0", device: str = "cpu"
) -> None:
    """Write CHGNet's energies of phases as references for `energy_above_hull` and `formation_energy`.

    Args:
        designs: Relaxed crystals, such as a corpus; a hull requires every element among them.
        path: A .csv file with the columns formula and energy_per_atom [eV/atom]; the lowest energy of each formula is
            written.
        model: CHGNet's weights.
        device: `"cpu"` or `"cuda"`.

    Raises:
        InvdesignError: CHGNet is not installed.
    """
    lowest: dict[str, float] = {}
    for design, energy in zip(designs, energy_per_atom(designs, model=model, device=device).tolist(), strict=True):
        if math.isfinite(energy):
            lowest[design.formula] = min(energy, lowest.get(design.formula, math.inf))
    rows = "".join(f"{formula},{energy:.6f}\n" for formula, energy in sorted(lowest.items()))
    Path(path).write_text(f"formula,energy_per_atom\n{rows}", encoding="utf-8")


def find_references(energy: Oracle) -> Path:
    """Return the table of element energies that ships with the package, if an oracle's energies are CHGNet's.

    The table does not contain energies of elemental crystals, because CHGNet is inaccurate for molecules. The energies
    are fitted so that CHGNet's energies of mp_20 reproduce the formation energies of the Materials Project, which
    include its corrections for oxygen and other elements. The errors are in `results/benchmarks/chgnet_references.md`.

    Args:
        energy: Oracle of the energy [eV/atom], possibly a `functools.partial`.

    Returns:
        Path of the table.

    Raises:
        InvdesignError: The oracle is not CHGNet's, or uses other weights.
    """
    if has_shipped_energies(energy):
        return REFERENCES
    raise InvdesignError(
        "formation_energy: expected an energy by CHGNet 0.3.0, to which the energies of the elements that ship belong, "
        "got another method. Set references=elements.csv with the columns formula and energy_per_atom (eV/atom) by "
        "that method"
    )


def has_shipped_energies(energy: Oracle) -> bool:
    """Return whether the energies that ship with the package are those of an oracle: CHGNet's, by its default weights.

    Args:
        energy: Oracle of the energy [eV/atom], possibly a `functools.partial`.
    """
    keywords = getattr(energy, "keywords", {})
    is_chgnet = getattr(energy, "func", energy) in (energy_per_atom, relaxed_energy)
    return is_chgnet and keywords.get("model", "0.3.0") == "0.3.0"


def fit_birch_murnaghan(volumes: Array, energies: Array) -> float:
    """Fit the third-order Birch-Murnaghan equation of state and return the bulk modulus.

    The equation is a cubic polynomial in `V^(-2/3)`, so that the fit is linear.

    Args:
        volumes: `n` volumes [angstrom^3].
        energies: `n` energies [eV].

    Returns:
        Bulk modulus [GPa]; NaN if the minimum lies outside the volumes or an energy is not finite.

    References:
        Birch, Phys. Rev. 1947, doi:10.1103/PhysRev.71.809.

    Example:
        >>> V = np.linspace(56, 64, 7)
        >>> s = (60 / V) ** (2 / 3) - 1
        >>> round(fit_birch_murnaghan(V, 9 / 8 * 60 * (100 / GPA) * s**2), 6)
        100.0
    """
    V, E = np.asarray(volumes, dtype=float), np.asarray(energies, dtype=float)
    if not (np.isfinite(V).all() and np.isfinite(E).all()):
        return math.nan
    center = float(np.median(V))
    # Relative to the median volume and the mean energy, the fit is well conditioned.
    x = (V / center) ** (-2 / 3) - 1
    _, c1, c2, c3 = (float(c) for c in np.polynomial.Polynomial.fit(x, E - E.mean(), 3).convert().coef)
    # The minimum is the root of c1 + 2 c2 x + 3 c3 x^2 with positive curvature. The curvature there is twice the root
    # of a quarter of the discriminant.
    quarter_discriminant = c2**2 - 3 * c3 * c1
    if quarter_discriminant <= 0:
        return math.nan
    root = math.sqrt(quarter_discriminant)
    if c2 > 0:
        minimum = -c1 / (c2 + root)
    else:
        minimum = (root - c2) / (3 * c3) if c3 else math.nan
    if not x.min() <= minimum <= x.max():
        return math.nan
    # B = V d2E/dV2, with dx/dV = -2/3 (1 + x)/V.
    volume: float = center * (1 + minimum) ** -1.5
    return GPA * 4 / 9 * 2 * root * (1 + minimum) ** 2 / volume


def relax_structure(
    crystal: Crystal, *, model: Model = "0.3.0", device: str = "cpu", force: float = 0.05, steps: int = 200
) -> Relaxation | None:
    """Relax atoms and cell of a crystal.

    Recent results are cached, so that an oracle and a validator relax a design once per process.

    Args:
        crystal: Crystal to relax.
        model: CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        force: Largest force [eV/angstrom] at which the relaxation has converged.
        steps: Largest number of steps.

    Returns:
        The relaxation; None if the crystal cannot be build_structure or the potential is not applicable.

    Raises:
        InvdesignError: CHGNet is not installed.
    """
    return _relax(crystal, model, device, force, steps)


@lru_cache(maxsize=512)
def _relax(crystal: Crystal, model: Model, device: str, force: float, steps: int) -> Relaxation | None:
    start = _build_primitive(crystal)
    if start is None or math.isnan(float(_compute_energies([start], model, device)[0])):
        return None
    with _silence_output():
        result = _load_optimizer(model, device).relax(
            start.copy(), fmax=force, steps=steps, verbose=False, assign_magmoms=False
        )
    end, trajectory = result["final_structure"], result["trajectory"]
    # The trajectory contains the start, one entry for each step, and the end again.
    n_steps = max(len(trajectory.energies) - 2, 0)
    first, last = (float(e) / len(start) for e in (trajectory.energies[0], trajectory.energies[-1]))
    if not (math.isfinite(first) and math.isfinite(last) and np.isfinite(end.frac_coords).all() and end.volume > 0):
        return None
    return Relaxation(
        end,
        last,
        last - first,
        _compute_displacement(start, end),
        end.volume / start.volume - 1,
        n_steps,
        n_steps < steps,
    )


def _compute_displacement(start: Structure, end: Structure) -> float:
    """Return the root mean square displacement [angstrom] in the mean of both cells, without the common shift."""
    displacement = end.frac_coords - start.frac_coords
    displacement -= np.round(displacement)
    displacement -= displacement.mean(axis=0)
    cartesian = displacement @ ((start.lattice.matrix + end.lattice.matrix) / 2)
    return float(np.sqrt((cartesian**2).sum(axis=1).mean()))


def _build_primitive(crystal: Crystal) -> Structure | None:
    """Return the primitive cell; None if it cannot be build_structure or has an element without parameters."""
    structure, _ = build_structure(crystal)
    if structure is None or max(site.specie.Z for site in structure) > MAX_ATOMIC_NUMBER:
        return None
    return structure_of(crystal, primitive=True)


def _scale_volume(cell: Structure, volume: float) -> Structure:
    scaled = cell.copy()
    scaled.scale_lattice(volume)
    return scaled


def _compute_energies(cells: Sequence[Structure | None], model: Model, device: str) -> Array:
    """Return energies per atom (`n`) [eV]; NaN without a cell or if the potential cannot build its graph."""
    potential = _load_potential(model, device)
    # A relaxation shares the model and sets it to ignore atoms without neighbours.
    potential.graph_converter.set_isolated_atom_response("error")
    graphs, rows = [], []
    with _silence_output():
        for i, cell in enumerate(cells):
            try:
                graph = None if cell is None else potential.graph_converter(cell)
            except ValueError:  # an atom without neighbours
                graph = None
            if graph is not None:
                graphs.append(graph)
                rows.append(i)
        values = np.full(len(cells), np.nan)
        if graphs:
            predictions = potential.predict_graph(graphs, task="e", batch_size=BATCH_SIZE)
            if len(graphs) == 1:  # CHGNet then returns the prediction itself, not a list
                predictions = [predictions]
            values[rows] = [float(prediction["e"]) for prediction in predictions]
    return np.where(np.isfinite(values), values, np.nan)


@cache
def _load_potential(model: Model, device: str) -> Any:
    load, _ = _import_chgnet()
    with _silence_output():
        return load(model_name=model, use_device=device, verbose=False)


@cache
def _load_optimizer(model: Model, device: str) -> Any:
    _, optimizer = _import_chgnet()
    return optimizer(model=_load_potential(model, device), use_device=device)


def _import_chgnet() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return CHGNet's function that loads weights and its class of relaxations.

    Raises:
        InvdesignError: CHGNet is not installed; oracles check this even without designs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            chgnet = import_module("chgnet.model")
            dynamics = import_module("chgnet.model.dynamics")
        except ImportError as error:
            raise InvdesignError(
                f"mlip: expected the potential CHGNet, got {error}. Run: pip install 'invdesign[mlip]'"
            ) from error
    return chgnet.CHGNet.load, dynamics.StructOptimizer


@contextlib.contextmanager
def _silence_output() -> Iterator[None]:
    """Suppress output and warnings of CHGNet and ASE."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
