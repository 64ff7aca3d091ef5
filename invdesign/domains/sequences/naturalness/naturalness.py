"""Naturalness of sequences relative to their wild type, as oracle and validator, and the choice among its scores.

A corpus is given as the function that loads it (in a configuration `corpus: ${corpus}`); it is loaded and counted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from invdesign.core import Array, Check, Corpus, InvdesignError
from invdesign.domains.sequences.domain import SequenceEncoding, Sequences
from invdesign.domains.sequences.naturalness.frequency_models import FrequencyModel, pairwise, site_independent
from invdesign.domains.sequences.wild_type.residue_numbering import number_residues, summarize_findings
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.vae.base import VAE
from invdesign.vae.likelihood import log_probability
from invdesign.vae.store import build_stored, load_model

Method = Literal["independent", "pairwise", "vae", "best"]
FrequencyMethod = Literal["independent", "pairwise"]
Score = Callable[[Sequence[str]], Array]
Load = Callable[[], Corpus[str]]

TITLES = {"independent": "site-independent", "pairwise": "pairwise", "vae": "log p(x) of the VAE"}
FIT = {"independent": site_independent, "pairwise": pairwise}
FOLDS = 5
MIN_UNSEEN = 30
MAX_SCORED = 1000
NOT_CHECKED = "not checked: no corpus of the same length to compare with"


@dataclass(frozen=True)
class ScoreChoice:
    """Score with the highest rank correlation with labels."""

    chosen: str
    """Name of the chosen score."""
    correlations: Mapping[str, float]
    """Spearman's correlation of each score with the labels, by name; 0 for a constant score."""
    n: int
    """Number of labelled designs."""
    is_held_out: bool
    """Whether the scores were fitted without these designs."""

    def describe(self) -> str:
        """Return the choice as a sentence."""
        listed = [f"{TITLES.get(name, name)} {rho:.3f}" for name, rho in self.correlations.items()]
        scores = ", ".join(listed).replace(" -", " \N{MINUS SIGN}")
        held_out = "held out" if self.is_held_out else "some of them in the data of the scores"
        verdict = f"{TITLES.get(self.chosen, self.chosen)} is highest"
        if not self.correlations[self.chosen] > 0:
            verdict = "none is positive"
        return f"Rank correlation with {self.n:,} measured designs ({held_out}): {scores}; {verdict}."


def choose_score(
    scores: Mapping[str, Array],
    labels: Array,
    *,
    is_seen: npt.NDArray[np.bool_] | None = None,
    min_unseen: int = MIN_UNSEEN,
) -> ScoreChoice:
    """Choose the score with the highest rank correlation (Spearman) with labels; the first one of equals.

    Args:
        scores: `n` values of each score, by name.
        labels: `n` labels, more is better; designs without a finite label and finite scores are omitted.
        is_seen: `n` flags of the designs that a score was fitted to; these are omitted if at least `min_unseen` others
            remain.
        min_unseen: See `is_seen`.

    Raises:
        InvdesignError: There are no scores, or fewer than three designs.

    Example:
        >>> choose_score({"a": np.array([3.0, 2, 1]), "b": np.array([1.0, 2, 3])}, np.array([1.0, 2, 4])).chosen
        'b'
    """
    labels = np.asarray(labels, dtype=np.float64)
    is_usable = np.isfinite(labels)
    for values in scores.values():
        is_usable = is_usable & np.isfinite(values)
    is_unseen = is_usable if is_seen is None else is_usable & ~np.asarray(is_seen, dtype=bool)
    is_held_out = bool(is_unseen.sum() >= min(min_unseen, is_usable.sum()))
    rows = is_unseen if is_held_out else is_usable
    if not scores or rows.sum() < 3:
        raise InvdesignError(
            f"naturalness: expected at least one score and three designs with a label, got {len(scores)} scores and "
            f"{int(rows.sum())} designs"
        )
    correlations = {name: _spearman(np.asarray(values)[rows], labels[rows]) for name, values in scores.items()}
    chosen = max(correlations, key=lambda name: correlations[name])
    return ScoreChoice(chosen, correlations, int(rows.sum()), is_held_out)


