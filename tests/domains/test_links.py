"""Ways to find designs that belong together: a file of pairs, equal labels, matched pairs, one letter."""

from pathlib import Path

import pytest

from invdesign.core import Corpus, InvdesignError
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.matched_pairs import cores, matched_pairs
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.hamming import hamming
from invdesign.domains.shared_links import link_groups, pairs, same_label

CORPUS = Corpus(("Cc1ccccc1", "CCc1ccccc1", "Fc1ccccc1", "CCCCO"), labels={"plate": ("1", "2", "1", "")})


def links(found: object) -> set[tuple[int, ...]]:
    return {tuple(sorted(link)) for link in found.tolist()}  # type: ignore[attr-defined]


def test_molecules_that_differ_in_one_substituent_are_matched_pairs() -> None:
    assert links(matched_pairs(Molecules(), CORPUS)) == {(0, 1), (0, 2), (1, 2)}
    assert cores("c1ccccc1") == [] and cores("no molecule") == []


def test_sequences_that_differ_in_one_letter_are_linked() -> None:
    corpus = Corpus(("ACDE", "ACDF", "GCDE", "AAAA", "ACDEE"))
    assert links(hamming(Sequences("protein"), corpus)) == {(0, 1), (0, 2)}


def test_a_file_of_pairs_links_designs_of_the_corpus_and_leaves_others_out(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("first,second\nc1ccccc1C,Fc1ccccc1\nCCCCO,CCN\n")
    assert links(pairs(Molecules(), CORPUS, path=file)) == {(0, 2)}
    file.write_text("first,second\nCCN,CCO\n")
    with pytest.raises(InvdesignError, match="rows of two designs of the corpus"):
        pairs(Molecules(), CORPUS, path=file)
    file.write_text("first\nCCN\n")
    with pytest.raises(InvdesignError, match="expected two columns"):
        pairs(Molecules(), CORPUS, path=file)


def test_designs_of_one_label_are_linked_and_a_label_that_was_not_read_is_named() -> None:
    assert links(same_label(Molecules(), CORPUS, label="plate")) == {(0, 2)}
    with pytest.raises(InvdesignError, match=r"a label of the corpus \(plate\), got 'assay'"):
        same_label(Molecules(), CORPUS, label="assay")


def test_a_large_group_has_three_links_a_member() -> None:
    assert len(link_groups([range(100)])) == 300
