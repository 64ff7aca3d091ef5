"""Names that the user gave designs, and the accuracy of their values, in the files of an export."""

import torch

from invdesign.core import Candidate, Objective
from invdesign.export import export
from invdesign.io.tables import read_table


class Words:
    """Words as designs, written to .csv alone."""

    name = "words"

    def to_text(self, design):
        return design


def test_names_errors_and_censoring_are_columns_of_the_tables(tmp_path):
    given = Candidate("ab", "ab", torch.zeros(1), y=(0.5,), status="measured", name="mine 1", error=(0.1,), bound=(1,))
    other = Candidate("cd", "cd", torch.zeros(1), y=(0.7,), status="measured")
    export([given, other], Words(), [Objective("s", unit="nM")], tmp_path, history=[given, other])
    for name in ("candidates.csv", "evaluated.csv"):
        table = read_table(tmp_path / name)
        assert table["name"] == ["mine 1", ""] and table["censoring of s"] == [">", ""]
        assert table["standard error of measured s [nM]"] == ["0.1", ""]
    export([other], Words(), [Objective("s")], tmp_path)
    assert "name" not in read_table(tmp_path / "candidates.csv")
