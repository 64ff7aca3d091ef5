"""Links between designs of any domain: pairs in a file, and equal labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from invdesign.core import Corpus, D, Domain, InvdesignError
from invdesign.io.cells import plain_cell
from invdesign.io.design_tables import table_rows, table_text

Links = npt.NDArray[np.int64]
N_PARTNERS = 3
"""Other members of a group that each member is linked to."""


def pairs(domain: Domain[D, Any], corpus: Corpus[D], *, path: str | Path) -> Links:
    """Return the links that a table lists: two designs a row, in its first two columns.

    Args:
        domain: Reads and identifies designs.
        corpus: Designs that are linked; a row with another design is left out.
        path: The table, with a header.

    Raises:
        InvdesignError: The table has one column, or no row of it links two designs of the corpus.
    """
    known = {domain.key(design): row for row, design in enumerate(corpus.designs)}
    file = Path(path)
    found = []
    for first, second in _cells(file):
        rows = [known.get(_key(domain, text), -1) for text in (first, second)]
        if min(rows) >= 0:
            found.append(rows)
    if not found:
        raise InvdesignError(
            f"{file}: expected rows of two designs of the corpus, got none. Check the first two columns and how the "
            "designs are written"
        )
    return np.array(found, dtype=np.int64)


def same_label(domain: Domain[D, Any], corpus: Corpus[D], *, label: str, seed: int = 0) -> Links:
    """Return links between designs of one label, e.g. of one plate: each to three others of its group, at random.

    Args:
        domain: The kind of designs.
        corpus: Has the label; read it with `corpus.labels=[LABEL]`.
        label: Name of the label.
        seed: Seed of the links.

    Raises:
        InvdesignError: The corpus has no such label.
    """
    if label not in corpus.labels:
        raise InvdesignError(
            f"vae.neighbours: expected a label of the corpus ({', '.join(corpus.labels) or 'none'}), got {label!r}. "
            f"Have its column read: corpus.labels=[{label}]"
        )
    groups: dict[str, list[int]] = {}
    for row, value in enumerate(corpus.labels[label]):
        if value:
            groups.setdefault(value, []).append(row)
    return link_groups(groups.values(), seed=seed)


def link_groups(groups: Iterable[Sequence[int]], *, seed: int = 0) -> Links:
    """Return links within groups: each member, in random order, to the next three of its group.

    All pairs of a group of m would be m^2 / 2 links, and its largest groups would decide the space.

    Args:
        groups: Rows of each group.
        seed: Seed of the order.

    Example:
        >>> link_groups([[0, 1], [2]]).tolist()
        [[0, 1]]
    """
    generator = np.random.default_rng(seed)
    found: set[tuple[int, int]] = set()
    for group in groups:
        order = generator.permutation(np.asarray(group)).tolist()
        for step in range(1, min(N_PARTNERS, len(order) - 1) + 1):
            found.update((min(a, b), max(a, b)) for a, b in zip(order, order[step:] + order[:step], strict=True))
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def _cells(path: Path) -> list[tuple[str, str]]:
    """Return the first two cells of each row of a table."""
    headings: list[str] = []

    def take_first(header: Sequence[str]) -> tuple[int, str]:
        headings.extend(header)
        return 0, ""

    found: list[tuple[str, str]] = []

    def keep(content: str, cells: Sequence[str]) -> str:
        found.append((content, plain_cell(cells[1].strip()) if len(cells) > 1 else ""))
        return content

    for _ in table_rows(path, table_text(path), find_design=take_first, columns=(), label=keep):
        pass
    if len(headings) < 2:
        raise InvdesignError(f"{path}: expected two columns of designs, got {len(headings)}. Add the second one")
    return found


def _key(domain: Domain[D, Any], text: str) -> str:
    """Return the key of a design; empty where the text is none."""
    try:
        return domain.key(domain.from_text(text))
    except InvdesignError:
        return ""