def naturalness(
    designs: Sequence[str],
    *,
    corpus: Load | None,
    wild_type: WildType | None = None,
    method: Method = "pairwise",
    labels: str | None = None,
    model: str | Path | None = None,
    samples: int = 64,
) -> Array:
    """Return log p(design) - log p(wild type) [nats] (`n`).

    Args:
        designs: `n` sequences.
        corpus: Function that loads the corpus, whose weights are used; None for a method that needs only a model.
        wild_type: Reference; without one, log p(design) is returned.
        method: `"independent"` (frequencies of letters), `"pairwise"` (frequencies of pairs of letters), `"vae"`
            (importance-sampled log p(x) of a trained model), or `"best"`: the one with the highest rank correlation
            with a property of the corpus.
        labels: For `"best"`, the property (more is better).
        model: Folder written by training, for `"vae"`; if given, `"best"` includes the model.
        samples: Number of latent samples for each design, for a model.

    Raises:
        InvdesignError: The corpus lacks the property, or the method lacks its corpus, its labels or its model.
    """
    source = None if corpus is None else _Source.of(corpus)
    score = _log_ratio(source, wild_type, method, labels, _resolve_folder(model), samples)
    return score(designs)


def choose_method(
    corpus: Load, *, labels: str, wild_type: WildType | None = None, model: str | Path | None = None, samples: int = 64
) -> ScoreChoice:
    """Choose the method with the highest rank correlation with a property of the corpus.

    Frequency models are cross-validated: each design is scored by a model of the other four fifths. A VAE is used as it
    is, on at most 1,000 designs drawn at random, most of which it was trained on (never on their labels).

    Args:
        corpus: Function that loads the corpus.
        labels: Property of the corpus (more is better).
        wild_type: Sequence that designs of different lengths are aligned to.
        model: Folder written by training; None for frequency models only.
        samples: Number of latent samples for each design.

    Raises:
        InvdesignError: The corpus has no such property, or fewer than three values of it.
    """
    return _choose_method(_Source.of(corpus), wild_type, labels, _resolve_folder(model), samples)


def min_naturalness_percentile(
    designs: Sequence[str],
    *,
    corpus: Load | None,
    wild_type: WildType | None = None,
    method: FrequencyMethod = "pairwise",
    percentile: float = 1.0,
) -> list[Check]:
    """Check that the naturalness of a design is not lower than that of nearly all of the corpus.

    Args:
        designs: `n` sequences.
        corpus: Function that loads the corpus. Without one, with fewer than 10 designs, or with different lengths and
            no wild type, every design passes unchecked.
        wild_type: Sequence that designs of different lengths are aligned to; it always passes itself.
        method: `"independent"` or `"pairwise"`.
        percentile: Percentage (0 to 100) of the corpus that would fail, each of its designs scored by a model of the
            other four fifths.
    """
    if not len(designs):
        return []
    name = "min_naturalness_percentile"
    source = None if corpus is None else _Source.of(corpus)
    if source is None or not _is_comparable(source, wild_type):
        return [Check(name, True, NOT_CHECKED) for _ in designs]
    reference_scores = _sorted_corpus_scores(source, wild_type, method)
    scores = _fit_frequency_model(source, wild_type, method)(designs)
    checks = []
    for design, score in zip(designs, scores, strict=True):
        rank = 0.0 if math.isnan(score) else float(np.searchsorted(reference_scores, score))
        found = 100 * rank / len(reference_scores)
        is_wild_type = wild_type is not None and design == wild_type.sequence
        detail = f"percentile {found:.1f} of the corpus, at least {percentile:g}"
        checks.append(Check(name, bool(is_wild_type or found >= percentile), detail))
    return checks


