"""The built-in corpus: ionic crystals enumerated from prototypes, with cells that fit ionic radii."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import spglib
from pymatgen.core import Element

from invdesign.core import Array, Corpus, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal, from_text, to_text
from invdesign.domains.crystals.io import files
from invdesign.domains.crystals.prototypes.bond_length_fit import Contacts, contacts, fit
from invdesign.domains.crystals.prototypes.prototype_library import Prototype, prototypes, sites_of, table_sha256
from invdesign.domains.crystals.prototypes.radii import ANIONS, Ion, electronegativity, radius
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.canonical_batch import Moved, canonical_batch, descriptions
from invdesign.domains.crystals.symmetry.wyckoff import full_cell, images, lattice_of
from invdesign.io.corpus_cache import cached_corpus

# Sensible ratios of cation to anion radius by coordination number (Pauling's rules, with the width that nature shows).
RATIOS = {2: (0.2, 0.75), 3: (0.0, 0.35), 4: (0.08, 0.6), 5: (0.25, 0.7), 6: (0.28, 0.85), 7: (0.4, 1.0)}
RATIOS |= {8: (0.5, 1.2), 9: (0.62, 1.3), 10: (0.7, 1.4), 11: (0.75, 1.5), 12: (0.78, 1.5)}
# Choices of ions tried for each crystal that is asked for.
SPARE = 4
# g/cm3 of one atomic mass unit in a cubic angstrom.
DALTON = 1.66053907
CACHE_FORMAT = 2
LOOSE = 0.12
MAX_APART = 0.5


def ionic(
    n: int = 12_000, *, seed: int = 0, cache: str | Path | None = None, progress: Progress = silent
) -> Corpus[Crystal]:
    """The built-in corpus: distinct charge-neutral ionic crystals of about a hundred prototypes.

    Ions in common oxidation states are put on the sites of a prototype where the ratio of radii and the tolerance
    factor allow it; cell lengths and free coordinates follow from a distance least squares fit to Shannon's radii, and
    crystals whose bonds do not fit are left out. All prototypes get the same number of crystals, as far as they have
    so many. The same arguments give the same crystals, offline, in seconds. They are plausible, not measured.

    Args:
        n: how many.
        seed: of the choice among all that are possible, and of their order.
        cache: folder for the finished corpus, if it is to be kept.
        progress: called now and then with ("generating", done, n).

    Raises:
        InvdesignError: where `n` is not positive or more than the prototypes give.
    """
    if n < 1:
        raise InvdesignError(f"ionic: n must be at least 1, got {n!r}")
    path = None if cache is None else Path(cache) / f"ionic-{n}-{seed}-{table_sha256()[:12]}-{CACHE_FORMAT}.json.gz"
    return cached_corpus(path, lambda: _corpus_of(_chosen(n, seed, progress)), to_text=to_text, from_text=from_text)


def _corpus_of(designs: tuple[Crystal, ...]) -> Corpus[Crystal]:
    """Return the corpus of crystals with their mass density [g/cm3] and volume per atom [angstrom^3]."""
    volumes = np.array([abs(np.linalg.det(lattice_of(design.cell))) for design in designs])
    mass_of = {e: float(Element(e).atomic_mass) for e in {e for design in designs for e in design.counts}}
    masses = np.array([sum(m * mass_of[e] for e, m in design.counts.items()) for design in designs])
    n_atoms = np.array([design.n_atoms for design in designs])
    properties = {"density": masses * DALTON / volumes, "volume_per_atom": volumes / n_atoms}
    return files.corpus(designs, properties=properties, name="ionic")


def crystals_of(prototype: Prototype, *, most: int, rng: random.Random) -> tuple[Crystal, ...]:
    """Sound crystals of a prototype in random order: of at most so many choices of ions, those that fit."""
    choices = list(substitutions(prototype))
    rng.shuffle(choices)
    choices = choices[:most]
    if not choices:
        return ()
    found = _contacts(prototype)
    radii = np.array([_radii(choice, found.neighbours) for choice in choices])
    reference = np.array(_radii(prototype.reference, found.neighbours))
    lengths, u, is_sound = fit(found, radii, reference)
    cells = np.array([full_cell(prototype.space_group, v) for v in lengths])
    elements = [[ion.element for ion in choice] for choice in choices]
    kept = np.flatnonzero(is_sound)
    symbols = [elements[i] for i in kept]
    made = canonical_batch(prototype.space_group, sites_of(prototype), cells[kept], u[kept], symbols)
    return tuple(c for c in dict.fromkeys(made) if not prototype.may_collapse or _keeps_its_group(c))


def substitutions(prototype: Prototype) -> Iterator[tuple[Ion, ...]]:
    """All choices of ions, one for each site, that are neutral and pass the windows; in a fixed order."""
    sites = sites_of(prototype)
    first = {role: j for j, role in reversed(list(enumerate(prototype.roles)))}
    amount = dict.fromkeys(first, 0)
    for role, (site, _) in zip(prototype.roles, sites, strict=True):
        amount[role] += site.multiplicity
    choices = dict(prototype.choices)
    windows = dict(prototype.ratios)
    anions = [role for role in first if prototype.reference[first[role]].is_anion]
    cations = [role for role in first if role not in anions]
    for taken in itertools.product(*(choices[role] for role in anions)):
        if len(set(taken)) < len(taken):
            continue
        size = sum(radius(ion, 6) for ion in taken) / len(taken)
        fitting = []
        for role in cations:
            n = prototype.bonds[first[role]]
            low, high = windows.get(role, RATIOS[n])
            fitting.append(
                [
                    ion
                    for ion in choices[role]
                    if all(ion.bonds_to(anion) for anion in taken) and low <= radius(ion, n) / size <= high
                ]
            )
        spare = sum(amount[role] * ion.charge for role, ion in zip(anions, taken, strict=True))
        by_charge: dict[int, list[Ion]] = {}
        for ion in fitting[-1]:
            by_charge.setdefault(ion.charge, []).append(ion)
        for head in itertools.product(*fitting[:-1]):
            left = -spare - sum(amount[role] * ion.charge for role, ion in zip(cations, head, strict=False))
            if left % amount[cations[-1]]:
                continue
            for last in by_charge.get(left // amount[cations[-1]], ()):
                ion_of = dict(zip([*anions, *cations], [*taken, *head, last], strict=True))
                if len({ion.element for ion in ion_of.values()}) < len(ion_of) or not _is_tolerated(prototype, ion_of):
                    continue
                yield tuple(ion_of[role] for role in prototype.roles)


def prototype_of(crystal: Crystal) -> str:
    """The name of the prototype that a crystal has, or "" where it has none of ours.

    It must have the space group, the sites, and cations and anions where the prototype has them; among those that
    agree, the one with the nearest cell and positions is taken.
    """
    letters = "".join(sorted(orbit.letter for orbit in crystal.orbits))
    points: dict[tuple[str, str], Array] = {}
    for orbit in crystal.orbits:
        atoms = images(crystal.space_group, np.array(orbit.position))
        before = points.get((orbit.element, orbit.letter), np.zeros((0, 3)))
        points[orbit.element, orbit.letter] = np.concatenate([before, atoms])
    best = (MAX_APART, "")
    for name, found in _references().get((crystal.space_group, letters), ()):
        prototype = prototypes()[name]
        for moved in found:
            shape = float(
                np.abs(np.log(moved.cells[0, :3] / moved.cells[0, 0] * crystal.cell[0] / crystal.cell[:3])).max()
            )
            for symbols in _assigned(prototype, moved, crystal):
                outside = sum(
                    symbol not in {ion.element for ion in dict(prototype.choices)[role]}
                    for role, symbol in zip(prototype.roles, symbols, strict=True)
                )
                best = min(best, (shape + outside * 0.01 + _apart(moved, symbols, points), name))
    return best[1]


def tolerance_factor(a: float, b: float, x: float) -> float:
    """Goldschmidt's tolerance factor of a perovskite from the radii of its ions, A with 12 neighbours and B with 6.

    References:
        Goldschmidt, Naturwissenschaften 14, 477 (1926), doi:10.1007/BF01507527.
    """
    return (a + x) / (2**0.5 * (b + x))


def _is_tolerated(prototype: Prototype, ion_of: dict[str, Ion]) -> bool:
    if prototype.tolerance is None:
        return True
    octahedral = [radius(ion, 6) for role, ion in ion_of.items() if role in ("B", "C")]
    t = tolerance_factor(radius(ion_of["A"], 12), sum(octahedral) / len(octahedral), radius(ion_of["X"], 6))
    return prototype.tolerance[0] <= t <= prototype.tolerance[1]


@cache
def _references() -> dict[tuple[int, str], list[tuple[str, list[Moved]]]]:
    """The descriptions of all reference crystals, by space group and letters."""
    found: dict[tuple[int, str], list[tuple[str, list[Moved]]]] = {}
    for name, prototype in prototypes().items():
        u = np.concatenate([np.zeros(0), *(v for _, v in sites_of(prototype))])[None]
        cells = np.array([full_cell(prototype.space_group, np.array(prototype.lengths))])
        by_letters: dict[str, list[Moved]] = {}
        for moved in descriptions(prototype.space_group, sites_of(prototype), cells, u):
            by_letters.setdefault("".join(sorted(site.letter for site in moved.sites)), []).append(moved)
        for letters, same in by_letters.items():
            found.setdefault((prototype.space_group, letters), []).append((name, same))
    return found


def _assigned(prototype: Prototype, moved: Moved, crystal: Crystal) -> Iterator[tuple[str, ...]]:
    """The ways to put the elements of a crystal on the sites: sites of a role alike, anions more electronegative."""
    wanted = Counter((orbit.element, orbit.letter) for orbit in crystal.orbits)
    roles = list(dict.fromkeys(prototype.roles))
    is_anion = {role: ion.is_anion for role, ion in zip(prototype.roles, prototype.reference, strict=True)}
    for taken in itertools.product(crystal.counts, repeat=len(roles)):
        element_of = dict(zip(roles, taken, strict=True))
        symbols = tuple(element_of[role] for role in prototype.roles)
        if Counter(zip(symbols, (site.letter for site in moved.sites), strict=True)) != wanted:
            continue
        anions = {e for role, e in element_of.items() if is_anion[role]}
        cations = {e for role, e in element_of.items() if not is_anion[role]}
        if anions <= ANIONS.keys() and min(map(electronegativity, anions)) > max(map(electronegativity, cations)):
            yield symbols


def _apart(moved: Moved, symbols: tuple[str, ...], points: dict[tuple[str, str], Array]) -> float:
    """The largest difference of a fractional coordinate between a reference and the nearest atoms of a crystal."""
    worst = 0.0
    for symbol, site, at in zip(symbols, moved.sites, moved.positions[0], strict=True):
        apart = np.abs((points[symbol, site.letter] - at + 0.5) % 1.0 - 0.5)
        worst = max(worst, float(apart.max(1).min()))
    return worst


def _keeps_its_group(crystal: Crystal) -> bool:
    species, positions = expand(crystal)
    numbers = [Element(symbol).Z for symbol in species]
    cell = (lattice_of(crystal.cell).tolist(), positions.tolist(), numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=LOOSE)
    return found is not None and found.number == crystal.space_group


def _chosen(n: int, seed: int, progress: Progress) -> tuple[Crystal, ...]:
    """As many of each prototype as there are and as are needed, shuffled."""
    known = list(prototypes().values())
    random.Random(seed).shuffle(known)
    share = -(-n // len(known))
    most = 20 + SPARE * share
    ranked: dict[Crystal, int] = {}
    n_even = 0
    for prototype in known:
        progress("generating", min(n_even, n), n)
        rng = random.Random(f"{seed} {prototype.name}")
        made = crystals_of(prototype, most=most, rng=rng)
        for rank, crystal in enumerate(made):
            ranked.setdefault(crystal, rank)
        n_even += min(len(made), share)
        if n_even >= n:
            break
    if len(ranked) < n:
        raise InvdesignError(
            f"ionic: the prototypes give {len(ranked):,} crystals at this length; ask for fewer than {n:,}"
        )
    taken = sorted(ranked, key=lambda crystal: ranked[crystal])[:n]
    random.Random(seed).shuffle(taken)
    progress("generating", n, n)
    return tuple(taken)


@cache
def _contacts(prototype: Prototype) -> Contacts:
    charges = [ion.charge for ion in prototype.reference]
    lengths = np.array(prototype.lengths)
    return contacts(prototype.space_group, lengths, sites_of(prototype), list(prototype.bonds), charges)


def _radii(chosen: tuple[Ion, ...], neighbours: np.ndarray) -> list[float]:
    return [radius(ion, max(int(n), 1)) for ion, n in zip(chosen, neighbours, strict=True)]
