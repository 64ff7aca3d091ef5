"""Checks of a whole file of sequences before a row of it is used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Literal

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import LETTERS
from invdesign.domains.sequences.wild_type.notation import Residue, parse_variant
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.io.design_tables import Row

Chain = Literal["split"] | int | None

NUCLEOTIDES = frozenset("ACGTUN")
MIN_NUCLEOTIDE_SHARE = 0.95
MIN_NUCLEOTIDE_LENGTH = 20
"""Letters from which one row can be recognized as DNA; a file of shorter rows is checked by its letters together."""
MIN_NAMES = 3
MIN_NAME_SHARE = 0.25
MAX_NAME_LENGTH = 40
"""Characters of the longest entry that can be a name."""
MIN_RESIDUES = 3
"""Different named residues that a shift of the numbering must explain."""
MIN_FITTING = 0.95
MAX_FITTING = 0.8
"""Share of fitting rows above which the stated numbering is not doubted."""
MAX_POOLED = 1_000_000
"""Letters at the start of a file by whose frequencies all rows together are recognized as DNA."""
MAX_COLUMNS = 100_000
"""Letters of the longest row of an alignment."""
NO_INSERTIONS = str.maketrans("", "", ascii_lowercase + ".")
"""Deletes the letters and gaps of inserted columns (A2M)."""

_CHAINS = re.compile(r"[A-Za-z*.-]+(?:[/:|][A-Za-z*.-]+)+[/:|]?")
_MODIFIED_END = re.compile(r"^(?:ac|h|fmoc|boc|biotin|fitc|fam|myr|pal)-|-(?:nh2|oh|amide|cooh)$", re.IGNORECASE)


def looks_like_dna(text: str) -> bool:
    """Return whether a row of capital letters is DNA or RNA rather than a protein.

    Example:
        >>> looks_like_dna("ATGNACGTTAGCATCGATTACG"), looks_like_dna("GAGAGSGAGAGSGAGAGSGAGAGS"), looks_like_dna("ACGT")
        (True, False, False)
    """
    if len(text) < MIN_NUCLEOTIDE_LENGTH:
        return False
    n_nucleotides = sum(text.count(letter) for letter in NUCLEOTIDES)
    n_kinds = sum(text.count(letter) >= 0.05 * len(text) for letter in "ACGTU")
    return n_nucleotides >= MIN_NUCLEOTIDE_SHARE * len(text) and n_kinds >= 3


def reject_dna(path: Path, rows: Sequence[Row]) -> None:
    """Raise an error where most rows of a file that is read as proteins are DNA, or all of them together are.

    Raises:
        InvdesignError: The file holds DNA or RNA.
    """
    texts = [row.content.upper() for row in rows if row.content and not row.problem]
    n_like_dna = sum(map(looks_like_dna, texts))
    counts = Counter("".join(texts)[:MAX_POOLED])
    n_letters = sum(n for letter, n in counts.items() if letter.isalpha())
    n_nucleotides = sum(counts[letter] for letter in NUCLEOTIDES)
    is_pooled = (
        n_letters >= 2 * MIN_NUCLEOTIDE_LENGTH
        and n_nucleotides >= MIN_NUCLEOTIDE_SHARE * n_letters
        and all(counts[letter] >= 0.02 * n_letters for letter in "ACG")
        and counts["T"] + counts["U"] >= 0.02 * n_letters
    )
    if not texts or not (2 * n_like_dna >= len(texts) or is_pooled):
        return
    kind = "rna" if counts["U"] > counts["T"] else "dna"
    n = len(texts) if is_pooled else n_like_dna
    raise InvdesignError(
        f"{path}: expected proteins, got {kind.upper()}: {n:,} of {len(texts):,} rows have at least "
        f"{MIN_NUCLEOTIDE_SHARE:.0%} of A, C, G, {'U' if kind == 'rna' else 'T'} and N. Set kind: {kind} "
        f"(domain={kind}), or translate them; proteins of these letters are read with kind: {LETTERS['protein']}"
    )


def reject_names(path: Path, rows: Sequence[Row], kind: str) -> None:
    """Raise an error where the entries of a column or a list are names or words instead of sequences.

    Raises:
        InvdesignError: At least a quarter of the entries are names.
    """
    texts = [row.content for row in rows if row.content and row.form == "sequence" and not row.problem]
    names = [text for text in texts if _is_name(text, kind)]
    if len(names) < max(MIN_NAMES, MIN_NAME_SHARE * len(texts)):
        return
    shown = ", ".join(repr(name[:30]) for name in list(dict.fromkeys(names))[:4])
    raise InvdesignError(
        f"{path}: expected sequences, got names: {len(names):,} of {len(texts):,} entries are words or have digits or "
        f"letters that no sequence has, e.g. {shown}. Name the column of sequences: --column NAME, or sequence_column "
        "in a campaign"
    )


def divide_chains(path: Path, rows: Sequence[Row], chain: Chain, *, has_values: bool) -> list[Row]:
    """Return the rows with one chain each, where a row holds the chains of a complex divided by `/`, `:` or `|`.

    Args:
        path: Path of the file, for messages.
        rows: Rows of the file.
        chain: Number of the chain to read (from 1), `"split"` for every chain as a design of its own, or None.
        has_values: Whether measured values are read; they are of the whole complex, so its chains are not split.

    Raises:
        InvdesignError: Most rows hold several chains and none is chosen, or the choice is impossible.
    """
    if chain is not None and chain != "split" and (not isinstance(chain, int) or isinstance(chain, bool) or chain < 1):
        raise InvdesignError(f"chain must be 'split' or a number from 1, got {chain!r}")
    chains = [_chains(row) for row in rows]
    n_divided = sum(len(parts) > 1 for parts in chains)
    if not n_divided:
        return list(rows)
    if chain is None and 2 * n_divided >= len(rows):
        most = max(map(len, chains))
        mark = next(mark for parts, row in zip(chains, rows, strict=True) if len(parts) > 1 for mark in _marks(row))
        raise InvdesignError(
            f"{path}: {n_divided:,} of {len(rows):,} rows hold {most} chains, divided by {mark!r}. Choose the one to "
            "design with chain: 1 (or another number), or read each chain as a design with chain: split"
        )
    if chain == "split" and has_values:
        raise InvdesignError(
            f"{path}: expected chain: 1 (or another number) with measured values, got 'split': a value is of the whole "
            "complex, not of each chain"
        )
    return [single for row, parts in zip(rows, chains, strict=True) for single in _choose_chain(row, parts, chain)]


def check_numbering(path: Path, rows: Sequence[Row], wild_type: WildType) -> None:
    """Raise an error where the lists of mutations do not fit the numbering of the wild type.

    Raises:
        InvdesignError: The rows fit with another number of the first residue, or most do not fit the wild type.
    """
    named = [residues for residues in map(_named_residues, rows) if residues]
    n_fitting = _count_fitting(named, wild_type, 0)
    if not named or n_fitting >= MAX_FITTING * len(named):
        return
    n_wrong = len(named) - n_fitting
    shift = _best_shift(named, wild_type)
    n_shifted = 0 if shift is None else _count_fitting(named, wild_type, shift)
    wrong = f"{path}: {n_wrong:,} of {len(named):,} rows name another residue than {wild_type.name!r} has"
    if shift is not None and n_shifted >= MIN_FITTING * len(named):
        with_shift = f"each number changed by {shift:+d}" if wild_type.numbers else f"first: {wild_type.first - shift}"
        fitting = "all fit" if n_shifted == len(named) else f"all but {len(named) - n_shifted:,} fit"
        raise InvdesignError(
            f"{wrong}; with {with_shift} {fitting}. The first residue has the number {wild_type.number(0)} now: "
            "correct wild_type, or the file"
        )
    if len(named) >= 4 and 2 * n_fitting < len(named):
        raise InvdesignError(
            f"{wrong}, and no other number of its first residue makes them fit. Check the wild type and the numbering"
        )


def align_columns(rows: Sequence[Row], *, is_aligned: bool) -> list[Row]:
    """Return the rows with the form `"aligned"` where they are an alignment, whatever the suffix of the file.

    Rows are an alignment where they have gaps and one length. A padded alignment (A2M, aligned FASTA, Stockholm) gets
    `-` for every gap of its match columns, and nothing for a gap in a column of insertions.

    Args:
        rows: Rows of the file, their form `"sequence"`. They are returned as they are where one has more than 100,000
            letters: no design is so long.
        is_aligned: Whether the format is one of alignments.
    """
    texts = ["".join(row.content.split()) for row in rows]
    if max(map(len, texts), default=0) > MAX_COLUMNS:
        return list(rows)
    is_padded = len(texts) > 1 and len(set(map(len, texts))) == 1
    has_gaps = any("-" in text or "." in text for text in texts)
    n_matches = {len(text.translate(NO_INSERTIONS)) for text in texts}
    has_case = any(map(_has_mixed_case, texts))
    if not is_aligned and not (has_gaps and len(texts) > 1 and (is_padded or (has_case and len(n_matches) == 1))):
        return list(rows)
    if not is_padded:
        return [replace(row, form="aligned") for row in rows]
    if not has_case:
        # Lower case in a whole row is no mark of an insertion.
        texts = [text.upper() for text in texts]
    is_match = [not any(letter.islower() for letter in column) for column in zip(*texts, strict=True)]
    aligned = [
        "".join(
            ("-" if letter == "." else letter) if matches else letter.replace("-", "").replace(".", "")
            for letter, matches in zip(text, is_match, strict=True)
        )
        for text in texts
    ]
    return [replace(row, content=text, form="aligned") for row, text in zip(rows, aligned, strict=True)]


def reject_gaps(path: Path, rows: Sequence[Row]) -> None:
    """Raise an error where an alignment is read without a treatment of its gaps.

    Raises:
        InvdesignError: At least half of the rows of an alignment have gaps.
    """
    aligned = [row for row in rows if row.form == "aligned"]
    n_gapped = sum("-" in row.content for row in aligned)
    if len(aligned) > 1 and 2 * n_gapped >= len(aligned):
        raise InvdesignError(
            f"{path}: an alignment: {n_gapped:,} of {len(aligned):,} rows have gaps. Keep its columns with gaps: true "
            "(also domain.gaps=true), or read sequences without gaps with gaps: drop"
        )


def _has_mixed_case(text: str) -> bool:
    return any(map(str.islower, text)) and any(map(str.isupper, text))


def _is_name(text: str, kind: str) -> bool:
    bare = _MODIFIED_END.sub("", text.strip())
    if not bare or len(bare) > MAX_NAME_LENGTH:
        return False
    words = bare.split()
    letters = "".join(words)
    if re.search(r"\d", letters) and kind in LETTERS:
        # Blocks of ten letters may be numbered, and repeats of a chain be counted; names have the digits in the word.
        return not all(word.isdigit() or word.isalpha() for word in words) or len(words) == 1
    is_capitalized = all(word.isalpha() and word[0].isupper() and word[1:].islower() for word in words if len(word) > 2)
    if is_capitalized and any(len(word) > 2 for word in words):
        return True
    if len(words) > 1 and any(map(str.islower, letters)):
        return True
    return kind == "protein" and bool(set(letters.upper()) & set("BJOUZ_'()"))


def _chains(row: Row) -> list[str]:
    text = "".join(str(row.content).split())
    if row.form == "mutations" or row.problem or not _CHAINS.fullmatch(text):
        return [str(row.content)]
    return [part for part in re.split(r"[/:|]", text) if part]


def _marks(row: Row) -> Iterator[str]:
    return (letter for letter in str(row.content) if letter in "/:|")


def _choose_chain(row: Row, parts: Sequence[str], chain: Chain) -> list[Row]:
    if len(parts) < 2 and chain in (None, "split", 1):
        return [row]
    if chain is None:
        problem = f"{len(parts)} chains in one row; read with chain: 1 (or another number), or chain: split"
        return [replace(row, problem=problem)]
    if chain == "split":
        name = row.text.split(":")[0] if row.label else ""
        return [
            replace(row, content=part, label=f"{name} chain {i}: {part}".strip())
            for i, part in enumerate(parts, start=1)
        ]
    if chain > len(parts):
        return [replace(row, problem=f"{len(parts)} chains, so there is no chain {chain}")]
    return [replace(row, content=parts[chain - 1])]


def _named_residues(row: Row) -> list[tuple[int, str]]:
    """Return the numbers of residues with the letters that a list of mutations states for them."""
    if row.problem or row.form != "mutations":
        return []
    try:
        edits = parse_variant(row.content)
    except InvdesignError:
        return []
    named: Iterable[tuple[Residue, str]] = (pair for edit in edits for pair in edit.named_residues)
    return [(number, letter) for number, letter in named if isinstance(number, int)]


def _letters_by_number(wild_type: WildType) -> dict[int, str]:
    numbers = [wild_type.number(i) for i in range(len(wild_type.sequence))]
    return {n: letter for n, letter in zip(numbers, wild_type.sequence, strict=True) if isinstance(n, int)}


def _count_fitting(named: Sequence[Sequence[tuple[int, str]]], wild_type: WildType, shift: int) -> int:
    """Return how many rows name only residues of the wild type, with a constant added to each number."""
    own = _letters_by_number(wild_type)
    return sum(all(own.get(number + shift) == letter for number, letter in residues) for residues in named)


def _best_shift(named: Sequence[Sequence[tuple[int, str]]], wild_type: WildType) -> int | None:
    """Return the constant that makes most named residues fit, where they are enough to tell."""
    different = {pair for residues in named for pair in residues}
    if len(different) < MIN_RESIDUES:
        return None
    places: dict[str, list[int]] = {}
    for number, letter in _letters_by_number(wild_type).items():
        places.setdefault(letter, []).append(number)
    votes = Counter(place - number for number, letter in different for place in places.get(letter, ()))
    if not votes:
        return None
    shift, n_votes = max(votes.items(), key=lambda item: (item[1], -abs(item[0])))
    return shift if shift and n_votes >= MIN_RESIDUES else None