def residues_seen_in_corpus(
    designs: Sequence[str], *, corpus: Load | None, wild_type: WildType | None = None
) -> list[Check]:
    """Check that each letter of a design occurs at its position in some design of the corpus.

    A model of the corpus cannot predict the effect of other letters.

    Args:
        designs: `n` sequences.
        corpus: Function that loads a corpus of one length. Without one, and for a design of another length, the check
            passes.
        wild_type: Residue numbers for the details.
    """
    name = "residues_seen_in_corpus"
    letters = _letters_by_position(_Source.of(corpus)) if corpus is not None and len(designs) else ()
    checks = []
    for design in designs:
        if len(design) != len(letters):
            checks.append(Check(name, True, NOT_CHECKED))
            continue
        new = [i for i, letter in enumerate(design) if letter not in letters[i]]
        detail = ""
        if new:
            labels, _ = number_residues(design, wild_type)
            detail = f"not in the corpus: {summarize_findings(design[i] + labels[i] for i in new)}"
        checks.append(Check(name, not new, detail))
    return checks


def is_comparable(corpus: Load, wild_type: WildType | None) -> bool:
    """Return whether frequency models apply to a corpus: at least 10 designs, of one length or with a wild type."""
    return _is_comparable(_Source.of(corpus), wild_type)


def corpus_designs(corpus: Load) -> frozenset[str]:
    """Return the designs of a corpus, which is loaded once."""
    return frozenset(_load_corpus(_Source.of(corpus)).designs)


def cross_validated_scores(corpus: Corpus[str], *, method: FrequencyMethod, wild_type: WildType | None) -> Array:
    """Return a score of each design of a corpus by a frequency model of the other four fifths (`n`).

    Args:
        corpus: At least 10 designs.
        method: `"independent"` or `"pairwise"`.
        wild_type: Sequence that designs of different lengths are aligned to.

    Raises:
        InvdesignError: The corpus is too small.
    """
    if len(corpus) < 2 * FOLDS:
        raise InvdesignError(
            f"naturalness: expected a corpus of at least {2 * FOLDS} designs for cross-validation, got {len(corpus)}"
        )
    fold = np.random.default_rng(0).permutation(len(corpus)) % FOLDS
    designs = tuple(corpus.designs)
    scores = np.empty(len(corpus))
    for k in range(FOLDS):
        training, held_out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        weights = None if corpus.weights is None else corpus.weights[training]
        fitted = FIT[method]([designs[i] for i in training], weights=weights, wild_type=wild_type)
        scores[held_out] = fitted([designs[i] for i in held_out])
    return scores


@dataclass(frozen=True)
class _Source:
    """Function that loads a corpus, with a key that identifies its content within a process."""

    key: str
    """The function's identity and its bound arguments."""
    load: Load = field(compare=False)
    """The function."""

    @classmethod
    def of(cls, load: Load) -> _Source:
        # In another process a partial is a new object, but its function and its arguments are the same.
        function = load.func if isinstance(load, partial) else load
        settings = sorted(load.keywords.items()) if isinstance(load, partial) else ()
        return cls(f"{id(function)} {settings!r}", load)


@lru_cache(maxsize=4)
def _load_corpus(source: _Source) -> Corpus[str]:
    return source.load()


@lru_cache(maxsize=4)
def _letters_by_position(source: _Source) -> tuple[frozenset[str], ...]:
    """Return the letters of a corpus at each position; empty if its lengths differ."""
    designs = _load_corpus(source).designs
    has_one_length = len(set(map(len, designs))) == 1
    return tuple(frozenset(column) for column in zip(*designs, strict=True)) if has_one_length else ()


def _is_comparable(source: _Source, wild_type: WildType | None) -> bool:
    designs = _load_corpus(source).designs
    return len(designs) >= 2 * FOLDS and (wild_type is not None or len(set(map(len, designs))) == 1)


@lru_cache(maxsize=8)
def _fit_frequency_model(source: _Source, wild_type: WildType | None, method: FrequencyMethod) -> FrequencyModel:
    corpus = _load_corpus(source)
    return FIT[method](corpus.designs, weights=corpus.weights, wild_type=wild_type)


