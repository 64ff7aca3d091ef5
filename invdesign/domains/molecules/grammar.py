"""Fragment grammar of drug-like molecules: rings, linkers and substituents, joined at compatible atoms.

A unit is a SMILES that begins with the atom by which it is attached to its parent. Its attachment points are written
`<a>` on an aromatic carbon, `<c>` on an sp3 carbon, `<b>` on an sp3 carbon beside a heteroatom, `<n>` on a nitrogen or
oxygen, `<s>` on a sulfur, and `<x>` on an acyl or sulfonyl group. Which units may be attached there depends on the atom
that the unit begins with, so that no peroxides, aminals or N-halides arise.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal

Entry = Literal["carbon", "aromatic", "nitrogen", "oxygen", "acyl", "halogen"]
"""Kind of the atom that a unit begins with."""

TAKES: dict[str, tuple[Entry, ...]] = {
    "a": ("carbon", "aromatic", "nitrogen", "oxygen", "acyl", "halogen"),
    "c": ("carbon", "aromatic", "nitrogen", "oxygen"),
    "b": ("carbon", "aromatic"),
    "n": ("carbon", "aromatic", "acyl"),
    "s": ("carbon", "aromatic"),
    "x": ("carbon", "aromatic", "nitrogen"),
}
"""Kinds of units that may be attached at each kind of attachment point."""

ENDS: dict[Entry, dict[str, float]] = {
    "carbon": {
        "C": 9, "CC": 3, "C(C)C": 3, "C(C)(C)C": 1.5, "C1CC1": 2, "CC(C)C": 1, "CCOC": 1.5, "CC#N": 0.5,
        "CC(N)=O": 0.7, "CCO": 1, "C1CCC1": 0.5, "CC1CC1": 0.7, "CC(F)(F)F": 0.6, "CCC": 1, "CCN(C)C": 0.8,
    },
    "aromatic": {"c1ccccc1": 1.5, "c1ccncc1": 0.7, "c1cccnc1": 0.7, "c1ccco1": 0.5, "c1cccs1": 0.5},
    "nitrogen": {"N": 1, "NC": 1, "N(C)C": 2, "NC(C)=O": 2, "NS(C)(=O)=O": 0.7, "NC(=O)OC": 0.3, "NC(N)=O": 0.4},
    "oxygen": {"OC": 5, "O": 2, "OCC": 1.5, "OC(F)F": 0.6, "OC(F)(F)F": 0.5, "SC": 0.5, "OC(C)C": 0.7},
    "acyl": {
        "C(N)=O": 1.5, "C(C)=O": 1.5, "C(=O)O": 0.8, "C(=O)OC": 1, "S(C)(=O)=O": 1.2, "S(N)(=O)=O": 0.8, "C(=O)NC": 1,
        "C(=O)N(C)C": 0.7, "C(=O)C1CC1": 0.5,
    },
    "halogen": {"F": 5, "Cl": 4, "Br": 1, "C#N": 2, "C(F)(F)F": 2},
}  # fmt: skip

LINKERS: dict[Entry, dict[str, float]] = {
    "carbon": {
        "C<c>": 4, "C<b>": 0.5, "CC<c>": 1.5, "CO<n>": 1.5, "CN<n>": 2, "CNC(=O)<x>": 1.5, "CC(=O)N<n>": 1.5,
        "C(C)<c>": 1, "CS<s>": 0.6, "[C@@H](C)<b>": 0.5, "[C@H](C)<b>": 0.5, "CN(C)C(=O)<x>": 0.5, "CCN<n>": 0.6,
    },
    "nitrogen": {
        "N<n>": 1.5, "NC(=O)<x>": 5, "NS(=O)(=O)<x>": 1.5, "N(C)C(=O)<x>": 0.8, "NCC<c>": 0.8, "NC(=O)N<n>": 0.9,
        "NC(=O)C<c>": 1.5, "NC<b>": 1, "NC(=O)CS<s>": 0.5, "NC(=O)CO<n>": 0.7,
    },
    "oxygen": {"O<n>": 1.5, "OC<b>": 2.5, "OCC<c>": 0.7, "OCC(=O)N<n>": 1.2, "S<s>": 0.5, "SC<b>": 0.5},
    "acyl": {
        "C(=O)N<n>": 6, "C(=O)NC<b>": 2, "C(=O)<x>": 2.5, "S(=O)(=O)<x>": 2, "S(=O)(=O)N<n>": 1.2, "C(=O)NCC<c>": 1,
        "C(=O)N(C)C<b>": 0.6,
    },
}  # fmt: skip

RINGS: dict[Entry, dict[str, float]] = {
    "aromatic": {
        "c1ccc<a>cc1": 6, "c1cccc<a>c1": 5, "c1ccccc1<a>": 3, "c1cc<a>cc<a>c1": 1.5, "c1ccc<a>c<a>c1": 3,
        "c1ccc<a>cc1<a>": 2, "c1ccc<a>nc1": 2, "c1cnc<a>nc1": 1, "c1ccnc<a>c1": 1.5, "c1cncc<a>c1": 1, "c1ccnc<a>n1": 1,
        "c1nc<a>cs1": 1, "c1cc<a>no1": 1, "c1nc<a>no1": 1, "c1nnc<a>o1": 0.8, "c1cc<a>[nH]n1": 0.7, "c1cnn(C)c1": 0.8,
        "c1ccc<a>o1": 1, "c1ccc<a>s1": 1, "c1sc<a>nc1C": 0.6, "c1c(C)noc1C": 0.6, "c1n[nH]c<a>n1": 0.3,
        "c1ccc2[nH]cc<a>c2c1": 0.7, "c1c[nH]c2ccc<a>cc12": 0.6, "c1ccc2ncccc2c1": 0.6, "c1ccc2nc<a>sc2c1": 0.5,
        "c1nc2ccc<a>cc2[nH]1": 0.8, "c1nc2cc<a>ccc2o1": 0.5, "c1ccc2c(c1)OCO2": 0.8, "c1ccc2c(c1)OCCO2": 0.5,
        "c1ncnc2cc<a>ccc12": 0.5, "c1cn2ccc<a>cc2n1": 0.5, "c1nc<a>c2ccccc2n1": 0.3, "c1ncc<a>cn1": 0.7,
    },
    "nitrogen": {
        "N1CCN<n>CC1": 4, "N1CCC<c>CC1": 2.5, "N1CCOCC1": 2.5, "N1CCCC1": 1.5, "N1CCC<c>C1": 1, "N1CC<c>C1": 0.5,
        "N1CCc2cc<a>ccc2C1": 0.7, "N1CCc2ccccc21": 0.5, "N1CCC(C(N)=O)CC1": 0.5, "N1CCCC1C<c>": 0.5, "N1CCSCC1": 0.2,
        "n1cc<a>cn1": 1, "n1ccnc1": 0.7, "n1nc<a>cc1C": 0.5, "n1ccc2cc<a>ccc21": 0.4, "n1cnc2ccccc21": 0.3,
        "N1CCC(=O)N<n>CC1": 0.2, "N1C(=O)CCC1": 0.3, "N1CCN<n>C(=O)C1": 0.3, "N1CC2(C1)CCOCC2": 0.15,
        "N1CCC[C@@H]1C<c>": 0.3, "N1CCC[C@H]1C<c>": 0.3,
    },
    "carbon": {
        "C1CCN<n>CC1": 2.5, "C1CCC<c>CC1": 1, "C1CCCC1": 0.8, "C1CCOCC1": 1.2, "C1CCCN<n>C1": 1, "C1CN<n>C1": 0.5,
        "C1CCN<n>C1": 0.8, "C1CCC<c>C1": 0.3, "C1CCc2cc<a>ccc21": 0.4, "C1COc2ccccc2C1": 0.2, "C1CCOC1": 0.4,
        "C1CC<c>C1": 0.2, "C1CC1": 0.8,
    },
}  # fmt: skip

STARTS: dict[str, float] = {
    "": 6, "C": 5, "CO": 3, "F": 2, "Cl": 2, "N#C": 1, "FC(F)(F)": 1, "CC": 1, "CC(C)": 1, "CN(C)": 1, "CC(=O)N": 1,
    "NC(=O)": 1, "CS(=O)(=O)": 0.6, "O": 0.7, "N": 0.7, "CCO": 0.8, "COC(=O)": 0.5, "NS(=O)(=O)": 0.5, "C1CC1": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class Menu:
    """Units and their cumulative weights, to sample from."""

    units: tuple[str, ...]
    """Units as SMILES with attachment points."""
    weights: tuple[float, ...]
    """Cumulative weights of the units."""

    def draw(self, rng: random.Random) -> str:
        """Return a random unit."""
        return rng.choices(self.units, cum_weights=self.weights)[0]


def _make_menu(*tables: dict[str, float]) -> Menu:
    units: list[str] = []
    weights: list[float] = []
    total = 0.0
    for table in tables:
        for unit, weight in table.items():
            total += weight
            units.append(unit)
            weights.append(total)
    return Menu(tuple(units), tuple(weights))


def _make_menus(units: dict[Entry, dict[str, float]]) -> dict[str, Menu]:
    menus = {}
    for slot, entries in TAKES.items():
        tables = [_select_stable(units[entry], slot) for entry in entries if entry in units]
        menus[slot] = _make_menu(*tables)
    return menus


def _select_stable(units: dict[str, float], slot: str) -> dict[str, float]:
    """Return the units that are stable at an attachment point.

    On a heteroatom these are the units whose first carbon has no other heteroatom and no attachment point for one,
    which would give an aminal or an acetal, and which are not a carboxylic acid.
    """
    return {unit: weight for unit, weight in units.items() if slot not in "ns" or not _UNSTABLE.match(unit)}


_UNSTABLE = re.compile(r"C(<c>|[NOS]|\(C\)<c>|\(=O\)O$)")
_ENDS, _LINKERS, _RINGS = _make_menus(ENDS), _make_menus(LINKERS), _make_menus(RINGS)
_STARTS = _make_menu(STARTS)
_CORES = _make_menu(RINGS["aromatic"])
_SLOT = re.compile(r"<([abcnsx])>")
_RING_NUMBER = re.compile(r"\d")

# Probabilities by depth that a linker, a ring or an end group is attached; otherwise the attachment point stays empty.
_PROBABILITIES = ((0.70, 0.18, 0.10), (0.16, 0.60, 0.20), (0.12, 0.30, 0.40), (0.03, 0.12, 0.45), (0.0, 0.0, 0.35))


def molecule(rng: random.Random) -> str:
    """Return a random molecule as SMILES, not canonical.

    A draw is rarely not a valid molecule; the caller leaves it out.

    Args:
        rng: Random generator.
    """
    n_rings = [0]
    core = _fill(_CORES.draw(rng), rng, 0, n_rings)
    return _renumber(_STARTS.draw(rng), n_rings) + core


def _fill(unit: str, rng: random.Random, depth: int, n_rings: list[int]) -> str:
    """Return a unit with random units at its attachment points; `n_rings` counts the ring numbers that are used."""
    unit = _renumber(unit, n_rings)
    return _SLOT.sub(lambda slot: _draw_branch(slot.group(1), rng, depth, n_rings), unit)


def _draw_branch(slot: str, rng: random.Random, depth: int, n_rings: list[int]) -> str:
    linker, ring, end = _PROBABILITIES[min(depth, len(_PROBABILITIES) - 1)]
    u = rng.random()
    # An empty acyl group is an aldehyde, an empty sulfur a thiol: these attachment points are always filled.
    if u < linker:
        text = _fill(_LINKERS[slot].draw(rng), rng, depth + 1, n_rings)
    elif u < linker + ring:
        text = _fill(_RINGS[slot].draw(rng), rng, depth + 1, n_rings)
    elif u < linker + ring + end or slot in "bsx":
        text = _fill(_ENDS[slot].draw(rng), rng, depth + 1, n_rings)
    else:
        return ""
    return f"({text})"


def _renumber(unit: str, n_rings: list[int]) -> str:
    """Return a unit with ring numbers that no other unit of the molecule has."""
    offset = n_rings[0]
    used = [int(number) for number in _RING_NUMBER.findall(unit)]
    n_rings[0] += max(used, default=0)
    return _RING_NUMBER.sub(lambda number: _write_ring_number(int(number.group()) + offset), unit)


def _write_ring_number(number: int) -> str:
    return str(number) if number < 10 else f"%{number}"
