"""Energies of any calculator of ASE: force fields, learned potentials, and programs of electronic structure.

A configuration that names it needs `--allow invdesign.domains.crystals.oracles.ase_calculator`: a calculator can start
programs.

References:
    Larsen et al., J. Phys.: Condens. Matter 2017, doi:10.1088/1361-648X/aa680e.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Literal

import numpy as np

from invdesign.core import Array, InvdesignError
from invdesign.core.capabilities import prepare_with
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of

Value = Literal["energy_per_atom", "energy", "max_force", "volume_per_atom"]
MakeCalculator = Callable[..., Any]


def _make(calculator: str | MakeCalculator, settings: Mapping[str, Any] | None) -> Any:
    """Return a calculator.

    Raises:
        InvdesignError: ASE knows no calculator of the name, or it cannot be made with the settings.
    """
    by_name = import_module("ase.calculators.calculator").get_calculator_class
    try:
        make = by_name(calculator) if isinstance(calculator, str) else calculator
        return make(**(settings or {}))
    except (ImportError, AttributeError, TypeError, ValueError, KeyError, RuntimeError) as error:
        raise InvdesignError(
            f"ase: the calculator {calculator!r} cannot be made ({error}). Install it, correct its settings, or name "
            "what makes it: oracle.ase.calculator.function=module:name --allow module"
        ) from error


def _prepare(*, calculator: str | MakeCalculator = "emt", settings: Mapping[str, Any] | None = None) -> None:
    _make(calculator, settings)


@prepare_with(_prepare)
def ase_property(
    designs: Sequence[Crystal],
    *,
    calculator: str | MakeCalculator = "emt",
    settings: Mapping[str, Any] | None = None,
    value: Value = "energy_per_atom",
    relax: bool = False,
    force: float = 0.05,
    steps: int = 200,
) -> Array:
    """Return what a calculator computes of the primitive cells of designs.

    Args:
        designs: `n` crystals.
        calculator: Name of a calculator of ASE, e.g. `"emt"`, `"espresso"`; or what makes one, e.g. that of MACE.
        settings: Settings of the calculator.
        value: `"energy_per_atom"` [eV/atom], `"energy"` of the primitive cell [eV], `"max_force"` [eV/angstrom] or
            `"volume_per_atom"` [angstrom^3].
        relax: Whether atoms and cell are relaxed first (BFGS).
        force: Largest force [eV/angstrom] at which a relaxation has converged.
        steps: Largest number of its steps; a design that does not converge is not measured.

    Returns:
        `n` values; NaN for a relaxation that does not converge.

    Raises:
        InvdesignError: The calculator cannot be made.
    """
    return np.array([_value(_relaxed(d, calculator, settings, relax, force, steps), value) for d in designs])


def _relaxed(
    design: Crystal,
    calculator: str | MakeCalculator,
    settings: Mapping[str, Any] | None,
    relax: bool,
    force: float,
    steps: int,
) -> Any:
    """Return the atoms of a design with their calculator; None where the relaxation does not converge."""
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms: Any = AseAtomsAdaptor.get_atoms(structure_of(design, primitive=True))
    atoms.calc = _make(calculator, settings)
    if not relax:
        return atoms
    cell = import_module("ase.filters").FrechetCellFilter(atoms)
    with contextlib.redirect_stdout(io.StringIO()):
        is_converged = import_module("ase.optimize").BFGS(cell, logfile=None).run(fmax=force, steps=steps)
    return atoms if is_converged else None


def _value(atoms: Any, value: Value) -> float:
    if atoms is None:
        return float("nan")
    if value == "max_force":
        return float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    if value == "volume_per_atom":
        return float(atoms.get_volume() / len(atoms))
    energy = float(atoms.get_potential_energy())
    return energy / len(atoms) if value == "energy_per_atom" else energy
