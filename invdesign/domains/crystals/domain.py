"""The domain of crystals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from pymatgen.core.composition import Composition
from torch import Tensor

from invdesign.core import Array, ComputedProperty, Corpus, EncodingShape, InvdesignError, Place
from invdesign.core.transformations import Transformation
from invdesign.domains.crystals import crystal, statements
from invdesign.domains.crystals.chemistry import has_cell
from invdesign.domains.crystals.constraints import Constraints
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.element_changes import element_change
from invdesign.domains.crystals.energies import UNITS, is_open_energy
from invdesign.domains.crystals.groups import ratios
from invdesign.domains.crystals.io import cif, files, writing
from invdesign.domains.crystals.model import encoding, features
from invdesign.domains.crystals.model.candidates import penalty
from invdesign.domains.crystals.model.encoding import Vocabulary
from invdesign.domains.crystals.model.graph import min_distance
from invdesign.domains.crystals.mutations import near_elements, replace_elements
from invdesign.domains.crystals.output import drawing
from invdesign.domains.crystals.prototypes import ionic
from invdesign.domains.crystals.sanity import is_whole, measure_sanity, nearest_contact
from invdesign.domains.crystals.site_replacement import measure_sites, replace_elements_at_random
from invdesign.domains.crystals.surroundings import site_places
from invdesign.domains.crystals.symmetry import canonical, matching
from invdesign.domains.crystals.zeolites import silica

N_NEAR = 8
"""Elements that are tried in the place of an element."""


@dataclass(frozen=True)
class Crystals:
    """Crystals as symmetric descriptions: a space group, a cell, and one atom for each orbit."""

    symprec: float = 0.1
    """Distance at which two atoms of a file count as symmetric [angstrom]."""
    min_distance: float = 0.7
    """A decoded crystal with two atoms nearer than this is no design [angstrom]."""
    max_atoms: int = 400
    """A decoded crystal with more atoms in its conventional cell is no design."""
    frameworks: bool = False
    """Whether designs are silica frameworks, given by their T sites: oxygens are removed when files are read and added
    when files are written; the geometry of a decoded framework is optimized, and one that is no 4-connected net is no
    design."""
    by_sites: bool = False
    """Whether crystals with the same elements on the same sites are one design, whatever their free parameters: for
    oracles that relax crystals or look them up."""

    only: tuple[str, ...] = ()
    """Elements that a proposed crystal may have, e.g. `[Li, P, S]`; all where it is empty."""
    required: tuple[str, ...] = ()
    """Elements that a proposed crystal must have."""
    excluded: tuple[str, ...] = ()
    """Elements that it must not have, and lists: toxic, radioactive, costly, rare_earth (see `element_lists.csv`)."""
    formula_types: tuple[str, ...] = ()
    """Ratios of its elements as formulas with any symbols, e.g. `[ABX3]`."""
    space_groups: tuple[int, ...] = ()
    """Numbers of its space groups."""
    n_atoms: tuple[int | None, int | None] = (None, None)
    """Smallest and largest number of atoms in its conventional cell."""
    n_formula_units: tuple[int | None, int | None] = (None, None)
    """Smallest and largest number of formula units in its conventional cell."""

    def __post_init__(self) -> None:
        _ = self.constraints  # contradictions are errors at once

    @cached_property
    def constraints(self) -> Constraints:
        """Conditions that every proposed crystal meets; crystals that were measured are used in any case."""
        return Constraints(
            only=tuple(self.only),
            required=tuple(self.required),
            excluded=tuple(self.excluded),
            formula_types=tuple(self.formula_types),
            space_groups=tuple(self.space_groups),
            n_atoms=(self.n_atoms[0], self.n_atoms[1]),
            n_formula_units=(self.n_formula_units[0], self.n_formula_units[1]),
        )

    def adapt(self, design: Crystal) -> Crystal | None:
        """Return a crystal with the structure of a design that meets the constraints; None where there is none.

        Elements that are not allowed are replaced by the nearest allowed ones. A crystal whose images coincide is left
        out.
        """
        constraints = self.constraints
        if not constraints.violation(design):
            return design
        elements = constraints.substitution(design)
        if elements is None or not self.is_plausible(design):
            return None
        adapted = replace_elements(design, elements)
        return None if constraints.violation(adapted) else adapted

    @property
    def name(self) -> str:
        """Name of the domain."""
        return "crystals"

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of the formats that can be written."""
        return writing.WRITTEN

    def read(self, path: Path) -> Corpus[Crystal]:
        """Read .cif, POSCAR, .extxyz, .db, or a table with a CIF column; see `files.read`."""
        corpus = files.read(path, symprec=self.symprec)
        return silica.remove_corpus_oxygens(corpus) if self.frameworks else corpus

    def write(
        self, designs: Sequence[Crystal], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        """Write symmetrized CIF and the other formats of `writing.write`."""
        writing.write([self.complete(design) for design in designs], path, columns=columns)

    def key(self, design: Crystal) -> str:
        """Return the canonical key; without the free parameters where `by_sites` is set."""
        return canonical.occupation(design) if self.by_sites else canonical.key(design)

    def is_same(self, first: Crystal, second: Crystal) -> bool:
        """Return whether two crystals are one structure within the usual tolerances of reconstruction figures."""
        return matching.match(first, second)

    def label(self, design: Crystal) -> str:
        """Return formula, space group and prototype."""
        complete = self.complete(design)
        symbol, *_ = cif.describe_space_group(design.space_group)
        prototype = ionic.prototype_of(complete)
        suffix = f", {prototype}" if prototype else ""
        return f"{_formula(complete.formula)} {symbol.replace(' ', '')} ({design.space_group}){suffix}"

    def to_text(self, design: Crystal) -> str:
        """Return a design as one line of text."""
        return crystal.to_text(design)

    def from_text(self, text: str) -> Crystal:
        """Return the design that `to_text` wrote.

        Raises:
            InvdesignError: The text is no description of a crystal.
        """
        return crystal.from_text(text)

    def settings(self) -> dict[str, Any]:
        """Return what `fit` and `decode` depend on, as JSON."""
        settings: dict[str, Any] = {
            "symprec": self.symprec,
            "min_distance": self.min_distance,
            "max_atoms": self.max_atoms,
        }
        if self.frameworks:
            settings["frameworks"] = True
        return settings

    def fit(self, designs: Sequence[Crystal]) -> CrystalEncoding:
        """Learn the vocabulary of a corpus: space groups, sites, elements, ranges of cells.

        Raises:
            InvdesignError: The corpus is empty.
        """
        if not designs:
            raise InvdesignError("crystals: expected a corpus of at least one crystal, got none. Check its rejections")
        return CrystalEncoding(self, encoding.learn(designs))

    def restore(self, state: Mapping[str, Any]) -> CrystalEncoding:
        """Return the encoding of a stored model.

        Raises:
            InvdesignError: The state is that of another domain or version.
        """
        settings = dict(state)
        vocabulary = settings.pop("vocabulary", None)
        try:
            return CrystalEncoding(replace(self, **settings), Vocabulary.from_json(vocabulary))
        except (TypeError, ValueError, KeyError) as error:
            raise InvdesignError(
                f"crystals: the state is that of another domain or version ({type(error).__name__}: {error})"
            ) from error

    def possible_units(self, name: str) -> tuple[str, ...]:
        """Return eV/atom and eV for an energy whose name leaves open whether it is that of an atom or of the cell."""
        return UNITS if is_open_energy(name) else ()

    def describe(self, designs: Sequence[Crystal]) -> dict[str, list[Any]]:
        """Return formula, prototype, space group, number of atoms, mass density and volume per atom."""
        completed = [self.complete(design) for design in designs]
        structures = [canonical.structure_of(whole) for whole in completed]
        return {
            "formula": [s.composition.reduced_formula for s in structures],
            "prototype": [ionic.prototype_of(whole) for whole in completed],
            "space_group": [whole.space_group for whole in completed],
            "n_atoms": [whole.n_atoms for whole in completed],
            "density": [round(float(s.density), 4) for s in structures],
            "volume_per_atom": [round(s.volume / len(s), 4) for s in structures],
        }

    def computed_properties(self) -> dict[str, ComputedProperty]:
        """Return volume per atom, mass density, and the number of atoms in the conventional cell."""
        from invdesign.domains.crystals.oracles.computed import mass_density, volume_per_atom

        def of_complete(measure: Callable[[Sequence[Crystal]], Array]) -> Callable[[Sequence[Crystal]], Array]:
            return lambda designs: measure([self.complete(design) for design in designs])

        return {
            "volume_per_atom": ComputedProperty(of_complete(volume_per_atom), "Å³/atom"),
            "mass_density": ComputedProperty(of_complete(mass_density), "g/cm³"),
            "size": ComputedProperty(of_complete(_count_atoms), "atoms"),
        }

    def quality(self, designs: Sequence[Crystal]) -> dict[str, Array]:
        """Return validity of structure and composition, and whether atoms are too near or there is no symmetry.

        Nonsense is a crystal that is invalid in structure or composition, or has atoms nearer than 0.7 of the sum of
        their covalent radii.
        """
        return measure_sanity([self.complete(design) for design in designs])

    def traits(self, designs: Sequence[Crystal]) -> list[frozenset[str]]:
        """Return elements, space group and ratios of the elements; a framework has no element of its own."""
        return [
            frozenset({f"space group {design.space_group}", f"ratio {ratio}"})
            | (frozenset() if self.frameworks else frozenset(design.counts))
            for design, ratio in zip(designs, ratios(designs), strict=True)
        ]

    @property
    def resemblance(self) -> str:
        """Name of the similarity that `resemblances` returns."""
        return "similarity of elements and space group"

    def resemblances(self, designs: Sequence[Crystal], others: Sequence[Crystal]) -> Array:
        """Return half the shared share of atoms by element, and half for the same space group, `n x k`."""
        elements = sorted({element for design in (*designs, *others) for element in design.counts})
        shares = [
            np.array([[d.counts.get(e, 0) / sum(d.counts.values()) for e in elements] for d in group])
            for group in (designs, others)
        ]
        rows = [
            [
                0.5 * np.minimum(x, y).sum() + 0.5 * (a.space_group == b.space_group)
                for y, b in zip(shares[1], others, strict=True)
            ]
            for x, a in zip(shares[0], designs, strict=True)
        ]
        return np.array(rows, dtype=np.float64).reshape(len(designs), len(others))

    def draw(self, design: Crystal) -> str:
        """Return the unit cell as SVG."""
        return drawing.svg(self.complete(design))

    def places(self, design: Crystal) -> list[Place]:
        """Return the sites, with the elements around them, and the composition."""
        return site_places(self.complete(design))

    def draw_places(self, design: Crystal, strengths: Sequence[float]) -> str:
        """Return the unit cell as SVG with red circles around the atoms of marked sites."""
        whole = self.complete(design)
        return drawing.svg(whole, strengths=strengths[: len(whole.orbits)])

    def replace_parts(self, designs: Sequence[Crystal], *, seed: int) -> list[tuple[Crystal, Bool[np.ndarray, " k"]]]:
        """Return crystals with another element on a site, or on all sites of its element; none for frameworks."""
        return [] if self.frameworks else replace_elements_at_random(designs, seed=seed)

    def measure_places(self, design: Crystal) -> Array:
        """Return numbers that describe each site and what lies around it; see `measure_sites`."""
        return measure_sites(design) if has_cell(design) and is_whole(design) else np.zeros((0, 0))

    def substitutions(self, design: Crystal) -> list[list[tuple[str, Crystal]]]:
        """Return for each site the crystals with a chemically near element there and on all sites of its element."""
        if self.frameworks or not self.is_plausible(design):
            return [[] for _ in self.places(design)]
        own = {element: element for element in design.counts}
        changes = []
        for orbit in design.orbits:
            nearest = [other for other in near_elements(orbit.element) if other not in own][:N_NEAR]
            tried = [(f"{orbit.element} to {e}", replace_elements(design, own | {orbit.element: e})) for e in nearest]
            changes.append(tried)
        return [*changes, *([] for _ in self.places(design)[len(changes) :])]

    def statements(self, designs: Sequence[Crystal]) -> list[frozenset[str]]:
        """Return elements, kind of anion, crystal system, prototype and dimensionality in words; see `statements`."""
        return statements.find_statements([self.complete(design) for design in designs])

    def extremes(self) -> dict[str, tuple[str, str]]:
        """Return the words for small and large cells, light and dense, compact and open crystals."""
        return statements.EXTREMES

    def synonyms(self) -> dict[str, str]:
        """Return other words for statements."""
        return statements.SYNONYMS

    def transformation(self, text: str) -> Transformation[Crystal]:
        """Return the substitution of elements that a text names, e.g. `"NaCl -> NaBr"`; see `element_changes`."""
        return element_change(text)

    def complete(self, design: Crystal) -> Crystal:
        """Return a design as it is made: a framework with its oxygens."""
        return silica.complete_framework(design) if self.frameworks else design

    def is_plausible(self, design: Crystal) -> bool:
        """Return whether the atoms of a decoded crystal are as many as its sites say, and apart from each other."""
        if design.n_atoms > self.max_atoms or not np.isfinite(design.cell).all() or not is_whole(design):
            return False
        return min_distance(design) >= self.min_distance


@dataclass(frozen=True)
class CrystalEncoding:
    """Crystals as rows of numbers: space group, cell, orbits and the graph between them; see `model.encoding`."""

    domain: Crystals
    """The domain that was fitted."""
    vocabulary: Vocabulary
    """Space groups, sites and elements of the corpus."""

    @property
    def shape(self) -> EncodingShape:
        """Sizes of a batch."""
        return EncodingShape(self.vocabulary.layout.n_columns)

    def state(self) -> dict[str, Any]:
        """Return settings and vocabulary as JSON."""
        return {**self.domain.settings(), "vocabulary": self.vocabulary.to_json()}

    def encode(self, designs: Sequence[Crystal]) -> Tensor:
        """Return one row of numbers for each design."""
        return encoding.pack(self.vocabulary, designs)

    def decode(self, batch: Tensor) -> list[Crystal | None]:
        """Return the crystal of each row; None where it is not plausible, or no 4-connected net of a framework.

        A plausible crystal has atoms apart by `Crystals.min_distance` and the vocabulary's `usual_closeness`.
        """
        unpacked = encoding.unpack(self.vocabulary, batch)
        plausible = [c if c is not None and self._is_plausible(c) else None for c in unpacked]
        if not self.domain.frameworks:
            return plausible
        return [None if c is None else silica.optimize_geometry(c) for c in plausible]

    def _is_plausible(self, design: Crystal) -> bool:
        return self.domain.is_plausible(design) and nearest_contact(design)[1] >= self.vocabulary.usual_closeness

    def errors(self, designs: Sequence[Crystal]) -> list[str]:
        """Return for each design why it cannot be encoded exactly; an empty string where it can."""
        return [self.vocabulary.encoding_error(design) for design in designs]

    def penalties(self, designs: Sequence[Crystal]) -> Array:
        """Return the log-odds against crystals that are nonsense [nats], see `candidates.penalty`; 0 for frameworks."""
        if self.domain.frameworks:
            return np.zeros(len(designs))
        limits = self.vocabulary.min_closeness, self.vocabulary.usual_closeness
        return np.array([penalty(d, min_closeness=limits[0], usual_closeness=limits[1]) for d in designs])

    def describe_alphabet(self) -> str:
        """Return the elements and the number of space groups that a model can write."""
        elements, groups = self.vocabulary.elements, self.vocabulary.groups
        return (
            f"the elements {', '.join(elements)}; {len(groups)} space groups, at most {self.vocabulary.n_orbits} orbits"
        )

    def features(self, designs: Sequence[Crystal]) -> Array:
        """Return composition and structure features."""
        return features.features(designs)


def _count_atoms(designs: Sequence[Crystal]) -> Array:
    return np.array([float(design.n_atoms) for design in designs])


@cache
def _formula(formula: str) -> str:
    """Return a formula with the electropositive elements first."""
    return str(Composition(formula).reduced_formula)
