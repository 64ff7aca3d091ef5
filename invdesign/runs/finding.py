"""Designs that are described in words: a region of the latent space, the known designs nearest to it, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.atlas.projection import thin
from invdesign.atlas.requests import Request, parse_request
from invdesign.atlas.words import (
    Truth,
    Vocabulary,
    WordMap,
    annotate,
    annotation_synonyms,
    fit_words,
    learn_vocabulary,
    retrieval_rate,
    write_texts,
)
from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.core.capabilities import label, placement_errors
from invdesign.core.statements import Describable
from invdesign.io.design_files import formats, write_designs
from invdesign.io.tables import write_table
from invdesign.latent.space import LatentSpace
from invdesign.runs.properties import LabelledSpace

MAX_DESIGNS = 6_000
"""Designs of the corpus that are aligned with words."""
N_HELD_OUT = 500
"""Designs that are left out to state how well a text finds its design."""
N_REGION = 25
"""Known designs whose latents are the region."""
N_TRIED = 200
"""Points of the region that are decoded."""
JITTER = 0.5
"""Of the standard deviation of the region's latents."""


@dataclass(frozen=True)
class Found:
    """A design that is near a description."""

    design: Any
    """The design."""
    score: float
    """Similarity of its latent and the text, -1 to 1."""
    missing: tuple[str, ...]
    """Statements of the request that do not hold; none where all of them hold."""
    is_known: bool
    """Whether it is a design of the corpus."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What a description finds."""

    request: Request
    """The statements of the description."""
    rates: dict[str, float]
    """Share of the designs of the corpus for which each condition holds."""
    n_meeting: int
    """Designs of the corpus that meet all conditions."""
    n: int
    """Designs of the corpus that were looked at."""
    known: tuple[Found, ...]
    """Designs of the corpus, the best ones first."""
    new: tuple[Found, ...]
    """Designs decoded from the region that are not in the corpus, the best ones first."""
    center: Array
    """Latent in the middle of the region."""
    spread: Array
    """Standard deviation of the region in each latent."""
    retrieval: float
    """Share of held-out designs that their complete text finds, first of as many."""
    n_retrieval: int
    """Held-out designs."""


