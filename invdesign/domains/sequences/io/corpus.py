"""Corpora of sequences: measured landscapes from given files, random libraries, and files of the user's own."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.sequences.alphabet import GAP, letters_of, reverse_complement
from invdesign.domains.sequences.io import files, records
from invdesign.domains.sequences.naturalness import weights
from invdesign.domains.sequences.peptides import peptides
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.io import text_files
from invdesign.io.corpora import make_corpus
from invdesign.vae.store import read_tensors, write_tensors

__all__ = ["AAV2", "AVGFP", "GB1", "aav", "gb1", "gfp", "library", "peptides", "six6", "table"]

AVGFP = WildType(
    "SKGEELFTGVVPILVELDGDVNGHKFSVSGEGEGDATYGKLTLKFICTTGKLPVPWPTLVTTLSYGVQCFSRYPDHMKQHDFFKSAMPEGYVQERTIFFKDDGNYKTRAE"
    "VKFEGDTLVNRIELKGIDFKEDGNILGHKLEYNYNSHNVYIMADKQKNGIKVNFKIRHNIEDGSVQLADHYQQNTPIGDGPVLLPDNHYLSTQSALSKDPNEKRDHMVLLE"
    "FVTAAGITHGMDELYK",
    name="avGFP",
    first=2,
)
AAV2 = WildType("DEEEIRTTNPVATEQYGSVSTNLQRGNR", name="AAV2 VP1 561-588", first=561)
GB1 = WildType("VDGV", name="GB1", numbers=(39, 40, 41, 54))

# sha256 of the tables unpacked.
SOURCES = {
    "gfp": (
        "d315b458e6003cac99d4cb5c2e5c325f462fa3ad4e126881cb641bd0ad6dc57c",
        "Sarkisyan et al. 2016, doi:10.1038/nature17995",
    ),
    "aav": (
        "cca65e1c1c0ed54b66a77a34ce531f9f907341a3596315568aba785e34a8c9ca",
        "Bryant et al. 2021, doi:10.1038/s41587-020-00793-4",
    ),
    "gb1": (
        "dd277a4889b10baa762d5d8aac612fd3150d0f785f26a4d4c307c7025477d42e",
        "Wu et al. 2016, doi:10.7554/eLife.16965",
    ),
    "six6": (
        "cf586a49b3409c5c525512dcef99d16db9f5d0c3dbca75b12aae111934bf114d",
        "Barrera et al. 2016, doi:10.1126/science.aad2257",
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
    theta: float | None = None,
    wild_type: WildType | None = None,
    gaps: files.Gaps = False,
    insertions: files.Insertions = "drop",
    records: records.Records = "whole",
    min_length: int = 1,
    max_length: int = files.MAX_LENGTH,
    on_invalid: files.OnInvalid = "skip",
    max_designs: int | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """The sequences of a file of the user's: FASTA, A2M, A3M, GenBank, .csv, .tsv or .txt, plain or gzipped.

    Args:
        path: the file.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        sequence_column: the column of a table that holds sequences; found by its name where it is not given.
        mutations: the column of a table that holds substitutions in the place of sequences (`A108D;V11L`).
        properties: measured properties, our name -> column; an empty cell is unknown (NaN).
        weight_column: column of non-negative training weights.
        theta: weights by clusters in the place of a column: 1 / the number of sequences that differ in less than this
            share; .2 is usual for a family of proteins. Families need it, libraries of variants do not.
        wild_type: what mutations are counted on.
        gaps: true keeps `-` as a letter, false refuses it, `"drop"` leaves it out.
        insertions: what becomes of lower case in A2M and A3M: `"drop"`, `"keep"` or `"reject"`.
        records: of GenBank: `"whole"` sequences, or coding sequences translated (`"cds"`).
        min_length: letters of the shortest sequence.
        max_length: letters of the longest sequence.
        on_invalid: `"skip"` reports bad rows in `rejected`, `"error"` stops at the first.
        max_designs: read no more than this many sequences.
        cache: folder for weights by clusters, keyed by the content of the corpus.
        progress: called now and then with (stage, done, total).

    Raises:
        InvdesignError: as `files.read`, or for weights of two kinds.
    """
    if weight_column and theta is not None:
        raise InvdesignError(f"weights come from the column {weight_column!r} or from clusters (theta), not from both")
    found = files.read(
        path, kind=kind, sequence_column=sequence_column, mutations=mutations, properties=properties,
        weight_column=weight_column, wild_type=wild_type, gaps=gaps, insertions=insertions, records=records,
        min_length=min_length, max_length=max_length, on_invalid=on_invalid, max_designs=max_designs, progress=progress,
    )  # fmt: skip
    return found if theta is None else weighted(found, theta=theta, cache=cache, progress=progress)


def weighted(
    corpus: Corpus[str], *, theta: float = 0.2, cache: str | Path | None = None, progress: Progress = silent
) -> Corpus[str]:
    """A corpus with weights by clusters (see `weights.by_clusters`), kept in the cache where one is given."""
    key = hashlib.sha256(f"{corpus.sha256} {theta!r}".encode()).hexdigest()[:16]
    place = None if cache is None else Path(cache) / f"clusters-{key}.safetensors"
    if place is not None and place.is_file():
        found = read_tensors(place)[0]["weights"].numpy()
    else:
        found = weights.by_clusters(corpus.designs, theta=theta, progress=progress)
        if place is not None:
            write_tensors(place, {"weights": torch.from_numpy(found)}, {"theta": theta})
    made = make_corpus(corpus.designs, properties=corpus.properties, weights=found, name=corpus.name)
    return replace(made, rejected=corpus.rejected)


def gfp(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """51,715 variants of green fluorescent protein (237 residues from the second on), most of them dark.

    Property: `log_brightness` (decimal logarithm of the brightness, 1.28 to 4.12; the wild type has 3.72).

    Args:
        path: `gfp_full.csv`, plain or gzipped.
        is_pinned: refuse a file whose content is another.
        max_designs: read no more than this many variants.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Sarkisyan et al., Nature 2016, doi:10.1038/nature17995.
    """
    place = _checked("gfp", path, is_pinned)
    found = files.read(place, properties={"log_brightness": "score"}, max_designs=max_designs, progress=progress)
    return replace(found, name="gfp")


def aav(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """42,340 variants of residues 561 to 588 of an adeno-associated virus's capsid, and how well each assembles.

    Property: `score` (0 to 19.5, larger is better). Of 1,788 variants that the file has twice the first value is taken.

    Args:
        path: `aav.csv`, plain or gzipped.
        is_pinned: refuse a file whose content is another.
        max_designs: read no more than this many variants.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Bryant et al., Nat. Biotechnol. 2021, doi:10.1038/s41587-020-00793-4.
    """
    place = _checked("aav", path, is_pinned)
    found = files.read(place, properties={"score": "score"}, max_designs=max_designs, progress=progress)
    return replace(found, name="aav")


def gb1(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """149,361 variants of protein G's domain B1 at residues 39, 40, 41 and 54, as texts of these four letters.

    Property: `fitness` (enrichment in binding, the wild type VDGV = 1, at most 8.76).

    Args:
        path: `gb1_4site.csv`, plain or gzipped.
        is_pinned: refuse a file whose content is another.
        max_designs: read no more than this many variants.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Wu et al., eLife 2016, doi:10.7554/eLife.16965.
    """
    place = _checked("gb1", path, is_pinned)
    found = files.read(
        place, sequence_column="variant", properties={"fitness": "fitness"}, max_designs=max_designs, progress=progress
    )
    return replace(found, name="gb1")


def six6(
    path: str | Path | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """All 65,536 strands of eight bases, and how the transcription factor SIX6 binds them.

    Property: `e_score` (-0.5 to 0.5, larger binds better), the same for a strand and its reverse complement.

    Args:
        path: `SIX6_REF_R1_8mers.txt`, plain or gzipped.
        is_pinned: refuse a file whose content is another.
        max_designs: read no more than this many strands.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Barrera et al., Science 2016, doi:10.1126/science.aad2257.
    """
    place = _checked("six6", path, is_pinned)
    text = text_files.decode_text(text_files.read_bytes(place))
    scores: dict[str, float] = {}
    for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter="\t"), start=1):
        try:
            strand, score = cells[0], float(cells[2])
        except (IndexError, ValueError):
            if number > 1 and cells:
                raise InvdesignError(f"six6: {place}, row {number}: expected two strands and an E-score") from None
            continue
        for design in (strand, reverse_complement(strand)):
            scores.setdefault(design, score)
    progress("reading", len(scores), len(scores))
    designs = tuple(scores)[:max_designs]
    return make_corpus(designs, properties={"e_score": np.array([scores[d] for d in designs])}, name="six6")


def library(
    *,
    wild_type: WildType,
    kind: str = "protein",
    n: int = 5000,
    mutations: tuple[int, int] | None = (1, 5),
    designable: Mapping[int, str] | None = None,
    fixed: Sequence[int] = (),
    forbidden: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Corpus[str]:
    """A library as it could be ordered: the wild type first, then random variants of it, each once.

    Args:
        wild_type: what is varied.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        n: how many; the first `k` of a longer library are the library of length `k`.
        mutations: the fewest and the most, each number between as often; null saturates: every residue that may change
            takes any of its letters.
        designable: number of each residue that may change, with the letters allowed there, empty for all.
        fixed: numbers of residues that must stay.
        forbidden: letters that a mutation may not bring in.
        seed: of the draws.
        progress: called now and then with ("generating", done, n).

    Raises:
        InvdesignError: limits that leave fewer than `n` variants, or contradict each other.
    """
    constraints = DesignConstraints(letters_of(kind), wild_type, designable or {}, fixed, forbidden)
    own = wild_type.sequence
    others = {i: [a for a in constraints.allowed_letters(i) if a not in (own[i], GAP)] for i in range(len(own))}
    free = [i for i, letters in others.items() if letters]
    low, high = (0, len(free)) if mutations is None else mutations
    if n < 1 or not 0 <= low <= min(high, len(free)):
        raise InvdesignError(
            f"library: expected n of at least 1 and mutations within 0 to {len(free)} (the residues that may change), "
            f"got n={n}, mutations={mutations}"
        )
    n_possible = _n_possible([len(others[i]) for i in free], low, min(high, len(free)))
    if n > n_possible:
        raise InvdesignError(f"library: {n:,} variants are asked for, the limits leave {n_possible:,}; lower n")
    rng = np.random.default_rng(seed)
    found = {own: None}
    drawn = 0
    while len(found) < n:
        if drawn > 1000 + 200 * n:
            raise InvdesignError(
                f"library: only {len(found):,} of {n:,} variants after {drawn:,} draws; lower n, or allow more "
                "mutations"
            )
        if drawn % 1000 == 0:
            progress("generating", len(found), n)
        drawn += 1
        letters = list(own)
        if mutations is None:
            for i in free:
                letters[i] = (own[i], *others[i])[rng.integers(len(others[i]) + 1)]
        else:
            for i in rng.choice(free, size=rng.integers(low, min(high, len(free)) + 1), replace=False):
                letters[i] = others[i][rng.integers(len(others[i]))]
        found.setdefault("".join(letters))
    progress("generating", n, n)
    return make_corpus(tuple(found), name=f"library of {wild_type.name}")


def _n_possible(choices: Sequence[int], low: int, high: int) -> int:
    """How many variants have between `low` and `high` mutations, the wild type counted too."""
    by_number = [1] + [0] * high
    for n in choices:
        for k in range(high, 0, -1):
            by_number[k] += n * by_number[k - 1]
    return sum(by_number[low:]) + (low > 0)


def _checked(name: str, path: str | Path | None, is_pinned: bool) -> Path:
    """The file of a measured set, whose content is the one that is known."""
    digest, source = SOURCES[name]
    remedy = f"the data are those of {source}; give the file: corpus.path=/path/to/the_file"
    if path is None:
        raise InvdesignError(f"{name}: no file is given; {remedy}")
    place = Path(path)
    found = hashlib.sha256(text_files.read_bytes(place)).hexdigest()
    if is_pinned and found != digest:
        raise InvdesignError(
            f"{name}: {place} has the sha256 {found} (unpacked), expected {digest}; {remedy}; or, where another "
            "version is meant, pass corpus.is_pinned=false"
        )
    return place
