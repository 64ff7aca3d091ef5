"""Sequences of files that do not fit into memory."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.io.files import read
from invdesign.domains.sequences.io.sharded import sharded

RECORDS = ">a first\nMKTAYI\nAKQR\n>b\nmktay\n>c\nMK1\n\n>d again\nMKTAYIAKQR\n>e\nGHHEAE*\n"


def test_records_of_several_lines_are_joined_and_repeats_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "library.fasta"
    path.write_text(RECORDS)
    corpus = sharded(path, workers=1, cache=tmp_path)
    assert list(corpus.designs) == ["MKTAYIAKQR", "MKTAY", "GHHEAE"] == list(read(path).designs)
    ((row, reason),) = [(each.row, each.reason) for each in corpus.rejected]
    assert row == 3 and "'1' at 3" in reason
    assert corpus.name == "library"


def test_records_are_not_divided_between_shards_or_processes(tmp_path: Path) -> None:
    sequences = ["ACGT" * (3 + i % 5) + "ACGT"[i % 4] * (i % 7 + 1) + format(i, "b").replace("0", "A").replace("1", "C")
                 for i in range(300)]  # fmt: skip
    path = tmp_path / "reads.fna.gz"
    lines = [f">read {i}\n" + "\n".join(text[k : k + 8] for k in range(0, len(text), 8)) + "\n"
             for i, text in enumerate(sequences)]  # fmt: skip
    path.write_bytes(gzip.compress("".join(lines).encode()))
    corpus = sharded(path, kind="dna", records_per_shard=40, workers=2, cache=tmp_path)
    assert list(corpus.designs) == list(dict.fromkeys(sequences))


def test_a_folder_of_one_format_is_one_corpus_and_two_formats_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "a.txt").write_text("MK-TA\nGGG\n")
    (folder / "b.txt").write_text("GGG\nMKT\n")
    (folder / "notes.pdf").write_text("")
    assert list(sharded(folder, gaps="drop", workers=1, cache=tmp_path).designs) == ["MKTA", "GGG", "MKT"]
    (folder / "c.fasta").write_text(">c\nMKV\n")
    with pytest.raises(InvdesignError, match="got others or both formats"):
        sharded(folder, workers=1, cache=tmp_path)
    with pytest.raises(InvdesignError, match="expected files that end in"):
        sharded(tmp_path / "a.csv", cache=tmp_path)
