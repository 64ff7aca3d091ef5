"""Oracles that look up measured values."""

import gzip

import numpy as np
import paths
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.oracles.lookup_oracles import sequence_table
from invdesign.testing import check_oracle

SHARED = paths.SHARED / "sequences"


def shared(name):
    if not (SHARED / name).exists():
        pytest.skip(f"needs {name} in ../shared/data")
    return SHARED / name


def test_values_are_looked_up_and_missing_ones_are_nan(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("name,sequence,y\na,ACD,1.5\nb,acde,2\nc,AAA,\nd,ACD,9\n\n")
    np.testing.assert_array_equal(
        sequence_table(["ACDE", "ACD", "AAA", "GGG"], path=path, column="y"), [2, 5.25, np.nan, np.nan]
    )
    check_oracle(lambda d: sequence_table(d, path=path, column="y"), ["ACDE", "GGG", "ACD"], m=1)


def test_a_dna_sequence_is_looked_up_by_either_strand(tmp_path):
    path = tmp_path / "sites.txt.gz"
    path.write_bytes(gzip.compress(b"8-mer\t8-mer\tE-score\nAAAC\tGTTT\t0.5\nAACC\tGGTT\t0.25\n"))
    given = {"path": path, "column": "E-score", "sequence_column": "8-mer"}
    np.testing.assert_array_equal(sequence_table(["AAAC", "GTTT"], **given), [0.5, np.nan])
    np.testing.assert_array_equal(
        sequence_table(["AAAC", "GTTT", "GGTT", "ACGT"], either_strand=True, **given), [0.5, 0.5, 0.25, np.nan]
    )


def test_a_changed_table_is_read_again(tmp_path):
    path = tmp_path / "mine.csv"
    for value in (1, 2):
        path.write_text(f"sequence,y\nACD,{value}\n{'#' * value},0\n")
        assert sequence_table(["ACD"], path=path, column="y")[0] == value
        path.unlink()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sequence,z\nACD,1\n", "no column 'y'"),
        ("seq,y\nACD,1\n", "no column 'sequence'"),
        ("sequence,y\nACD,one\n", "row 2: column 'y' has 'one', expected a number"),
        ("sequence,y\nACD,inf\n", "row 2: column 'y' has 'inf', infinite"),
        ("sequence,y\nACD\n", "row 2: 1 cells under 2 columns"),
        ("sequence,y\n", "expected rows below the header"),
        ("", "expected rows below the header"),
    ],
)
def test_invalid_tables_are_rejected_with_the_row(tmp_path, text, problem):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InvdesignError, match=problem):
        sequence_table(["ACD"], path=path, column="y")


def test_a_missing_table_is_rejected(tmp_path):
    with pytest.raises(InvdesignError, match="no such file"):
        sequence_table(["ACD"], path=tmp_path / "none.csv", column="y")


def test_gb1_values_are_relative_to_the_wild_type():
    given = {"path": shared("gb1_4site.csv.gz"), "column": "fitness", "sequence_column": "variant"}
    values = sequence_table(["VDGV", "FWAA", "ADGV", "VDG"], **given)
    np.testing.assert_allclose(values, [1, 8.76, 0.0619, np.nan], atol=5e-3)


def test_six6_has_a_value_for_every_8_mer():
    given = {"path": shared("SIX6_REF_R1_8mers.txt.gz"), "column": "E-score", "sequence_column": "8-mer"}
    np.testing.assert_array_equal(
        sequence_table(["AAAAAAAC", "GTTTTTTT", "TTTTTTTT"], either_strand=True, **given), [-0.12351, -0.12351, 0.03]
    )
    every = ["".join("ACGT"[i >> 2 * k & 3] for k in range(8)) for i in range(4**8)]
    assert np.isfinite(sequence_table(every, either_strand=True, **given)).all()
