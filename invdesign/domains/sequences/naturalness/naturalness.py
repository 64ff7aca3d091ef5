"""Naturalness of sequences against their wild type: which score ranks measured variants best, as oracle and validator.

A corpus is given as the function that loads it (in a configuration `corpus: ${corpus}`); it is read and counted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from invdesign.core import Array, Check, Corpus, InvdesignError
from invdesign.domains.sequences.domain import Sequences
from invdesign.domains.sequences.naturalness.frequency_models import Companion, pairwise, site_independent
from invdesign.domains.sequences.wild_type.residue_numbering import numbered, said
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.vae.base import VAE
from invdesign.vae.likelihood import log_probability
from invdesign.vae.store import load_model

Method = Literal["independent", "pairwise", "vae", "best"]
Companions = Literal["independent", "pairwise"]
Score = Callable[[Sequence[str]], Array]
Load = Callable[[], Corpus[str]]

WORDS = {"independent": "site-independent", "pairwise": "pairwise support", "vae": "the VAE's log p(x)"}
FITS = {"independent": site_independent, "pairwise": pairwise}
FOLDS = 5
FEWEST = 30
MAX_RATED = 1000


@dataclass(frozen=True)
class Choice:
    """Which score ranks labels best.

    Args:
        chosen: its name.
        correlations: Spearman's of every score with the labels, by name; 0 where a score is the same for all.
        n: labels that were ranked.
        is_held_out: whether no score had seen those designs.
    """

    chosen: str
    correlations: Mapping[str, float]
    n: int
    is_held_out: bool

    def words(self) -> str:
        """A sentence for people."""
        listed = [f"{WORDS.get(name, name)} {rho:.3f}" for name, rho in self.correlations.items()]
        scores = ", ".join(listed).replace(" -", " \N{MINUS SIGN}")
        told = "held out" if self.is_held_out else "some of which the scores had seen"
        verdict = f"{WORDS.get(self.chosen, self.chosen)} ranks best"
        if not self.correlations[self.chosen] > 0:
            verdict = "none ranks them the right way round"
        return f"Rank correlation with {self.n:,} measured designs ({told}): {scores}; {verdict}."


def best_of(
    scores: Mapping[str, Array], labels: Array, *, seen: npt.NDArray[np.bool_] | None = None, fewest: int = FEWEST
) -> Choice:
    """The score that ranks labels best (Spearman); the first of equals.

    Args:
        scores: `n` values of each score, by name.
        labels: `n`, more is better; designs without a finite label and scores are left out.
        seen: `n`, whether a design was among those that a score was made from; such are left out where at least
            `fewest` others are left.
        fewest: see `seen`.

    Raises:
        InvdesignError: no scores, or fewer than three designs to rank.
    """
    labels = np.asarray(labels, dtype=np.float64)
    usable = np.isfinite(labels)
    for values in scores.values():
        usable = usable & np.isfinite(values)
    unseen = usable if seen is None else usable & ~np.asarray(seen, dtype=bool)
    is_held_out = bool(unseen.sum() >= min(fewest, usable.sum()))
    rows = unseen if is_held_out else usable
    if not scores or rows.sum() < 3:
        raise InvdesignError(
            f"naturalness: {len(scores)} scores and {int(rows.sum())} designs with a label; at least one score and "
            "three designs are needed to rank them"
        )
    found = {name: _spearman(np.asarray(values)[rows], labels[rows]) for name, values in scores.items()}
    chosen = max(found, key=lambda name: found[name])
    return Choice(chosen, found, int(rows.sum()), is_held_out)


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
    """How much more natural than the wild type designs are (`n`, nats): a difference of log-probabilities.

    Args:
        designs: `n` sequences.
        corpus: loads what is natural; its weights count. A model needs none.
        wild_type: what is compared with; without one the scores stand as they are.
        method: `"independent"` (letters by themselves), `"pairwise"` (pairs of letters), `"vae"` (importance-sampled
            log p(x) of a trained model), or `"best"`, the one that ranks a property of the corpus best.
        labels: for `"best"`, the property (more is better).
        model: for `"vae"`, a folder that training wrote; with it `"best"` has three to choose from.
        samples: latents that a model draws for each design.

    Raises:
        InvdesignError: a corpus without that property, or a method that lacks its labels or its model.
    """
    source = None if corpus is None else _Source.of(corpus)
    return _measure(source, wild_type, method, labels, _folder(model), samples)(designs)


def chosen(
    corpus: Load, *, labels: str, wild_type: WildType | None = None, model: str | Path | None = None, samples: int = 64
) -> Choice:
    """Which score ranks a property of a corpus best; arguments as of `naturalness`.

    Companions rate each design of the corpus by what the other four fifths say. A model is taken as it is, on at most
    1,000 designs drawn at random, most of which it was trained on (never on their labels).

    Raises:
        InvdesignError: the corpus has no such property, or fewer than three values of it.
    """
    return _choice(_Source.of(corpus), wild_type, labels, _folder(model), samples)


def natural(
    designs: Sequence[str],
    *,
    corpus: Load | None,
    wild_type: WildType | None = None,
    method: Companions = "pairwise",
    percentile: float = 1.0,
) -> list[Check]:
    """The design is no less natural than all but a few of the corpus.

    Args:
        designs: `n` sequences.
        corpus: loads what is natural; without one, with fewer than 10 designs, or with lengths that differ and no wild
            type, every design passes unchecked.
        wild_type: what sequences of differing lengths are aligned to; itself always natural.
        method: `"independent"` or `"pairwise"`.
        percentile: share (0 to 100) of the corpus that would fail, each of its designs rated by what the others say.
    """
    if not len(designs):
        return []
    source = None if corpus is None else _Source.of(corpus)
    if source is None or not _is_comparable(source, wild_type):
        return [Check("natural", True, "not checked: no corpus to compare with, place by place") for _ in designs]
    levels = _levels(source, wild_type, method)
    scores = _companion(source, wild_type, method)(designs)
    checks = []
    for design, score in zip(designs, scores, strict=True):
        share = 0.0 if math.isnan(score) else 100 * np.searchsorted(levels, score) / len(levels)
        is_own = wild_type is not None and design == wild_type.sequence
        detail = f"percentile {share:.1f} of the corpus, at least {percentile:g}"
        checks.append(Check("natural", bool(is_own or share >= percentile), detail))
    return checks


def seen(designs: Sequence[str], *, corpus: Load | None, wild_type: WildType | None = None) -> list[Check]:
    """Every letter of the design stands at its place in some design of the corpus: of others nothing is known.

    Args:
        designs: `n` sequences.
        corpus: loads what is known, all of one length; without one, or for a design of another length, it passes.
        wild_type: by whose numbers letters are named.
    """
    letters = _letters(_Source.of(corpus)) if corpus is not None and len(designs) else ()
    checks = []
    for design in designs:
        is_even = len(design) == len(letters)
        new = [i for i, letter in enumerate(design) if letter not in letters[i]] if is_even else []
        labels, _ = numbered(design, wild_type) if new else ((), ())
        detail = "" if is_even else "not checked: no corpus to compare with, place by place"
        if new:
            detail = f"never seen: {said(design[i] + labels[i] for i in new)}"
        checks.append(Check("seen", not new, detail))
    return checks


def is_comparable(corpus: Load, wild_type: WildType | None) -> bool:
    """Whether companions can count a corpus place by place, and it is large enough to tell what is usual."""
    return _is_comparable(_Source.of(corpus), wild_type)


def known(corpus: Load) -> frozenset[str]:
    """The designs of a corpus that was, or will be, counted."""
    return frozenset(_corpus(_Source.of(corpus)).designs)


def held_out(corpus: Corpus[str], *, method: Companions, wild_type: WildType | None) -> Array:
    """Scores of the designs of a corpus, each by a companion of the other four fifths (`n`)."""
    if len(corpus) < 2 * FOLDS:
        raise InvdesignError(
            f"naturalness: the corpus has {len(corpus)} designs; at least {2 * FOLDS} are needed to tell what is usual"
        )
    fold = np.random.default_rng(0).permutation(len(corpus)) % FOLDS
    found = np.empty(len(corpus))
    for k in range(FOLDS):
        kept, out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        weights = None if corpus.weights is None else corpus.weights[kept]
        made = FITS[method]([corpus.designs[i] for i in kept], weights=weights, wild_type=wild_type)
        found[out] = made([corpus.designs[i] for i in out])
    return found


@dataclass(frozen=True)
class _Source:
    """A function that loads a corpus, and the text by which its content is known within a process."""

    key: str
    load: Load = field(compare=False)

    @classmethod
    def of(cls, load: Load) -> _Source:
        # A bound function comes to another process as a new object, what it binds does not.
        function = load.func if isinstance(load, partial) else load
        settings = sorted(load.keywords.items()) if isinstance(load, partial) else ()
        return cls(f"{id(function)} {settings!r}", load)


@lru_cache(maxsize=4)
def _corpus(source: _Source) -> Corpus[str]:
    return source.load()


@lru_cache(maxsize=4)
def _letters(source: _Source) -> tuple[frozenset[str], ...]:
    """The letters of a corpus at each place; none where its lengths differ."""
    designs = _corpus(source).designs
    is_even = len(set(map(len, designs))) == 1
    return tuple(frozenset(column) for column in zip(*designs, strict=True)) if is_even else ()


def _is_comparable(source: _Source, wild_type: WildType | None) -> bool:
    designs = _corpus(source).designs
    return len(designs) >= 2 * FOLDS and (wild_type is not None or len(set(map(len, designs))) == 1)


@lru_cache(maxsize=8)
def _companion(source: _Source, wild_type: WildType | None, method: Companions) -> Companion:
    corpus = _corpus(source)
    return FITS[method](corpus.designs, weights=corpus.weights, wild_type=wild_type)


@lru_cache(maxsize=8)
def _levels(source: _Source, wild_type: WildType | None, method: Companions) -> Array:
    return np.sort(held_out(_corpus(source), method=method, wild_type=wild_type))


@lru_cache(maxsize=4)
def _choice(source: _Source, wild_type: WildType | None, labels: str, model: Path | None, samples: int) -> Choice:
    corpus = _corpus(source)
    if labels not in corpus.properties:
        raise InvdesignError(
            f"naturalness: the corpus {corpus.name!r} has no property {labels!r}; it has "
            f"{', '.join(corpus.properties) or 'none'}"
        )
    y = corpus.properties[labels]
    scores = {
        "independent": held_out(corpus, method="independent", wild_type=wild_type),
        "pairwise": held_out(corpus, method="pairwise", wild_type=wild_type),
    }
    if model is None:
        return best_of(scores, y)
    known = np.flatnonzero(np.isfinite(y))
    rows = np.sort(np.random.default_rng(0).permutation(known)[:MAX_RATED])
    of_model = _of_model(model, samples)([corpus.designs[i] for i in rows])
    some = {name: values[rows] for name, values in scores.items()} | {"vae": of_model}
    return best_of(some, y[rows], seen=np.ones(len(rows), dtype=bool))


def _measure(
    source: _Source | None,
    wild_type: WildType | None,
    method: Method,
    labels: str | None,
    model: Path | None,
    samples: int,
) -> Score:
    if method == "vae":
        if model is None:
            raise InvdesignError("naturalness: method 'vae' needs model, a folder that `invdesign train --out` wrote")
        score = _of_model(model, samples)
    elif source is None:
        raise InvdesignError(f"naturalness: method {method!r} needs a corpus; set corpus, or take method 'vae'")
    elif method == "best":
        if labels is None:
            raise InvdesignError("naturalness: method 'best' needs labels, the property of the corpus to be ranked")
        best = cast("Method", _choice(source, wild_type, labels, model, samples).chosen)
        return _measure(source, wild_type, best, None, model, samples)
    else:
        score = _companion(source, wild_type, method)
    own = 0.0 if wild_type is None else float(score([wild_type.sequence])[0])
    return lambda designs: score(designs) - own if len(designs) else np.empty(0)


def _of_model(folder: Path, samples: int) -> Score:
    domain, vae = _model(folder)
    return partial(_rated, domain=domain, vae=vae, samples=samples)


def _rated(designs: Sequence[str], *, domain: Sequences, vae: VAE, samples: int) -> Array:
    """NaN where a design cannot be written in the model's tokens."""
    fits = np.array([not why for why in domain.encoding_errors(designs)], dtype=bool)
    found = np.full(len(designs), math.nan)
    writable = [design for design, ok in zip(designs, fits, strict=True) if ok]
    found[fits] = log_probability(writable, domain=domain, vae=vae, samples=samples)
    return found


@lru_cache(maxsize=2)
def _model(folder: Path) -> tuple[Sequences, VAE]:
    vae, card, _ = load_model(folder, lambda said: Sequences().restore(said["domain"]).model(said["architecture"]))
    return Sequences().restore(card["domain"]), vae


def _folder(model: str | Path | None) -> Path | None:
    return None if model is None else Path(model).resolve()


def _spearman(values: Array, labels: Array) -> float:
    if not (np.ptp(values) > 0 and np.ptp(labels) > 0):
        return 0.0
    return float(spearmanr(values, labels).statistic)
