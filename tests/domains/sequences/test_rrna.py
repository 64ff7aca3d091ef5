"""16S rRNA genes in the columns of one alignment."""

from __future__ import annotations

from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.io.rrna import region_columns, rrna16s

TAXONOMY = "Bacteria;Firmicutes;Bacilli;Bacillales;Bacillaceae;Bacillus"


def gene(letter: str, *, changed: str = "") -> str:
    columns = list("." * 3083)
    for i in region_columns("all"):
        columns[i] = letter
    for i, new in zip(region_columns("v4"), changed, strict=False):
        columns[i] = new
    return "".join(columns)


def write(path: Path, *records: tuple[str, str]) -> Path:
    path.write_text("".join(f">{title}\n{aligned}\n" for title, aligned in records))
    return path


def test_genes_are_cut_to_a_region_and_named_by_their_genus(tmp_path: Path) -> None:
    records = [("g1 " + TAXONOMY, gene("A")), ("g2 " + TAXONOMY, gene("C", changed="ACGT")), ("g3", gene("G"))]
    corpus = rrna16s(write(tmp_path / "genes.fasta", *records), is_pinned=False)
    assert [len(design) for design in corpus.designs] == [253] * 3
    assert corpus.designs[1].startswith("ACGTC")
    assert corpus.names == ("Bacillus g1", "Bacillus g2", "g3")
    assert corpus.families == (TAXONOMY, TAXONOMY, "g3")
    whole = rrna16s(tmp_path / "genes.fasta", region="all", held_out_by="phylum", is_pinned=False)
    assert len(whole.designs[0]) == 1475
    assert whole.families[0] == "Bacteria;Firmicutes"


def test_genes_that_cannot_be_used_are_rejected_with_the_reason(tmp_path: Path) -> None:
    records = [("g1", gene("A")), ("g2", gene("A")), ("g3", gene("A", changed="N"))]
    corpus = rrna16s(write(tmp_path / "genes.fasta", *records), is_pinned=False)
    assert [rejection.row for rejection in corpus.rejected] == [2, 3]
    assert "the same in this region as g1" in corpus.rejected[0].reason
    assert "ambiguous letters N" in corpus.rejected[1].reason


def test_other_columns_files_and_settings_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "genes.fasta", ("g1", "ACGT"))
    with pytest.raises(InvdesignError, match="3,083 columns"):
        rrna16s(path, is_pinned=False)
    with pytest.raises(InvdesignError, match="region"):
        rrna16s(path, region="v3", is_pinned=False)
    with pytest.raises(InvdesignError):
        rrna16s(path)
