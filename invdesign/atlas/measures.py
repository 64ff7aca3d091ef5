"""Parts of the audit's score: what is measured of a design, before it is compared with real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from jaxtyping import Int

from invdesign.atlas.chimeras import Parents, find_parents
from invdesign.atlas.rarity import Rarity
from invdesign.atlas.replaced_parts import ReplacementDetector, add_odds
from invdesign.core import Array, B, Corpus, D, Place
from invdesign.core.capabilities import placement_errors, places
from invdesign.latent.space import LatentSpace
from invdesign.vae.base import to_device
from invdesign.vae.likelihood import log_evidence
from invdesign.vae.tokens import PAD, UNKNOWN

REPLACED = "replaced parts"
TWO_PARENTS = "two parents"
PARTS = {
    "likelihood": "how improbable the whole design is for its size: importance-sampled -log p(x), in nats",
    "density": "how empty the latent space is around it: -log p(z), in nats",
    "surroundings": "how rare its rarest places are with what lies around them, in nats",
    REPLACED: "how clearly a classifier recognizes a part that was replaced at random, as log-odds",
    TWO_PARENTS: "columns that two real designs explain and a single one does not",
}
"""Parts of the score by name, and what a large value means."""
N_SAMPLES = 16
N_RAREST = 3
"""Places whose nats are added: a change of one atom is seen by its neighbours too."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Aligned real designs that can be parents."""

    rows: Int[np.ndarray, "m length"]
    """Their letter numbers."""
    names: tuple[str, ...]
    """Their names."""
    families: tuple[str, ...]
    """Their families; their names where families are not known."""

    def members(self) -> dict[str, Int[np.ndarray, " k"]]:
        """Return the rows of each family."""
        rows: dict[str, list[int]] = {}
        for row, family in enumerate(self.families):
            rows.setdefault(family, []).append(row)
        return {family: np.array(found) for family, found in rows.items()}


@dataclass(frozen=True, eq=False)
class Measured:
    """Raw scores of `n` designs."""

    scores: dict[str, Array]
    """`n` values of each part; more is less like real designs, infinite where the model cannot write the design."""
    places: list[list[Place]]
    """Places of each design."""
    nats: list[Array]
    """Nats of the surroundings of each place."""
    log_odds: list[Array]
    """Log-odds that each of the first places was replaced; none without a classifier."""
    parents: list[Parents | None]
    """The best explanation of each design by two others; None where designs are not aligned."""
    problems: list[str]
    """Why the model cannot write a design; empty where it can."""


@dataclass(frozen=True, eq=False)
class Measures(Generic[D, B]):
    """What designs are compared with."""

    latent_space: LatentSpace[D, B]
    """The latent space."""
    rarity: Rarity
    """Counts of the places of real designs."""
    size_line: tuple[float, float] = (0.0, 0.0)
    """Intercept and slope of -log p(x) against the number of tokens, over real designs."""
    reference: Reference | None = None
    """Designs that can be parents; None where designs are not aligned."""
    detector: ReplacementDetector | None = None
    """Classifier of replaced parts; None where the domain cannot replace parts."""

    def measure(self, designs: Sequence[D]) -> Measured:
        """Return the raw scores of designs.

        Args:
            designs: `n` designs of any origin.
        """
        problems = placement_errors(self.latent_space.encoding, designs)
        rows = [i for i, problem in enumerate(problems) if not problem]
        scores = {name: np.full(len(designs), math.inf) for name in ("likelihood", "density")}
        if rows:
            likelihood, density = self._rate([designs[i] for i in rows])
            scores["likelihood"][rows], scores["density"][rows] = likelihood, density
        found = [places(self.latent_space.domain, design) for design in designs]
        nats = [np.array([part.sum() for part in self.rarity.rate([p.surroundings for p in parts])]) for parts in found]
        if any(found):
            scores["surroundings"] = np.array([np.sort(values)[::-1][:N_RAREST].sum() for values in nats])
        log_odds = [np.zeros(0)] * len(designs)
        if self.detector is not None:
            log_odds = self._detect(self.detector, designs)
            scores[REPLACED] = np.array([add_odds(own) for own in log_odds])
        parents: list[Parents | None] = [None] * len(designs)
        if self.reference is not None:
            scores[TWO_PARENTS] = np.full(len(designs), math.inf)
            letters = np.asarray(self.latent_space.encoding.encode([designs[i] for i in rows]))
            for i, pair in zip(rows, find_parents(letters, self.reference.rows, missing=UNKNOWN), strict=True):
                scores[TWO_PARENTS][i], parents[i] = pair.score, pair
        return Measured(scores, found, nats, log_odds, parents, problems)

    def _detect(self, detector: ReplacementDetector, designs: Sequence[D]) -> list[Array]:
        """Return the log-odds of replacement of the places of each design; none where it cannot be measured."""
        domain: Any = self.latent_space.domain
        numbers = [domain.measure_places(design) for design in designs]
        rated = iter(detector.rate([part for part in numbers if len(part)]))
        return [next(rated) if len(part) else np.zeros(0) for part in numbers]

    def _rate(self, designs: Sequence[D]) -> tuple[Array, Array]:
        """Return -log p(x) less what real designs of that size have, and -log p(z), of designs that can be written."""
        space = self.latent_space
        # Not `log_probability`, which refuses designs that break a limit of the design task.
        batch = to_device(space.encoding.encode(designs), space.device)
        condition = space.conditions_of(designs)
        log_p = log_evidence(space.vae, batch, samples=N_SAMPLES, condition=condition).numpy()
        intercept, slope = self.size_line
        with torch.no_grad():
            density = space.log_density(space.encode(designs)).numpy()
        return -log_p - intercept - slope * count_tokens(space, designs), -density


def reference_names(corpus: Corpus[D]) -> tuple[str, ...]:
    """Return the names of the designs of a corpus; their numbers where it has none."""
    return tuple((corpus.names[i] if corpus.names else "") or f"{corpus.name} {i + 1}" for i in range(len(corpus)))


def count_tokens(space: LatentSpace[D, B], designs: Sequence[D]) -> Array:
    """Return the tokens of each design; 0 where designs are not rows of tokens."""
    if not space.encoding.shape.n_tokens:
        return np.zeros(len(designs))
    batch: Any = space.encoding.encode(designs)
    n_tokens: Array = (batch != PAD).sum(1).double().numpy()
    return n_tokens
