"""The crystal domain: what the rest of the house asks of crystals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Composition
from torch import Tensor

from invdesign.core import Array, Corpus, InvdesignError
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import cif, files, writing
from invdesign.domains.crystals.model import encoding, features
from invdesign.domains.crystals.model.encoding import Vocabulary
from invdesign.domains.crystals.model.graph import min_distance
from invdesign.domains.crystals.model.vae import CrystalVAE, crystal_vae
from invdesign.domains.crystals.output import drawing
from invdesign.domains.crystals.prototypes import ionic
from invdesign.domains.crystals.symmetry import canonical, matching
from invdesign.domains.crystals.zeolites import silica


@dataclass(frozen=True)
class Crystals:
    """Crystals as symmetric descriptions; batches are rows of numbers (see `batch`).

    Args:
        symprec: distance (angstrom) at which two atoms of a file count as symmetric.
        min_distance: angstrom; a decoded crystal with two atoms nearer than that is none.
        max_atoms: a decoded crystal with more atoms in its conventional cell is none.
        frameworks: silica frameworks are known by their T sites: files lose their oxygens where they are read and get
            them where they are written; what is decoded settles, and is none where it makes no net (see `zeolites`).
        by_sites: crystals with the same elements on the same sites are one design, whatever their numbers: for oracles
            that relax them, or look them up.
        vocabulary: learnt by `fit`.
    """

    symprec: float = 0.1
    min_distance: float = 0.7
    max_atoms: int = 400
    frameworks: bool = False
    by_sites: bool = False
    vocabulary: Vocabulary | None = None

    @property
    def name(self) -> str:
        return "crystals"

    @property
    def formats(self) -> tuple[str, ...]:
        return writing.WRITTEN

    def read(self, path: Path) -> Corpus[Crystal]:
        found = files.read(path, symprec=self.symprec)
        return silica.remove_corpus_oxygens(found) if self.frameworks else found

    def write(
        self, designs: Sequence[Crystal], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        writing.write([self._whole(design) for design in designs], path, columns=columns)

    def key(self, design: Crystal) -> str:
        return canonical.occupation(design) if self.by_sites else canonical.key(design)

    def is_same(self, first: Crystal, second: Crystal) -> bool:
        """Whether two crystals are one structure within the usual tolerances, as reconstructions are judged."""
        return matching.match(first, second)

    def label(self, design: Crystal) -> str:
        whole = self._whole(design)
        symbol, *_ = cif.words(design.space_group)
        kind = ionic.prototype_of(whole)
        return f"{_spoken(whole.formula)} {symbol.replace(' ', '')} ({design.space_group}){f', {kind}' if kind else ''}"

    def to_text(self, design: Crystal) -> str:
        return crystal.to_text(design)

    def from_text(self, text: str) -> Crystal:
        return crystal.from_text(text)

    def fit(self, designs: Sequence[Crystal]) -> Crystals:
        if not designs:
            raise InvdesignError("crystals: nothing to learn from; give a corpus of at least one crystal")
        return replace(self, vocabulary=encoding.learn(designs))

    def state(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "symprec": self.symprec,
            "min_distance": self.min_distance,
            "max_atoms": self.max_atoms,
        }
        if self.frameworks:
            settings["frameworks"] = True
        return {**settings, "vocabulary": None if self.vocabulary is None else self.vocabulary.to_json()}

    def restore(self, state: Mapping[str, Any]) -> Crystals:
        said = dict(state)
        learnt = said.pop("vocabulary", None)
        try:
            return replace(self, **said, vocabulary=None if learnt is None else Vocabulary.from_json(learnt))
        except (TypeError, ValueError, KeyError) as error:
            raise InvdesignError(f"crystals: this state is of another domain or version ({error})") from error

    def model(self, architecture: Mapping[str, Any]) -> CrystalVAE:
        return crystal_vae(self, **architecture)

    def encoding_errors(self, designs: Sequence[Crystal]) -> list[str]:
        vocabulary = self.fitted()
        return [vocabulary.encoding_error(design) for design in designs]

    def to_batch(self, designs: Sequence[Crystal]) -> Tensor:
        return encoding.pack(self.fitted(), designs)

    def from_batch(self, rows: Tensor) -> list[Crystal | None]:
        found = encoding.unpack(self.fitted(), rows)
        able = [c if c is not None and self._can_be(c) else None for c in found]
        return [silica.optimize_geometry(c) if c is not None and self.frameworks else c for c in able]

    def features(self, designs: Sequence[Crystal]) -> Array:
        return features.features(designs)

    def describe(self, designs: Sequence[Crystal]) -> dict[str, list[Any]]:
        wholes = [self._whole(design) for design in designs]
        structures = [canonical.structure_of(whole) for whole in wholes]
        return {
            "formula": [s.composition.reduced_formula for s in structures],
            "prototype": [ionic.prototype_of(whole) for whole in wholes],
            "space_group": [whole.space_group for whole in wholes],
            "n_atoms": [whole.n_atoms for whole in wholes],
            "density": [round(float(s.density), 4) for s in structures],
            "volume_per_atom": [round(s.volume / len(s), 4) for s in structures],
        }

    def draw(self, design: Crystal) -> str:
        return drawing.svg(self._whole(design))

    def fitted(self) -> Vocabulary:
        """The vocabulary.

        Raises:
            InvdesignError: there is none yet.
        """
        if self.vocabulary is None:
            raise InvdesignError("crystals: no vocabulary yet; call `fit(designs)` or `restore(state)` first")
        return self.vocabulary

    def _whole(self, design: Crystal) -> Crystal:
        return silica.complete_framework(design) if self.frameworks else design

    def _can_be(self, design: Crystal) -> bool:
        """Whether the atoms of a decoded crystal are as many as its sites say, and apart."""
        if design.n_atoms > self.max_atoms:
            return False
        if len(canonical.expand(design)[0]) != design.n_atoms:
            return False
        return bool(np.isfinite(design.cell).all()) and min_distance(design) >= self.min_distance


@cache
def _spoken(formula: str) -> str:
    """A formula as people write it, the electropositive elements first."""
    return str(Composition(formula).reduced_formula)
