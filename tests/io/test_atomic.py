"""Files appear whole or not at all, and records come back from plain JSON."""

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


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvdesignError, match="nothing can be written there"):
        probe(tmp_path / "file" / "run")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "list.csv"
    write_atomically(path, lambda beside: beside.write_text("one"))
    assert path.read_text() == "one" and sha256_of(path).startswith("7692c3ad")

    def half(beside: Path) -> None:
        beside.write_text("tw")
        raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        write_atomically(path, half)
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
def test_every_record_comes_back_from_strict_json(tree):
    text = json.dumps(to_plain(tree), allow_nan=False)
    back = from_plain(Tree, json.loads(text))
    assert same(replace(back, table=None), replace(tree, table=None))
    assert (back.table is None) == (tree.table is None)
    assert same(tuple((back.table or {}).values()), tuple((tree.table or {}).values()))


def test_numpy_numbers_become_plain_ones_and_functions_are_refused():
    assert to_plain({"a": np.float64(1.5), "b": np.bool_(True), "c": np.arange(2), "d": Path("x")}) == {
        "a": 1.5,
        "b": True,
        "c": [0, 1],
        "d": "x",
    }
    with pytest.raises(TypeError, match="function"):
        to_plain(same)


def test_a_field_that_an_older_file_lacks_keeps_its_default():
    assert from_plain(Leaf, {"x": "nan"}).names == ()


def test_differences_name_the_place():
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}, "d": [1]}) == ["a.c: 2 -> (gone)", "d: (new) -> [1]"]
