"""The known design that is nearest to each candidate: novelty for people, in every domain that compares designs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from invdesign.core import Candidate, Corpus, D, DesignSpace, Neighbor
from invdesign.core.capabilities import label
from invdesign.core.protocols import Resemblance

MAX_KNOWN = 20_000
"""Designs of a corpus that candidates are compared with, evenly drawn: 250,000 molecules take half a minute."""


def find_neighbors(
    candidates: Sequence[Candidate[D]],
    domain: DesignSpace[D],
    corpus: Corpus[D] | None,
    seeds: Sequence[Candidate[D]],
) -> dict[str, Neighbor]:
    """Return the nearest design of corpus and seed designs for each candidate, by key.

    Args:
        candidates: The candidates, some tens of them.
        domain: Compares designs; without `Resemblance` there are no neighbors.
        corpus: Designs that exist.
        seeds: Designs that the campaign started from.
    """
    designs = () if corpus is None else corpus.designs[:: max(1, -(-len(corpus.designs) // MAX_KNOWN))]
    group = "corpus" if corpus is None or len(designs) == len(corpus.designs) else f"{len(designs):,} of the corpus"
    known = [(design, group) for design in designs] + [(c.design, "seed designs") for c in seeds]
    if not known or not candidates or not isinstance(domain, Resemblance):
        return {}
    others = [design for design, _ in known]
    neighbors = {}
    for candidate, values in zip(candidates, domain.resemblances([c.design for c in candidates], others), strict=True):
        i = int(np.argmax(values))
        text = f"{domain.resemblance} {values[i]:.2f}"
        neighbors[candidate.key] = Neighbor(label(domain, others[i]), text, known[i][1])
    return neighbors


def with_neighbors(candidates: Sequence[Candidate[D]], stored: Mapping[str, Mapping[str, Any]]) -> list[Candidate[D]]:
    """Return candidates with their neighbors, from what `neighbors_to_json` returned."""
    return [replace(c, nearest=Neighbor(**stored[c.key])) if c.key in stored else c for c in candidates]


def neighbors_to_json(neighbors: Mapping[str, Neighbor]) -> dict[str, dict[str, Any]]:
    """Return neighbors as JSON, by key of the candidate."""
    return {key: asdict(neighbor) for key, neighbor in neighbors.items()}
