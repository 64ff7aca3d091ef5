"""Audit of designs: how unlike real designs they are, as a calibrated p-value, and where."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np
from jaxtyping import Bool

from invdesign.atlas.chimeras import NO_ROWS, Parents, find_parents
from invdesign.atlas.cross_fitting import cross_fit
from invdesign.atlas.measures import REPLACED, TWO_PARENTS, Measured, Measures, Reference, count_tokens, reference_names
from invdesign.atlas.rarity import fit_rarity
from invdesign.atlas.replaced_parts import add_odds, fit_detector
from invdesign.core import Array, B, Corpus, D, InvdesignError, Progress, silent
from invdesign.latent.space import LatentSpace
from invdesign.vae.tokens import UNKNOWN
from invdesign.vae.training import Rows, split

MAX_CALIBRATION = 3000
MAX_COUNTED = 30_000
MAX_REFERENCE = 20_000
MAX_EXPLAINED = 3000
MAX_REPLACED = 10_000
MIN_CALIBRATION = 20
MIN_RANKED = 200
"""Held-out designs from which the smaller p-value of two tests is ranked: 199 would find nothing at a level of .005."""
BATCH = 500
WEIGHTS = {"likelihood": 1.0, "surroundings": 2.0, REPLACED: 8.0}
"""Weights of the parts whose evidence is added: surroundings find more molecules and crystals with one change,
and the classifier of replaced parts finds more crystals than both."""
MIN_SHARE = 0.1
"""Share of the odds of replacement of a design from which a place is marked."""
TAIL = 0.1
"""Tail of the smallest p-value from which the number of independent parts is estimated."""
USUAL = 99.0
"""Percentile of the nats of a place that is not marked."""


@dataclass(frozen=True)
class Finding(Generic[D]):
    """How unlike real designs a design is."""

    design: D
    """The design."""
    p_value: float
    """Share of real designs that are as unlike the others as this one is, or more."""
    p_values: Mapping[str, float]
    """The same by a single part of the score, by name."""
    scores: Mapping[str, float]
    """Values of the parts; more is less like real designs, infinite where the model cannot write the design."""
    places: tuple[str, ...] = ()
    """Names of its places (atoms, sites, letters), in order."""
    strengths: tuple[float, ...] = ()
    """How unlike real ones each place is, 0 or more: nats beyond usual ones, log(1 + odds) of replacement, or for a
    chimera 1 at columns that need two parents."""
    parents: Parents | None = None
    """Its best explanation by two real designs, where designs are aligned."""
    parent_names: tuple[str, str, str] | None = None
    """Names of the left parent, of the right one, and of the nearest single design."""
    problem: str = ""
    """Why the model cannot write the design; empty where it can."""

    @property
    def cause(self) -> str:
        """Part of the score by which the design is most unlike real ones."""
        return min(self.p_values, key=lambda name: self.p_values[name])

    def strongest(self, n: int = 3) -> list[str]:
        """Return the names of the places that are least like real designs, the strongest first."""
        order = sorted(range(len(self.places)), key=lambda i: -self.strengths[i])[:n]
        return [self.places[i] for i in order if self.strengths[i] > 0]


@dataclass(frozen=True, eq=False)
class Auditor(Generic[D, B]):
    """Measures of designs, and those of real designs that they are ranked among."""

    measures: Measures[D, B]
    """What designs are compared with."""
    calibration: Mapping[str, Array]
    """Scores of real designs that were held out, in ascending order, by part."""
    evidence: Array
    """Their evidence of likelihood and surroundings together, in ascending order (see `add_evidence`)."""
    usual_nats: float
    """Nats that 99 % of the places of real designs do not exceed."""
    n_independent: float = 1.0
    """Effective number of tests: 1, or up to 2 where designs are explained by two parents as well."""
    smallest: Array = field(default_factory=lambda: np.zeros(0))
    """Smaller one of the p-values of the evidence and of two parents of held-out real designs, in ascending order."""

    def audit(self, designs: Sequence[D], *, progress: Progress = silent) -> list[Finding[D]]:
        """Return the findings of designs.

        Args:
            designs: `n` designs of any origin.
            progress: Called with `(stage, done, total)`.
        """
        findings: list[Finding[D]] = []
        for start in range(0, len(designs), BATCH):
            progress("auditing", start, len(designs))
            part = designs[start : start + BATCH]
            findings += self._rank(part, self.measures.measure(part))
        return findings

    def combine(self, by_part: Mapping[str, Array], is_written: Bool[np.ndarray, " n"]) -> Array:
        """Return the p-value of designs, given those of the parts, and whether the model can write each design.

        The evidence and the explanation by two parents are two tests. Their smaller p-value is ranked among those of
        held-out real designs; where few were held out, it is corrected for their number.
        """
        whole = conformal_p_values(self.evidence, add_evidence(by_part, is_written))
        if TWO_PARENTS not in by_part:
            return whole
        if len(self.smallest) < MIN_RANKED:
            return sidak([whole, by_part[TWO_PARENTS]], self.n_independent)
        smallest = np.minimum(whole, by_part[TWO_PARENTS])
        p_values: Array = (1 + np.searchsorted(self.smallest, smallest, side="right")) / (1 + len(self.smallest))
        return p_values

    def p_values(self, designs: Sequence[D]) -> Array:
        """Return the p-value of each design."""
        return np.array([finding.p_value for finding in self.audit(designs)])

    def _rank(self, designs: Sequence[D], measured: Measured) -> list[Finding[D]]:
        by_part = {name: conformal_p_values(self.calibration[name], s) for name, s in measured.scores.items()}
        combined = self.combine(by_part, np.isfinite(measured.scores["likelihood"]))
        findings = []
        for i, design in enumerate(designs):
            p_values = {name: float(values[i]) for name, values in by_part.items()}
            parents = measured.parents[i]
            causes = [name for name, p_value in p_values.items() if p_value == min(p_values.values())]
            findings.append(
                Finding(
                    design,
                    float(combined[i]),
                    p_values,
                    {name: float(values[i]) for name, values in measured.scores.items()},
                    tuple(place.name for place in measured.places[i]),
                    self._strengths(measured, i, causes),
                    parents,
                    self._names(parents),
                    measured.problems[i],
                )
            )
        return findings

    def _strengths(self, measured: Measured, i: int, causes: Sequence[str]) -> tuple[float, ...]:
        """Return the strength of each place of a design, by a part of the score that is least like real designs.

        It is 1 where two parents are needed to explain a chimera, log(1 + odds) of replaced places, or the nats of the
        surroundings beyond usual ones.
        """
        strengths, parents = np.maximum(measured.nats[i] - self.usual_nats, 0), measured.parents[i]
        if TWO_PARENTS in causes and parents is not None:
            strengths = np.zeros(len(measured.places[i]))
            strengths[list(parents.explained)] = 1.0
        elif REPLACED in causes:
            log_odds = measured.log_odds[i]
            is_marked = log_odds > add_odds(log_odds) + math.log(MIN_SHARE)
            strengths = np.zeros(len(measured.places[i]))
            strengths[: len(log_odds)] = np.where(is_marked, np.logaddexp(0.0, log_odds), 0.0)
        return tuple(strengths.tolist())

    def _names(self, parents: Parents | None) -> tuple[str, str, str] | None:
        if parents is None or self.measures.reference is None:
            return None
        names = self.measures.reference.names
        return names[parents.left], names[parents.right], names[parents.single]


def conformal_p_values(calibration: Array, scores: Array) -> Array:
    """Return the share of real designs with a score as large: `(1 + #{calibration >= score}) / (1 + n)`.

    Among real designs that are exchangeable with the calibration, a p-value of at most `a` occurs with a probability of
    at most `a`, whatever the score.

    Args:
        calibration: Scores of `n` real designs in ascending order.
        scores: Scores of other designs.

    References:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Bates et al., Ann. Stat. 2023,
        doi:10.1214/22-AOS2244.

    Example:
        >>> import numpy as np
        >>> conformal_p_values(np.arange(99.0), np.array([98.0, 200.0])).tolist()
        [0.02, 0.01]
    """
    n = len(calibration)
    p_values: Array = (1 + n - np.searchsorted(calibration, scores, side="left")) / (1 + n)
    return p_values


def p_values_among_others(scores: Array) -> Array:
    """Return the conformal p-value of each of `n` real designs among the other `n - 1`.

    A design that is ranked among a calibration is not part of it. Ranked among all `n`, that is with itself, real
    designs would have larger p-values than equal ones that are new, and more than the stated share would be flagged.

    Example:
        >>> import numpy as np
        >>> p_values_among_others(np.array([3.0, 1.0, 2.0, 4.0])).tolist()
        [0.5, 1.0, 0.75, 0.25]
    """
    p_values: Array = (len(scores) - np.searchsorted(np.sort(scores), scores, side="left")) / len(scores)
    return p_values


def add_evidence(by_part: Mapping[str, Array], is_written: Bool[np.ndarray, " n"]) -> Array:
    """Return the weighted sum of -log p over the likelihood, the surroundings and the replaced parts (Fisher).

    The parts depend on each other, so the sum is ranked among those of real designs. The density is part of the
    likelihood; that of two parents has a test of its own. The evidence against a design that the model cannot write is
    infinite.
    """
    evidence = -np.sum([WEIGHTS[name] * np.log(p) for name, p in by_part.items() if name in WEIGHTS], axis=0)
    return np.where(is_written, evidence, math.inf)


def sidak(p_values: Sequence[Array], n_independent: float) -> Array:
    """Return the p-value of the smallest of several: `1 - (1 - min p)^m`, with `m` the effective number of tests."""
    combined: Array = 1 - (1 - np.min(p_values, axis=0)) ** n_independent
    return combined


def fit_auditor(
    latent_space: LatentSpace[D, B],
    corpus: Corpus[D],
    *,
    left_out: Collection[int] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> Auditor[D, B]:
    """Return the auditor of a trained latent space.

    Real designs that the VAE was not trained on are the calibration. Where they are of few families and the model is
    fitted in closed form, it is all designs, each rated without its family (see `cross_fitting`). Where designs are
    aligned, each is explained by those of other families, so that the gain of two parents is calibrated on all of them.

    Args:
        latent_space: A latent space that was trained on the corpus.
        corpus: Real designs.
        left_out: Rows of the corpus that are used in no way, to test the auditor on.
        seed: Seed of the choice among very many designs.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The corpus is not that of the model, or too small.
    """
    trained, held_out = split_as_trained(latent_space, corpus)
    held_out = np.setdiff1d(held_out, np.array(sorted(left_out), dtype=held_out.dtype))
    draw = np.random.default_rng(seed)
    progress("counting places", 0, 1)
    rarity = fit_rarity(latent_space.domain, (corpus.designs[i] for i in _thin(trained, MAX_COUNTED, draw)))
    unseen = _thin(held_out, MAX_CALIBRATION, draw)
    progress("training the classifier of replaced parts", 0, 1)
    learnt = [corpus.designs[i] for i in _thin(trained, MAX_REPLACED, draw)]
    measures = Measures(latent_space, rarity, detector=fit_detector(latent_space.domain, learnt, seed=seed))
    real, scores, nats = _rate_real(measures, corpus, unseen, left_out, progress)
    # Cross-fitting rates designs by all parts but the classifier.
    if REPLACED not in scores:
        measures = replace(measures, detector=None)
    measures = replace(measures, size_line=_fit_size_line(measures, corpus, real, scores))
    calibration = {name: np.sort(values) for name, values in scores.items()}
    p_values = {name: p_values_among_others(scores[name]) for name in WEIGHTS if name in scores}
    if latent_space.encoding.shape.has_fixed_length:
        measures = replace(measures, reference=_reference(latent_space, corpus, draw))
        rows = np.concatenate([real, _thin(np.setdiff1d(trained, real), MAX_EXPLAINED, draw)])
        gains = _gains_of_real(measures, corpus, rows, progress)
        calibration[TWO_PARENTS] = np.sort(gains)
        p_values[TWO_PARENTS] = p_values_among_others(gains)[: len(real)]
    evidence = add_evidence(p_values, np.isfinite(scores["likelihood"]))
    n_independent, smallest = 1.0, np.zeros(0)
    if TWO_PARENTS in p_values:
        both = [p_values_among_others(evidence), p_values[TWO_PARENTS]]
        n_independent, smallest = count_independent(both), np.sort(np.min(both, axis=0))
    usual = float(np.percentile(np.concatenate([*nats, np.zeros(1)]), USUAL))
    return Auditor(measures, calibration, np.sort(evidence), usual, n_independent, smallest)


def count_independent(p_values: Sequence[Array]) -> float:
    """Return the effective number of independent tests, from the p-values of real designs.

    With `m` independent tests the smallest p-value lies below `a` with probability `1 - (1 - a)^m`.

    Example:
        >>> import numpy as np
        >>> p = (np.arange(1000) + 1) / 1000
        >>> round(count_independent([p, p]), 2), round(count_independent([p, p[::-1]]), 1)
        (1.0, 2.0)
    """
    share = float((np.min(p_values, axis=0) <= TAIL).mean())
    found = math.log1p(-min(share, 0.999)) / math.log1p(-TAIL)
    return min(max(found, 1.0), float(len(p_values)))


def split_as_trained(latent_space: LatentSpace[D, B], corpus: Corpus[D]) -> tuple[Rows, Rows]:
    """Return the rows of the corpus that the VAE was trained on, and those that were held out."""
    card = latent_space.card
    if card.get("corpus", {}).get("sha256") != corpus.sha256:
        raise InvdesignError(
            f"audit: expected the corpus that the model was trained on ({card.get('corpus', {}).get('name')}), got "
            f"{corpus.name!r} with other content. Give the same file"
        )
    held_out, seed = int(card["recipe"]["held_out"]), int(card["recipe"]["seed"])
    trained, others = split(len(corpus), held_out=held_out, seed=seed, families=corpus.families)
    if len(others) < MIN_CALIBRATION:
        raise InvdesignError(
            f"audit: expected at least {MIN_CALIBRATION} real designs that the model was not trained on, got "
            f"{len(others)} of {len(corpus):,}. Train on a larger corpus"
        )
    return trained, others


def _thin(rows: Rows, n: int, draw: np.random.Generator) -> Rows:
    """Return at most `n` of the rows, drawn at random, in their order."""
    return rows if len(rows) <= n else np.sort(draw.permutation(rows)[:n])


def _rate_real(
    measures: Measures[D, B], corpus: Corpus[D], held_out: Rows, left_out: Collection[int], progress: Progress
) -> tuple[Rows, dict[str, Array], list[Array]]:
    """Return rows of the corpus that calibrate, their raw scores, and the nats of their places.

    These are the designs that were held out from training or, where families can be cross-fitted, all designs. The
    density is always that of the held-out ones.
    """
    progress("rating held-out designs", 0, 1)
    measured = measures.measure([corpus.designs[i] for i in held_out])
    used = np.setdiff1d(np.arange(len(corpus)), np.array(sorted(left_out), dtype=np.intp))
    used = _thin(used, MAX_COUNTED, np.random.default_rng(0))
    rated = _thin(used, MAX_CALIBRATION, np.random.default_rng(0))
    crossed = cross_fit(measures, corpus, used, rated, progress=progress)
    if crossed is None:
        return held_out, measured.scores, measured.nats
    return rated, {"density": measured.scores["density"], **crossed.scores}, crossed.nats


def _fit_size_line(
    measures: Measures[D, B], corpus: Corpus[D], rows: Rows, scores: dict[str, Array]
) -> tuple[float, float]:
    """Return the line of -log p(x) over the size of real designs, which is subtracted from their scores in place."""
    sizes, surprise = count_tokens(measures.latent_space, [corpus.designs[i] for i in rows]), scores["likelihood"]
    is_finite = np.isfinite(surprise)
    slope, intercept = 0.0, float(np.mean(surprise[is_finite])) if is_finite.any() else 0.0
    if np.ptp(sizes[is_finite]) > 0:
        slope, intercept = (float(x) for x in np.polyfit(sizes[is_finite], surprise[is_finite], 1))
    scores["likelihood"] = surprise - intercept - slope * sizes
    return intercept, slope


def _reference(latent_space: LatentSpace[D, B], corpus: Corpus[D], draw: np.random.Generator) -> Reference:
    rows = _thin(np.arange(len(corpus)), MAX_REFERENCE, draw)
    letters = np.asarray(latent_space.encoding.encode([corpus.designs[i] for i in rows])).astype(np.uint8)
    names = reference_names(corpus)
    families = corpus.families or names
    return Reference(letters, tuple(names[i] for i in rows), tuple(families[i] for i in rows))


def _gains_of_real(measures: Measures[D, B], corpus: Corpus[D], rows: Rows, progress: Progress) -> Array:
    """Return the gain of two parents for real designs, each explained by designs of other families than its own."""
    reference = measures.reference
    assert reference is not None
    own = corpus.families or reference_names(corpus)
    members = reference.members()
    gains = []
    for start in range(0, len(rows), BATCH):
        progress("explaining real designs by others", start, len(rows))
        part = rows[start : start + BATCH]
        letters = np.asarray(measures.latent_space.encoding.encode([corpus.designs[i] for i in part]))
        excluded = [members.get(own[i], NO_ROWS) for i in part]
        gains += [pair.score for pair in find_parents(letters, reference.rows, missing=UNKNOWN, excluded=excluded)]
    return np.array(gains, dtype=np.float64)
