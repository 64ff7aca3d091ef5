"""Alignment of single sequences to an aligned family."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.io.alignment import align_to_family


def family(n: int = 5) -> list[str]:
    draw = np.random.default_rng(0)
    ancestor = draw.integers(0, 4, 120)
    rows = [np.where(draw.random(120) < 0.1, draw.integers(0, 4, 120), ancestor) for _ in range(n)]
    texts = ["".join("ACGT"[letter] for letter in row) for row in rows]
    return [text[:40] + "--" + text[42:80] + ("-" if i % 2 else "G") + text[81:] for i, text in enumerate(texts)]


def test_members_without_gaps_return_to_their_columns() -> None:
    members = family()
    assert align_to_family([member.replace("-", "") for member in members], members) == members


def test_primers_at_the_ends_and_insertions_are_left_out() -> None:
    members = family()
    letters = members[2].replace("-", "")
    assert align_to_family([f"TTGCA{letters}CCATG"], members) == [members[2]]
    assert align_to_family([letters[:60] + "TTTT" + letters[60:]], members)[0].replace("-", "") != letters[:60] + "TTTT"
    assert len(align_to_family([letters[:60] + "TTTT" + letters[60:]], members)[0]) == 120


def test_a_part_of_a_gene_has_gaps_where_it_is_not_known() -> None:
    members = family()
    found = align_to_family([members[1][:60].replace("-", "")], members)[0]
    assert found[:60] == members[1][:60]
    assert set(found[62:]) == {"-"}


def test_a_family_of_several_lengths_is_refused() -> None:
    with pytest.raises(InvdesignError, match="aligned family"):
        align_to_family(["ACGT"], ["ACGT", "ACG"])
    assert align_to_family([""], ["ACGT"]) == ["----"]
