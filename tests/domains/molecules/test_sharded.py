"""Molecules of files that do not fit into memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.molecules.sharded import sharded

LINES = ["smiles name", "OCC ethanol", "C1CC", "# a comment", "CCO again", "c1ccccc1 benzene"]


def test_smiles_are_canonical_and_repeats_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "library.smi"
    path.write_text("\n".join(LINES))
    corpus = sharded(path, workers=1, cache=tmp_path)
    assert list(corpus.designs) == ["CCO", "c1ccccc1"]
    assert [each.row for each in corpus.rejected] == [3]
    assert corpus.name == "library"


def test_a_folder_of_files_is_one_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "a.smi").write_text("CCO\nCCN\n")
    (folder / "b.smi").write_text("CCC\nCCO\n")
    (folder / "notes.pdf").write_text("")
    assert list(sharded(folder, workers=1, canonical="trust", check_every=1, cache=tmp_path).designs) == [
        "CCO",
        "CCN",
        "CCC",
    ]


def test_trusted_smiles_that_are_not_canonical_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "library.smi"
    path.write_text("OCC\n" * 5)
    with pytest.raises(InvdesignError, match="canonical=parse"):
        sharded(path, workers=1, canonical="trust", check_every=1, cache=tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="expected a file that ends in"):
        sharded(tmp_path / "a.csv", cache=tmp_path)
