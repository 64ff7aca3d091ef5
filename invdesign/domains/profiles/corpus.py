"""Corpora of profiles: a built-in one of gene programs, and tables of the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from invdesign.core import Array, Corpus, InvdesignError, Progress, silent
from invdesign.domains.profiles import tables
from invdesign.domains.profiles.domain import Kind, Profile, Profiles
from invdesign.io.corpora import make_corpus
from invdesign.io.design_tables import OnInvalid, ReadOptions

N_PROGRAMS = 5
CONCENTRATION = 0.5
"""Of the Dirichlet distribution of the programs of a sample: below 1 most samples have one or two programs."""
DISPERSION = 8.0
"""Inverse overdispersion of the counts."""
MEAN_DEPTH, SD_DEPTH = 5000.0, 0.5
"""Counts of a sample: the median, and the standard deviation of their logarithm."""


def programs(n: int = 2000, *, n_features: int = 60, seed: int = 0, progress: Progress = silent) -> Corpus[Profile]:
    """Return the built-in corpus: samples whose counts mix a few programs of genes, generated offline in a second.

    Each of five programs raises a twelfth of the genes eightfold to thirtyfold. A sample mixes them, is read at a depth
    of its own, and its counts are negative binomial. Nothing in it is measured.

    Args:
        n: Number of samples.
        n_features: Number of genes.
        seed: Seed of the samples; the programs are always the same.
        progress: Called with ("generating", done, n).

    Raises:
        InvdesignError: A number is too small.

    Example:
        >>> corpus = programs(10)
        >>> len(corpus.designs), len(corpus.designs[0].names)
        (10, 60)
    """
    if n < 1 or n_features < 12:
        raise InvdesignError(f"programs: expected n >= 1 and n_features >= 12, got n={n}, n_features={n_features}")
    base, raised = _draw_programs(n_features)
    rng = np.random.default_rng(seed)
    names = tuple(f"gene_{i:03d}" for i in range(1, n_features + 1))
    make = Profiles().make
    found: dict[Profile, None] = {}
    while len(found) < n:
        mix = rng.dirichlet(np.full(N_PROGRAMS, CONCENTRATION))
        shares = base * (mix @ raised)
        depth = MEAN_DEPTH * np.exp(SD_DEPTH * rng.normal())
        means = depth * shares / shares.sum()
        counts = rng.poisson(rng.gamma(DISPERSION, means / DISPERSION))
        found.setdefault(make(names, counts.tolist()))
    progress("generating", n, n)
    return make_corpus(tuple(found), name="programs", to_text=Profiles().to_text)


def _draw_programs(n_features: int) -> tuple[Array, Array]:
    """Return the usual level of each gene, and the factor by which each program raises it."""
    rng = np.random.default_rng(0)
    raised = np.ones((N_PROGRAMS, n_features))
    base: Array = rng.gamma(1.0, 1.0, n_features) + 0.05
    for program in raised:
        genes = rng.choice(n_features, max(2, n_features // 12), replace=False)
        program[genes] = rng.uniform(8, 30, len(genes))
    return base, raised


def table(
    path: str | Path,
    *,
    kind: Kind = "counts",
    features: Sequence[str] = (),
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    labels: Sequence[str] = (),
    on_invalid: OnInvalid = "skip",
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[Profile]:
    """Return the profiles of a table of the user: one row for each sample, one column for each feature.

    Args:
        path: A .csv, .tsv or .xlsx file.
        kind: `"counts"` or `"values"`.
        features: Columns of the features; by default all columns of numbers that are no property.
        properties: Measured properties: name -> column.
        weight_column: Column of non-negative training weights.
        labels: Columns of labels, e.g. `[laboratory, batch]`, for a conditional VAE; `vae.condition` names them too.
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first.
        max_designs: Largest number of profiles to read.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: The file is missing, or has no profile.
    """
    domain = Profiles(kind)
    return tables.read(
        Path(path),
        make=domain.make,
        from_text=domain.from_text,
        to_text=domain.to_text,
        features=features,
        options=ReadOptions(properties or {}, weight_column, on_invalid, max_designs, labels=tuple(labels)),
        progress=progress,
    )
