"""Built-in corpus: ionic crystals enumerated from prototypes, with cells fitted to ionic radii."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import spglib
from pymatgen.core.periodic_table import Element

from invdesign.core import Array, Corpus, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal, from_text, to_text
from invdesign.domains.crystals.io import files
from invdesign.domains.crystals.prototypes.bond_length_fit import Contacts, Integers, find_contacts, fit
from invdesign.domains.crystals.prototypes.prototype_library import Prototype, prototypes, sites_of, table_sha256
from invdesign.domains.crystals.prototypes.radii import ANIONS, Ion, electronegativity, radius
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.canonical_batch import Description, canonicalize_batch, enumerate_descriptions
from invdesign.domains.crystals.symmetry.wyckoff import atoms_of_orbit, full_cell, lattice_of
from invdesign.io.corpus_cache import cached_corpus

# Allowed ratios of cation to anion radius by coordination number: Pauling's rules, widened to the range in nature.
RATIOS = {2: (0.2, 0.75), 3: (0.0, 0.35), 4: (0.08, 0.6), 5: (0.25, 0.7), 6: (0.28, 0.85), 7: (0.4, 1.0)}
RATIOS |= {8: (0.5, 1.2), 9: (0.62, 1.3), 10: (0.7, 1.4), 11: (0.75, 1.5), 12: (0.78, 1.5)}
# Choices of ions to try for each requested crystal, and for each prototype in addition.
CHOICES_PER_CRYSTAL, EXTRA_CHOICES = 4, 20
# One atomic mass unit per cubic angstrom in g/cm3.
DALTON = 1.66053907
CACHE_FORMAT = 2
# Tolerance [angstrom] at which a crystal must not have a higher space group than its prototype.
COLLAPSE_SYMPREC = 0.12
# Largest deviation of a crystal from its prototype (see `prototype_of`), and the part of each unlisted element.
MAX_DEVIATION, UNLISTED_PENALTY = 0.5, 0.01


def ionic(
    n: int = 12_000, *, seed: int = 0, cache: str | Path | None = None, progress: Progress = silent
) -> Corpus[Crystal]:
    """Return the built-in corpus: distinct charge-neutral ionic crystals of about a hundred prototypes.

    Ions in common oxidation states occupy the sites of a prototype where the radius ratios and the tolerance factor
    allow it. Cell lengths and free coordinates follow from a distance-least-squares fit to Shannon's radii; crystals
    with bonds that do not fit are left out. Every prototype contributes the same number of crystals, as far as it has
    that many. The crystals are plausible, not measured. The generation is deterministic, offline, and takes seconds.

    Args:
        n: Number of crystals.
        seed: Seed of the choice among all possible crystals, and of their order.
        cache: Folder in which to store the corpus; default: it is not stored.
        progress: Called repeatedly with ("generating", done, n).

    Returns:
        The corpus with the properties `density` [g/cm3] and `volume_per_atom` [angstrom^3].

    Raises:
        InvdesignError: If `n` is not positive or larger than the number of crystals that the prototypes give.

    Example:
        >>> corpus = ionic(20)
        >>> len(corpus.designs), sorted(corpus.properties)
        (20, ['density', 'volume_per_atom'])
    """
    if n < 1:
        raise InvdesignError(f"ionic: expected n of at least 1, got {n!r}.")
    path = None if cache is None else Path(cache) / f"ionic-{n}-{seed}-{table_sha256()[:12]}-{CACHE_FORMAT}.json.gz"
    return cached_corpus(path, lambda: _corpus_of(_generate(n, seed, progress)), to_text=to_text, from_text=from_text)


def _corpus_of(designs: tuple[Crystal, ...]) -> Corpus[Crystal]:
    """Return the corpus of crystals with their mass density [g/cm3] and volume per atom [angstrom^3]."""
    volumes = np.array([abs(np.linalg.det(lattice_of(design.cell))) for design in designs])
    elements = {element for design in designs for element in design.counts}
    mass_of = {element: float(Element(element).atomic_mass) for element in elements}
    masses = np.array([sum(m * mass_of[element] for element, m in design.counts.items()) for design in designs])
    n_atoms = np.array([design.n_atoms for design in designs])
    properties = {"density": masses * DALTON / volumes, "volume_per_atom": volumes / n_atoms}
    return files.corpus(designs, properties=properties, name="ionic")


def generate_crystals(prototype: Prototype, *, max_choices: int, rng: random.Random) -> tuple[Crystal, ...]:
    """Return distinct crystals of a prototype with sound bond lengths, in random order.

    Args:
        prototype: The structure type.
        max_choices: Largest number of choices of ions to try.
        rng: Random number generator for the choices.
    """
    choices = list(enumerate_substitutions(prototype))
    rng.shuffle(choices)
    choices = choices[:max_choices]
    if not choices:
        return ()
    contacts = _contacts(prototype)
    radii = np.array([_radii(choice, contacts.neighbours) for choice in choices])
    reference = np.array(_radii(prototype.reference, contacts.neighbours))
    lengths, u, is_sound = fit(contacts, radii, reference)
    cells = np.array([full_cell(prototype.space_group, v) for v in lengths])
    rows = np.flatnonzero(is_sound)
    elements = [[ion.element for ion in choices[i]] for i in rows]
    crystals = canonicalize_batch(prototype.space_group, sites_of(prototype), cells[rows], u[rows], elements)
    distinct = dict.fromkeys(crystals)
    return tuple(crystal for crystal in distinct if not prototype.may_collapse or _has_own_space_group(crystal))


def enumerate_substitutions(prototype: Prototype) -> Iterator[tuple[Ion, ...]]:
    """Yield all choices of ions, one per site, in a fixed order.

    A choice is charge-neutral, has different elements for different roles, and passes the windows of the radius ratios
    and of the tolerance factor.

    Args:
        prototype: The structure type.
    """
    first_site: dict[str, int] = {}
    for j, role in reversed(list(enumerate(prototype.roles))):
        first_site[role] = j
    n_atoms = dict.fromkeys(first_site, 0)
    for role, (site, _) in zip(prototype.roles, sites_of(prototype), strict=True):
        n_atoms[role] += site.multiplicity
    choices = dict(prototype.choices)
    anions = [role for role in first_site if prototype.reference[first_site[role]].is_anion]
    cations = [role for role in first_site if role not in anions]
    cation_counts = [n_atoms[role] for role in cations]
    for anion_ions in itertools.product(*(choices[role] for role in anions)):
        if len(set(anion_ions)) < len(anion_ions):
            continue
        candidates = [
            _compatible_cations(prototype, role, prototype.bonds[first_site[role]], anion_ions) for role in cations
        ]
        charge = -sum(n_atoms[role] * ion.charge for role, ion in zip(anions, anion_ions, strict=True))
        for cation_ions in _choices_of_charge(candidates, cation_counts, charge):
            ion_of = dict(zip([*anions, *cations], [*anion_ions, *cation_ions], strict=True))
            has_own_elements = len({ion.element for ion in ion_of.values()}) == len(ion_of)
            if has_own_elements and _is_tolerated(prototype, ion_of):
                yield tuple(ion_of[role] for role in prototype.roles)


def _compatible_cations(prototype: Prototype, role: str, coordination: int, anions: Sequence[Ion]) -> list[Ion]:
    """Return the cations of a role that stay ionic with all anions and pass the window of the radius ratio."""
    low, high = dict(prototype.ratios).get(role, RATIOS[coordination])
    anion_radius = sum(radius(ion, 6) for ion in anions) / len(anions)
    compatible = []
    for ion in dict(prototype.choices)[role]:
        is_ionic = all(ion.is_ionic_with(anion) for anion in anions)
        if is_ionic and low <= radius(ion, coordination) / anion_radius <= high:
            compatible.append(ion)
    return compatible


def _choices_of_charge(
    candidates: Sequence[Sequence[Ion]], counts: Sequence[int], charge: int
) -> Iterator[tuple[Ion, ...]]:
    """Yield one ion per role, so that the total charge is `charge`.

    Args:
        candidates: Ions of each role.
        counts: Number of atoms of each role.
        charge: Total charge of all atoms.
    """
    by_charge: dict[int, list[Ion]] = {}
    for ion in candidates[-1]:
        by_charge.setdefault(ion.charge, []).append(ion)
    for head in itertools.product(*candidates[:-1]):
        rest = charge - sum(n * ion.charge for n, ion in zip(counts[:-1], head, strict=True))
        if rest % counts[-1]:
            continue
        for last in by_charge.get(rest // counts[-1], ()):
            yield (*head, last)


def prototype_of(crystal: Crystal) -> str:
    """Return the name of the prototype of a crystal, or "" where no prototype agrees.

    Space group and sites must be those of the prototype, with cations and anions on its cation and anion sites. Of the
    prototypes that agree, the one with the smallest deviation of cell and positions is returned.

    Example:
        >>> prototype_of(ionic(1, seed=0).designs[0]) in prototypes()
        True
    """
    letters = "".join(sorted(orbit.letter for orbit in crystal.orbits))
    points: dict[tuple[str, str], Array] = {}
    for orbit in crystal.orbits:
        atoms = atoms_of_orbit(crystal.space_group, orbit.position)
        others = points.get((orbit.element, orbit.letter), np.zeros((0, 3)))
        points[orbit.element, orbit.letter] = np.concatenate([others, atoms])
    best = (MAX_DEVIATION, "")
    for name, descriptions in _reference_descriptions().get((crystal.space_group, letters), ()):
        for description in descriptions:
            for deviation in _deviations(prototypes()[name], description, crystal, points):
                best = min(best, (deviation, name))
    return best[1]


def _deviations(
    prototype: Prototype, description: Description, crystal: Crystal, points: dict[tuple[str, str], Array]
) -> Iterator[float]:
    """Yield the deviation of a crystal from a description of a prototype, for each assignment of its elements.

    The deviation is the largest difference of the logarithms of the length ratios, plus a penalty for each site with an
    element that the prototype does not list, plus the largest difference of a fractional coordinate.

    Args:
        prototype: The structure type.
        description: Description of its reference crystal.
        crystal: The crystal.
        points: Fractional coordinates of the crystal's atoms (`m x 3`) by element and Wyckoff letter.
    """
    ratio = description.cells[0, :3] / description.cells[0, 0] * crystal.cell[0] / crystal.cell[:3]
    shape = float(np.abs(np.log(ratio)).max())
    listed = {role: {ion.element for ion in ions} for role, ions in prototype.choices}
    for symbols in _assign_elements(prototype, description, crystal):
        n_unlisted = sum(symbol not in listed[role] for role, symbol in zip(prototype.roles, symbols, strict=True))
        yield shape + n_unlisted * UNLISTED_PENALTY + _max_coordinate_difference(description, symbols, points)


def tolerance_factor(a: float, b: float, x: float) -> float:
    """Return Goldschmidt's tolerance factor `(a + x) / (sqrt(2) (b + x))` of a perovskite ABX3.

    Args:
        a: Radius of A with 12 neighbours [angstrom].
        b: Radius of B with 6 neighbours [angstrom].
        x: Radius of X [angstrom].

    References:
        Goldschmidt, Naturwissenschaften 14, 477 (1926), doi:10.1007/BF01507527.

    Example:
        >>> round(tolerance_factor(1.44, 0.605, 1.40), 3)
        1.002
    """
    return (a + x) / (2**0.5 * (b + x))


def _is_tolerated(prototype: Prototype, ion_of: dict[str, Ion]) -> bool:
    """Return whether the tolerance factor of the ions lies in the window of the prototype, if it has one."""
    if prototype.tolerance is None:
        return True
    octahedral = [radius(ion, 6) for role, ion in ion_of.items() if role in ("B", "C")]
    t = tolerance_factor(radius(ion_of["A"], 12), sum(octahedral) / len(octahedral), radius(ion_of["X"], 6))
    return prototype.tolerance[0] <= t <= prototype.tolerance[1]


@cache
def _reference_descriptions() -> dict[tuple[int, str], list[tuple[str, list[Description]]]]:
    """Return name and descriptions of all reference crystals, by space group and sorted Wyckoff letters."""
    references: dict[tuple[int, str], list[tuple[str, list[Description]]]] = {}
    for name, prototype in prototypes().items():
        u = np.concatenate([np.zeros(0), *(v for _, v in sites_of(prototype))])[None]
        cells = np.array([full_cell(prototype.space_group, np.array(prototype.lengths))])
        by_letters: dict[str, list[Description]] = {}
        for description in enumerate_descriptions(prototype.space_group, sites_of(prototype), cells, u):
            letters = "".join(sorted(site.letter for site in description.sites))
            by_letters.setdefault(letters, []).append(description)
        for letters, descriptions in by_letters.items():
            references.setdefault((prototype.space_group, letters), []).append((name, descriptions))
    return references


def _assign_elements(prototype: Prototype, description: Description, crystal: Crystal) -> Iterator[tuple[str, ...]]:
    """Yield the elements on the sites of a description, for each way to distribute those of a crystal.

    Sites with the same role have the same element, and all anions are more electronegative than all cations.
    """
    orbit_counts = Counter((orbit.element, orbit.letter) for orbit in crystal.orbits)
    roles = list(dict.fromkeys(prototype.roles))
    is_anion = {role: ion.is_anion for role, ion in zip(prototype.roles, prototype.reference, strict=True)}
    letters = [site.letter for site in description.sites]
    for elements in itertools.product(crystal.counts, repeat=len(roles)):
        element_of = dict(zip(roles, elements, strict=True))
        symbols = tuple(element_of[role] for role in prototype.roles)
        if Counter(zip(symbols, letters, strict=True)) != orbit_counts:
            continue
        anions = {element for role, element in element_of.items() if is_anion[role]}
        cations = {element for role, element in element_of.items() if not is_anion[role]}
        if anions <= ANIONS.keys() and min(map(electronegativity, anions)) > max(map(electronegativity, cations)):
            yield symbols


def _max_coordinate_difference(
    description: Description, symbols: tuple[str, ...], points: dict[tuple[str, str], Array]
) -> float:
    """Return the largest difference of a fractional coordinate between the reference and the nearest atoms."""
    largest = 0.0
    for symbol, site, x in zip(symbols, description.sites, description.positions[0], strict=True):
        difference = np.abs((points[symbol, site.letter] - x + 0.5) % 1.0 - 0.5)
        largest = max(largest, float(difference.max(1).min()))
    return largest


def _has_own_space_group(crystal: Crystal) -> bool:
    """Return whether spglib finds the space group of a crystal, and no higher one, at `COLLAPSE_SYMPREC`."""
    species, positions = expand(crystal)
    numbers = [Element(symbol).Z for symbol in species]
    cell = (lattice_of(crystal.cell).tolist(), positions.tolist(), numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=COLLAPSE_SYMPREC)
    return dataset is not None and dataset.number == crystal.space_group


def _generate(n: int, seed: int, progress: Progress) -> tuple[Crystal, ...]:
    """Return `n` distinct crystals, the same number of each prototype as far as possible, shuffled."""
    library = list(prototypes().values())
    random.Random(seed).shuffle(library)
    quota = -(-n // len(library))
    max_choices = EXTRA_CHOICES + CHOICES_PER_CRYSTAL * quota
    rank_of: dict[Crystal, int] = {}
    n_within_quota = 0
    for prototype in library:
        progress("generating", min(n_within_quota, n), n)
        rng = random.Random(f"{seed} {prototype.name}")
        crystals = generate_crystals(prototype, max_choices=max_choices, rng=rng)
        for rank, crystal in enumerate(crystals):
            rank_of.setdefault(crystal, rank)
        n_within_quota += min(len(crystals), quota)
        if n_within_quota >= n:
            break
    if len(rank_of) < n:
        raise InvdesignError(
            f"ionic: expected at most {len(rank_of):,} crystals, which the prototypes give, got n={n:,}. "
            f"Ask for fewer than {n:,}."
        )
    chosen = sorted(rank_of, key=lambda crystal: rank_of[crystal])[:n]
    random.Random(seed).shuffle(chosen)
    progress("generating", n, n)
    return tuple(chosen)


@cache
def _contacts(prototype: Prototype) -> Contacts:
    charges = [ion.charge for ion in prototype.reference]
    lengths = np.array(prototype.lengths)
    return find_contacts(prototype.space_group, lengths, sites_of(prototype), list(prototype.bonds), charges)


def _radii(ions: tuple[Ion, ...], neighbours: Integers) -> list[float]:
    """Return the radii [angstrom] of the ions on the sites, given their numbers of neighbours."""
    return [radius(ion, max(int(n), 1)) for ion, n in zip(ions, neighbours, strict=True)]
