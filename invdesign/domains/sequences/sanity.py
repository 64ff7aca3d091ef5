"""Measures of sanity: what tells sequences from nonsense in samples of a latent space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from invdesign.core import Array
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.wild_type.wild_type import WildType

MAX_RUN = {"protein": 8, "dna": 12, "rna": 12}
"""Letters of the longest run of one letter in a sane sequence."""
MIN_ENTROPY = {"protein": 2.0, "dna": 0.8, "rna": 0.8}
"""Smallest entropy of the composition of a sane sequence of at least `MIN_LENGTH` letters [bits]."""
MIN_LENGTH = 20


def measure_sanity(designs: Sequence[str], *, kind: str, wild_type: WildType | None = None) -> dict[str, Array]:
    """Return measures of sequences by name, `n` values each.

    Nonsense is a long run of one letter or a composition of few letters, which decoders write where they know nothing.

    Args:
        designs: `n` sequences; gaps do not count.
        kind: `"protein"`, `"dna"`, `"rna"` or other letters, of which nothing is nonsense.
        wild_type: Sequence whose substitutions are counted in designs of its length.

    Example:
        >>> found = measure_sanity(["MKTAYIAKQR", "MAAAAAAAAAAAR"], kind="protein")
        >>> {name: values.round(1).tolist() for name, values in found.items()}
        {'longest run': [1.0, 11.0], 'entropy': [2.9, 0.8], 'nonsense': [0.0, 1.0]}
    """
    texts = [design.replace(GAP, "") for design in designs]
    runs = np.array([max((len(list(run)) for _, run in groupby(text)), default=0) for text in texts], dtype=float)
    entropies = np.array([_entropy(text) for text in texts])
    is_long = np.array([len(text) >= MIN_LENGTH for text in texts], dtype=bool)
    is_nonsense = (runs > MAX_RUN.get(kind, np.inf)) | (is_long & (entropies < MIN_ENTROPY.get(kind, 0.0)))
    found = {"longest run": runs, "entropy": entropies}
    if wild_type is not None:
        found["mutations"] = np.array([_count_substitutions(design, wild_type.sequence) for design in designs])
    return {**found, "nonsense": is_nonsense.astype(float)}


def _entropy(text: str) -> float:
    """Return the entropy of the composition in bits."""
    shares = np.array(list(Counter(text).values()), dtype=float) / max(1, len(text))
    return float(-(shares * np.log2(shares)).sum()) if len(text) else 0.0


def _count_substitutions(design: str, own: str) -> float:
    """Return the number of substitutions; NaN where the lengths differ."""
    return float(sum(a != b for a, b in zip(design, own, strict=True))) if len(design) == len(own) else np.nan