def find_designs(
    labelled: LabelledSpace, text: str, *, n: int = 20, seed: int = 0, progress: Progress = silent
) -> Finding:
    """Find the designs that a text describes.

    Args:
        labelled: The latent space with its corpus.
        text: The description, e.g. `"lithium-free layered oxide, large cell"`.
        n: Designs to return of each kind.
        seed: Seed.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: No word of the text is known, or the domain makes no statements.
    """
    space, domain = labelled.latent_space, labelled.latent_space.domain
    designs = _designs(labelled)
    progress("stating what designs have", 0, 1)
    vocabulary = words_of(labelled, designs)
    assert isinstance(domain, Describable)
    synonyms = dict(domain.synonyms())
    if labelled.corpus is not None:
        synonyms |= annotation_synonyms(domain, vocabulary, labelled.corpus)
    request = parse_request(text, vocabulary.statements, synonyms)
    if not request.wanted and not request.unwanted:
        raise InvdesignError(f"find: {_unknown_words(request)}")
    truth, Z = vocabulary.truth(designs), space.encode(designs).numpy()
    rows = np.random.default_rng(seed).permutation(len(designs))
    held_out, fitted = np.split(rows, [min(N_HELD_OUT, len(rows) // 5)])
    word_map = fit_words(Z[fitted], truth[fitted], seed=seed, progress=progress)
    query = _make_query(request, vocabulary, word_map)
    holds = query.holds(truth)
    scores = query.score(Z)
    order = np.lexsort((-scores, -holds.sum(1)))
    best = order[:n]
    region = Z[order[:N_REGION]]
    known = _rank(query, [designs[i] for i in best], scores[best], holds[best], is_known=True)
    progress("decoding the region", 0, 1)
    fresh = _decode_new(space, _points(region, seed), {space.domain.key(design) for design in designs})
    new: list[Found] = []
    if fresh:
        their_scores = query.score(space.encode(fresh).numpy())
        met = query.holds(vocabulary.truth(fresh)) | query.is_annotation
        new = _rank(query, fresh, their_scores, met, is_known=False)[:n]
    return Finding(
        request,
        {name: float(rate) for name, rate in zip(query.names, holds.mean(0), strict=True)},
        int(holds.all(1).sum()),
        len(designs),
        tuple(known),
        tuple(new),
        region.mean(0),
        region.std(0),
        retrieval_rate(word_map, Z[held_out], truth[held_out]),
        len(held_out),
    )


def words_of(labelled: LabelledSpace, designs: Sequence[Any]) -> Vocabulary[Any]:
    """Return the statements about designs of the corpus: computed ones, and those of the columns of its table."""
    domain, corpus = labelled.latent_space.domain, labelled.corpus
    has_columns = corpus is not None and bool(corpus.labels or corpus.properties)
    return learn_vocabulary(domain, designs, annotate(domain, corpus) if corpus is not None and has_columns else None)


def write_finding(found: Finding, latent_space: LatentSpace[Any, Any], folder: Path) -> dict[str, Any]:
    """Write the designs as a table and as seeds of a campaign, and the region.

    Args:
        found: What was found.
        latent_space: The latent space.
        folder: Folder of the files.

    Returns:
        All of it, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain = latent_space.domain
    both = [*found.known, *found.new]
    rows = [
        {
            "design": domain.to_text(f.design),
            "label": label(domain, f.design),
            "known": f.is_known,
            "meets": not f.missing,
            "missing": "; ".join(f.missing),
            "score": f.score,
        }
        for f in both
    ]
    files = [write_table({name: [row[name] for row in rows] for name in rows[0]}, folder / "found.csv")]
    meeting = [f.design for f in both if not f.missing]
    seeds = meeting or [f.design for f in found.known]
    path = folder / f"seeds{formats(domain)[0]}"
    write_designs(domain, seeds, path)
    region = {"latent": list(range(len(found.center))), "center": found.center.tolist(), "sd": found.spread.tolist()}
    files += [path, write_table(region, folder / "region.csv")]
    return {
        "wanted": list(found.request.wanted),
        "unwanted": list(found.request.unwanted),
        "unknown": {word: list(close) for word, close in found.request.unknown.items()},
        "rates": found.rates,
        "meeting": found.n_meeting,
        "designs looked at": found.n,
        "retrieval": found.retrieval,
        "retrieval among": found.n_retrieval,
        "designs": rows,
        "seeds": len(seeds),
        "seeds meet all conditions": bool(meeting),
        "files": [str(file) for file in files],
    }


def _designs(labelled: LabelledSpace) -> list[Any]:
    """Return designs of the corpus that the model can write, evenly drawn."""
    if labelled.corpus is None:
        return list(labelled.designs)
    designs = labelled.corpus.designs
    chosen = [designs[i] for i in thin(len(designs), MAX_DESIGNS)]
    errors = placement_errors(labelled.latent_space.encoding, chosen)
    return [design for design, error in zip(chosen, errors, strict=True) if not error]


@dataclass(frozen=True, eq=False)
class _Query:
    """A request as a text that is aligned with latents, and as conditions that are computed."""

    names: tuple[str, ...]
    """Names of the conditions."""
    columns: tuple[int, ...]
    """Columns of their statements."""
    is_wanted: Truth
    """Whether each is to hold."""
    is_annotation: Truth
    """Whether each is a column of the table, of which nothing is known for new designs."""
    text: Array
    """The text, `1 x t`."""
    word_map: WordMap
    """The alignment."""

    def score(self, Z: Array) -> Array:
        """Return the similarity of latents and the text, `n`."""
        scores: Array = self.word_map.score(Z, self.text)[0]
        return scores

    def holds(self, truth: Truth) -> Truth:
        """Return which conditions are met, `n x c`."""
        met: Truth = truth[:, list(self.columns)] == self.is_wanted
        return met


def _make_query(request: Request, vocabulary: Vocabulary[Any], word_map: WordMap) -> _Query:
    column = {statement: j for j, statement in enumerate(vocabulary.statements)}
    columns = tuple(column[statement] for statement in (*request.wanted, *request.unwanted))
    is_wanted = np.array([True] * len(request.wanted) + [False] * len(request.unwanted))
    named = np.zeros((2, 1, len(vocabulary.statements)), dtype=bool)
    named[np.where(is_wanted, 0, 1), 0, columns] = True
    names = (*request.wanted, *(f"no {statement}" for statement in request.unwanted))
    is_annotation = np.array([vocabulary.statements[j] in vocabulary.annotated for j in columns], dtype=bool)
    return _Query(names, columns, is_wanted, is_annotation, write_texts(named[0], named[1]), word_map)


def _points(region: Array, seed: int) -> Array:
    """Return latents within the region: mixtures of two of its designs, with noise."""
    draw = np.random.default_rng(seed)
    first, second = region[draw.integers(len(region), size=(2, N_TRIED))]
    share = draw.uniform(size=(N_TRIED, 1))
    points: Array = share * first + (1 - share) * second + JITTER * region.std(0) * draw.normal(size=first.shape)
    return points


def _decode_new(space: LatentSpace[Any, Any], points: Array, known: set[str]) -> list[Any]:
    """Return the distinct designs that points decode to, without those of the corpus."""
    decoded = [design for design in space.decode(torch.from_numpy(points)) if design is not None]
    found = {space.domain.key(design): design for design in decoded}
    fresh = [design for key, design in found.items() if key not in known and key not in space.training_keys]
    errors = placement_errors(space.encoding, fresh)
    return [design for design, error in zip(fresh, errors, strict=True) if not error]


def _rank(query: _Query, designs: Sequence[Any], scores: Array, holds: Truth, *, is_known: bool) -> list[Found]:
    found = []
    for design, score, row in zip(designs, scores, holds, strict=True):
        missing = tuple(name for name, is_met in zip(query.names, row, strict=True) if not is_met)
        found.append(Found(design, float(score), missing, is_known))
    return sorted(found, key=lambda f: (len(f.missing), -f.score))


def _unknown_words(request: Request) -> str:
    words = [f"{w!r}" + (f" (spelled like {', '.join(c)})" if c else "") for w, c in request.unknown.items()]
    return f"expected words for what designs have, got {', '.join(words) or 'none'}. invdesign find --words lists them"
