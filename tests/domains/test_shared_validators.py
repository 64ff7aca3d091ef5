"""Validators for designs of any kind."""

import numpy as np
import pytest

from invdesign.core import Corpus, InvdesignError
from invdesign.domains import shared_validators


class Words:
    """A domain of words that counts how often it reads a file."""

    formats = (".txt",)

    def __init__(self):
        self.n_read = 0

    def write(self, designs, path, *, columns=None):
        raise NotImplementedError

    def read(self, path):
        self.n_read += 1
        return Corpus(designs=tuple(path.read_text().split()))

    def key(self, design):
        return design.lower()


def test_an_excluded_design_is_not_novel():
    excluded, new = shared_validators.novel(["a", "b"], excluded_keys={"a"}, against="seeds")
    assert (excluded.name, excluded.passed, excluded.detail) == ("novel_seeds", False, "in the seeds")
    assert new.passed


def test_novelty_to_a_file_reads_it_once_and_compares_keys_of_the_domain(tmp_path):
    path = tmp_path / "made.txt"
    path.write_text("Ant bee")
    words = Words()
    for _ in range(2):
        checks = shared_validators.novel_to_file(["ANT", "cow"], path=path, domain=words)
        assert [check.passed for check in checks] == [False, True]
        assert checks[0].name == "novel_made"
    assert words.n_read == 1
    with pytest.raises(InvdesignError, match="no such file"):
        shared_validators.novel_to_file(["a"], path=tmp_path / "none.txt", domain=words)


def test_only_the_first_design_of_a_key_is_unique():
    checks = shared_validators.unique(["a", "b", "A"], key=str.lower)
    assert [check.passed for check in checks] == [True, True, False]
    assert checks[2].detail == "the same as number 1"


def test_a_low_or_unknown_density_percentile_fails():
    checks = shared_validators.min_plausibility([0.5, 1.0, float("nan")], min=1)
    assert [check.passed for check in checks] == [False, True, False]


def test_a_window_on_the_values_of_an_oracle():
    checks = shared_validators.property_window(
        [1.0, 5.0, np.nan], oracle=lambda x: np.array(x), name="size", min=0, max=3
    )
    assert [check.passed for check in checks] == [True, False, False]
    assert checks[1].detail == "5, allowed 0 to 3"
    assert shared_validators.property_window([], oracle=lambda x: np.array(x), name="size") == []
    with pytest.raises(InvdesignError, match="expected 1 values"):
        shared_validators.property_window([1.0], oracle=lambda x: np.ones((1, 2)), name="size")
