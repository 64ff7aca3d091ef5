"""Text files, cells and corpora."""

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.io.cells import cell_text, plain_cell, safe_cell
from invdesign.io.corpora import make_corpus
from invdesign.io.text_files import decode_text, read_bytes


def test_unknown_values_are_empty_cells_and_no_cell_is_a_formula() -> None:
    assert [cell_text(value) for value in (None, math.nan, np.float32("nan"), "", 0, -1.5)] == [
        "",
        "",
        "",
        "",
        "0",
        "-1.5",
    ]
    assert safe_cell("=1+1") == "'=1+1" and plain_cell(safe_cell("=1+1")) == "=1+1" and safe_cell(-1.5) == "-1.5"


def test_gzipped_and_plain_files_read_the_same_and_long_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa\r\nb\r")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    assert [decode_text(read_bytes(tmp_path / name)) for name in ("a.csv", "a.csv.gz")] == ["a\nb\n"] * 2
    with pytest.raises(InvdesignError, match="more than 4 bytes unpacked"):
        read_bytes(tmp_path / "a.csv.gz", max_bytes=4)


def test_the_checksum_of_a_corpus_depends_on_its_content_and_not_on_its_name() -> None:
    one = make_corpus(("a", "b"), properties={"y": np.array([1.0, 2.0])}, name="one")
    assert one.sha256 == make_corpus(("a", "b"), properties={"y": np.array([1.0, 2.0])}, name="other").sha256
    assert one.sha256 != make_corpus(("a", "b"), properties={"y": np.array([1.0, 3.0])}, name="one").sha256
    assert make_corpus((1, 2), name="n", to_text=str).sha256 == make_corpus(("1", "2"), name="n").sha256
