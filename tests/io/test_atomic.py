"""Atomic writes, and records as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sameness import same

from invdesign.core import InvdesignError
from invdesign.io.atomic import probe, sha256_of, write_atomically
from invdesign.io.json_values import differences, from_plain, to_plain


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvdesignError, match="cannot write to the folder"):
        probe(tmp_path / "file" / "run")


def test_a_file_is_written_completely_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "list.csv"
    write_atomically(path, lambda temporary: temporary.write_text("one"))
    assert path.read_text() == "one" and sha256_of(path).startswith("7692c3ad")

    def fail_midway(temporary: Path) -> None:
        temporary.write_text("tw")
        raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        write_atomically(path, fail_midway)
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["list.csv"]


@dataclass(frozen=True)
class Leaf:
    x: float = 0.0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    maybe: Leaf | None = None
    number: float | None = None
    pair: tuple[int, str] = (0, "")
    table: dict[str, float] | None = None
    is_green: bool = False


leaves = st.builds(Leaf, st.floats(), st.lists(st.text()).map(tuple))
trees = st.builds(
    Tree,
    leaves,
    st.none() | leaves,
    st.none() | st.floats(),
    st.tuples(st.integers(), st.text()),
    st.none() | st.dictionaries(st.text(), st.floats()),
    st.booleans(),
)


@given(trees)
def test_every_record_is_the_same_after_strict_json(tree):
    text = json.dumps(to_plain(tree), allow_nan=False)
    restored = from_plain(Tree, json.loads(text))
    assert same(replace(restored, table=None), replace(tree, table=None))
    assert (restored.table is None) == (tree.table is None)
    assert same(tuple((restored.table or {}).values()), tuple((tree.table or {}).values()))


def test_numpy_numbers_become_plain_numbers_and_functions_are_errors():
    assert to_plain({"a": np.float64(1.5), "b": np.bool_(True), "c": np.arange(2), "d": Path("x")}) == {
        "a": 1.5,
        "b": True,
        "c": [0, 1],
        "d": "x",
    }
    with pytest.raises(TypeError, match="function"):
        to_plain(same)


def test_a_missing_field_keeps_its_default():
    assert from_plain(Leaf, {"x": "nan"}).names == ()


def test_differences_name_the_path():
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}, "d": [1]}) == ["a.c: 2 -> (removed)", "d: (new) -> [1]"]
