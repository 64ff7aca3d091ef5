"""Requests in words: which statements a text makes about a design, and which words are unknown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

FILLERS = frozenset(
    (
        *("a", "an", "the", "with", "of", "that", "is", "are", "has", "have", "having", "which", "and", "but", "also"),
        *("very", "rather", "quite", "containing", "contains", "contain", "based", "type", "group", "groups"),
        *("compound", "compounds", "crystal", "crystals", "molecule", "molecules", "sequence", "sequences", "peptide"),
        *("peptides", "protein", "proteins", "material", "materials", "structure", "structures", "design", "designs"),
        *("sample", "samples"),
    )
)
"""Words that state nothing."""
NEGATIONS = frozenset(("no", "not", "without", "lacking", "non", "free of"))


@dataclass(frozen=True)
class Request:
    """Conditions that a text states."""

    wanted: tuple[str, ...]
    """Statements that are to hold."""
    unwanted: tuple[str, ...]
    """Statements that are not to hold."""
    unknown: Mapping[str, tuple[str, ...]]
    """Words that are no statement, each with the statements that are spelled alike."""


def parse_request(text: str, statements: Collection[str], synonyms: Mapping[str, str]) -> Request:
    """Return the conditions that a text states; a word that is unknown is named, not guessed.

    Phrases are separated by commas; "no", "without", "-free" and the like negate.

    Args:
        text: A description, e.g. `"lithium-free layered oxide, large cell"`.
        statements: The statements that are known.
        synonyms: Other words for a statement; `"no ..."` for its absence.

    Example:
        >>> found = parse_request("Lithium-free layered oxides, no magnetic", {"lithium", "layered", "oxide"}, {})
        >>> found.wanted, found.unwanted, dict(found.unknown)
        (('layered', 'oxide'), ('lithium',), {'magnetic': ()})
    """
    wanted: dict[str, None] = {}
    unwanted: dict[str, None] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    known = {statement: statement for statement in statements} | dict(synonyms)
    longest = max((len(phrase.split()) for phrase in known), default=1)
    for part in re.split(r"[,;.]", text.lower()):
        words = part.split()
        is_negated = False
        while words:
            n, statement = _match(words, known, longest)
            if n:
                words = words[n:]
                is_absent = is_negated
            elif words[0] in NEGATIONS:
                is_negated, words = True, words[1:]
                continue
            else:
                stem, is_absent = _split_suffix(words.pop(0))
                n, statement = _match(stem.split(), known, longest)
                is_absent ^= is_negated
                if not n:
                    if stem not in FILLERS:
                        close = difflib.get_close_matches(stem, known, n=3)
                        unknown[stem] = tuple(dict.fromkeys(known[name] for name in close))
                    continue
            if statement.startswith("no ") and statement not in statements:
                statement, is_absent = statement[3:], not is_absent
            if statement in statements:
                (unwanted if is_absent else wanted)[statement] = None
            else:
                unknown[statement] = ()
    return Request(tuple(wanted), tuple(unwanted), unknown)


def _match(words: list[str], known: Mapping[str, str], longest: int) -> tuple[int, str]:
    """Return how many of the first words are the longest known phrase, and its statement; 0 where none is."""
    for n in range(min(longest, len(words)), 0, -1):
        phrase = " ".join(words[:n])
        for tried in (phrase, phrase.removesuffix("s"), phrase.removesuffix("es")):
            if tried in known:
                return n, known[tried]
    return 0, ""


def _split_suffix(word: str) -> tuple[str, bool]:
    """Return a word without what says that something is there or not, and whether it is not."""
    for suffix in ("-free", "-less"):
        if word.endswith(suffix):
            return word.removesuffix(suffix), True
    if word.startswith("non-"):
        return word.removeprefix("non-"), True
    for suffix in ("-containing", "-rich", "-based", "-bearing"):
        word = word.removesuffix(suffix)
    return word, False
