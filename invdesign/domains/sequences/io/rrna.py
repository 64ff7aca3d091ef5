"""16S rRNA genes in the columns of one alignment, with their taxonomy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from invdesign.core import Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.sequences.alphabet import GAP, letters_of
from invdesign.io.corpora import make_corpus
from invdesign.io.datasets import DataFile, DatasetSpec, load_dataset
from invdesign.io.text_files import decode_text, read_bytes

Region = Literal["v4", "all"]
Rank = Literal["phylum", "class", "order", "family", "genus"]
REGIONS = {"v4": (1204, 1624), "all": (0, 3083)}
"""First column of a region and the one behind it; V4 lies between the primers 515F and 806R."""
RANKS = ("domain", "phylum", "class", "order", "family", "genus")
DATASET = DatasetSpec(
    name="rrna16s",
    files=(
        DataFile(
            "rrna16s_aligned.fasta",
            "3780035e8ecde6922f7fcdc5ce2a41c5647f75680ff62abdd83c3e627e176eae",
            "3,963 aligned 16S rRNA genes",
        ),
    ),
    source="Haas et al. 2011, doi:10.1101/gr.112730.110, gold set (Debian package microbiomeutil-data)",
    licence="BSD-3-Clause (Broad Institute)",
)


def rrna16s(
    path: str | Path | None = None,
    *,
    region: Region = "v4",
    held_out_by: Rank = "genus",
    is_pinned: bool = True,
    max_designs: int | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return aligned 16S rRNA genes: 2,782 distinct ones of 253 columns (V4), or 2,644 of 1,475 columns.

    The columns are those that at least half of the genes of the dataset fill. Each gene is named by its genus and its
    identifier, and whole genera (or higher ranks) are held out from training.

    Args:
        path: FASTA of the dataset, or another one in the same 3,083 columns whose titles are an identifier and a
            taxonomy of six ranks separated by semicolons.
        region: `"v4"`, or `"all"` columns.
        held_out_by: Rank whose members are held out together.
        is_pinned: Reject a file whose content differs from that of the dataset.
        max_designs: Largest number of genes to read.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, its content differs, or a row has another number of columns.

    References:
        Haas et al., Genome Res. 2011, doi:10.1101/gr.112730.110.
    """
    if region not in get_args(Region) or held_out_by not in get_args(Rank):
        raise InvdesignError(
            f"rrna16s: expected region {' or '.join(get_args(Region))} and held_out_by one of "
            f"{', '.join(get_args(Rank))}, got {region!r} and {held_out_by!r}. Correct them"
        )

    def read(paths: Sequence[Path]) -> Corpus[str]:
        return _read(paths[0], region, RANKS.index(held_out_by), max_designs, progress)

    return load_dataset(DATASET, path, read, is_pinned=is_pinned)


@cache
def region_columns(region: Region) -> tuple[int, ...]:
    """Return the columns of a region that at least half of the genes fill.

    Example:
        >>> len(region_columns("v4")), len(region_columns("all"))
        (253, 1475)
    """
    text = "".join(Path(__file__).with_name("rrna16s_columns.txt").read_text("ascii").split())
    first, end = REGIONS[region]
    return tuple(i for i in range(first, end) if text[i] == "1")


def _read(path: Path, region: Region, rank: int, max_designs: int | None, progress: Progress) -> Corpus[str]:
    columns, letters = region_columns(region), set(letters_of("dna")) | {GAP}
    found: dict[str, tuple[str, str]] = {}
    rejected: list[Rejection] = []
    rows = list(_rows(path))
    for number, (title, aligned) in enumerate(rows, start=1):
        if number % 500 == 1:
            progress("reading", number, len(rows))
        if len(aligned) != REGIONS["all"][1]:
            raise InvdesignError(
                f"{path}, row {number}: expected {REGIONS['all'][1]:,} columns, got {len(aligned):,}. Align the genes "
                "as those of the dataset are (NAST), without removing columns"
            )
        design = "".join(aligned[i] for i in columns).upper().replace(".", GAP).replace("U", "T")
        strange = sorted(set(design) - letters)
        if strange:
            reason = f"ambiguous letters {', '.join(strange)} in the region"
            rejected.append(Rejection(number, title, reason, "leave it out, or give the gene as it was sequenced"))
        elif design not in found:
            found[design] = _name(title, rank)
        else:
            reason = f"the same in this region as {found[design][0]}"
            rejected.append(Rejection(number, title, reason, "nothing to do"))
        if len(found) == max_designs:
            break
    return make_corpus(
        tuple(found),
        names=tuple(name for name, _ in found.values()),
        families=tuple(family for _, family in found.values()),
        rejected=tuple(rejected),
        name="rrna16s",
    )


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the title and the aligned letters of each record."""
    for record in decode_text(read_bytes(path)).split(">")[1:]:
        title, *lines = record.splitlines()
        yield title.strip(), "".join(line.strip() for line in lines)


def _name(title: str, rank: int) -> tuple[str, str]:
    """Return the name of a gene, and its family at a rank; the name where its taxonomy is not known."""
    identifier, _, taxonomy = title.partition(" ")
    ranks = taxonomy.split(";")
    if len(ranks) != len(RANKS):
        return identifier, identifier
    return f"{ranks[-1]} {identifier}", ";".join(ranks[: rank + 1])
