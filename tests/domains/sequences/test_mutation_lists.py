"""Rows of tokens that list the mutations of a wild type."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.testing import check_domain
from invdesign.vae.tokens import END, PAD

WILD_TYPE = WildType("MKTAYIAKQR")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
DOMAIN = Sequences(length="fixed", wild_type=WILD_TYPE, representation="mutations")


def variants(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    designs = []
    for _ in range(n):
        letters = list(WILD_TYPE.sequence)
        for i in rng.choice(len(letters), rng.integers(0, 5), replace=False):
            letters[i] = rng.choice(list(LETTERS))
        designs.append("".join(letters))
    return designs


def test_variants_come_back_from_their_lists_of_mutations() -> None:
    designs = variants(200)
    encoding = DOMAIN.fit(designs)
    assert encoding.shape.length == 2 * encoding.n_mutations + 1
    assert encoding.decode(encoding.encode(designs)) == designs
    assert encoding.errors(designs) == [""] * len(designs)
    assert not encoding.shape.has_fixed_length
    assert DOMAIN.restore(encoding.state()) == encoding
    check_domain(DOMAIN, sorted(set(designs)))


def test_a_variant_with_more_mutations_than_a_row_holds_is_named() -> None:
    encoding = DOMAIN.fit([WILD_TYPE.sequence, "MKTAYIAKQA"])
    (error,) = encoding.errors(["AAAAAAAAAA"])
    assert error == "8 mutations, more than the 2 of a row"


@pytest.mark.parametrize("tokens", [[3], [13, 3], [3, 4], [3, 13, 13]])
def test_a_row_that_is_no_list_of_mutations_is_no_design(tokens: list[int]) -> None:
    encoding = DOMAIN.fit(variants(50))
    row = torch.full((1, encoding.shape.length), PAD)
    row[0, : len(tokens)] = torch.tensor(tokens)
    row[0, len(tokens)] = END
    assert encoding.decode(row) == [None]


def test_limits_of_the_design_task_hold_for_decoded_lists() -> None:
    encoding = replace(DOMAIN, fixed=(1,)).fit(["MKTAYIAKQA"])
    assert encoding.decode(encoding.encode(["AKTAYIAKQR"])) == [WILD_TYPE.sequence]


def test_lists_of_mutations_need_a_wild_type_of_the_same_length() -> None:
    with pytest.raises(InvdesignError, match="needs a wild type and length='fixed', got length=None and no wild type"):
        Sequences(representation="mutations")
    with pytest.raises(InvdesignError, match="must be one of letters, mutations, got 'words'"):
        Sequences(representation="words")  # type: ignore[arg-type]


def test_a_model_of_another_wild_type_is_refused() -> None:
    state = DOMAIN.fit(variants(50)).state()
    with pytest.raises(InvdesignError, match="another wild type"):
        replace(DOMAIN, wild_type=WildType("MKTAYIAKQA")).restore(state)