@lru_cache(maxsize=8)
def _sorted_corpus_scores(source: _Source, wild_type: WildType | None, method: FrequencyMethod) -> Array:
    return np.sort(cross_validated_scores(_load_corpus(source), method=method, wild_type=wild_type))


@lru_cache(maxsize=4)
def _choose_method(
    source: _Source, wild_type: WildType | None, labels: str, model: Path | None, samples: int
) -> ScoreChoice:
    corpus = _load_corpus(source)
    if labels not in corpus.properties:
        raise InvdesignError(
            f"naturalness: the corpus {corpus.name!r} has no property {labels!r}; its properties are "
            f"{', '.join(corpus.properties) or 'none'}"
        )
    y = corpus.properties[labels]
    scores = {
        "independent": cross_validated_scores(corpus, method="independent", wild_type=wild_type),
        "pairwise": cross_validated_scores(corpus, method="pairwise", wild_type=wild_type),
    }
    if model is None:
        return choose_score(scores, y)
    labelled = np.flatnonzero(np.isfinite(y))
    rows = np.sort(np.random.default_rng(0).permutation(labelled)[:MAX_SCORED])
    vae_scores = _vae_score(model, samples)([corpus.designs[i] for i in rows])
    subset = {name: values[rows] for name, values in scores.items()} | {"vae": vae_scores}
    return choose_score(subset, y[rows], is_seen=np.ones(len(rows), dtype=bool))


def _log_ratio(
    source: _Source | None,
    wild_type: WildType | None,
    method: Method,
    labels: str | None,
    model: Path | None,
    samples: int,
) -> Score:
    """Return the score of a method, minus the wild type's."""
    if method == "vae":
        if model is None:
            raise InvdesignError(
                "naturalness: method 'vae' needs a model. Set model to a folder written by `invdesign train --out`"
            )
        score = _vae_score(model, samples)
    elif source is None:
        raise InvdesignError(f"naturalness: method {method!r} needs a corpus. Set corpus, or use method 'vae'")
    elif method == "best":
        if labels is None:
            raise InvdesignError("naturalness: method 'best' needs labels. Set labels to a property of the corpus")
        best = cast("Method", _choose_method(source, wild_type, labels, model, samples).chosen)
        return _log_ratio(source, wild_type, best, None, model, samples)
    else:
        score = _fit_frequency_model(source, wild_type, method)
    own = 0.0 if wild_type is None else float(score([wild_type.sequence])[0])
    return lambda designs: score(designs) - own if len(designs) else np.empty(0)


def _vae_score(folder: Path, samples: int) -> Score:
    encoding, vae = _load_vae(folder)
    return partial(_vae_log_probability, encoding=encoding, vae=vae, samples=samples)


def _vae_log_probability(designs: Sequence[str], *, encoding: SequenceEncoding, vae: VAE, samples: int) -> Array:
    """Return log p(x) [nats] (`n`); NaN for a design that cannot be encoded."""
    can_encode = np.array([not error for error in encoding.errors(designs)], dtype=bool)
    scores = np.full(len(designs), math.nan)
    encodable = [design for design, ok in zip(designs, can_encode, strict=True) if ok]
    scores[can_encode] = log_probability(encodable, encoding=encoding, vae=vae, samples=samples)
    return scores


@lru_cache(maxsize=2)
def _load_vae(folder: Path) -> tuple[SequenceEncoding, VAE]:
    """Return the encoding and the VAE of a model folder."""

    def build(card: dict[str, Any]) -> VAE:
        return build_stored(card, Sequences().restore(card["encoding"]))

    vae, card, _ = load_model(folder, build)
    return Sequences().restore(card["encoding"]), vae


def _resolve_folder(model: str | Path | None) -> Path | None:
    return None if model is None else Path(model).resolve()


def _spearman(values: Array, labels: Array) -> float:
    """Return Spearman's correlation, 0 if either side is constant."""
    if not (np.ptp(values) > 0 and np.ptp(labels) > 0):
        return 0.0
    return float(spearmanr(values, labels).statistic)
