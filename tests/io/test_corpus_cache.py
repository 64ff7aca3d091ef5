"""The cache of corpora: exact round trip, damaged files, keys."""

import gzip

import numpy as np
import pytest

from invdesign.core import InvdesignError, Rejection
from invdesign.io.corpora import make_corpus
from invdesign.io.corpus_cache import cache_path, cached_corpus, content_sha256, load_corpus, save_corpus


def make():
    return make_corpus(
        (3, 14),
        properties={"y": np.array([0.1 + 0.2, np.nan])},
        weights=np.array([1 / 3, 2.0]),
        rejected=(Rejection(2, "x", "no number", "write one"),),
        name="numbers",
        to_text=str,
    )


def test_a_corpus_is_the_same_after_saving_and_loading(tmp_path):
    path = tmp_path / "cache" / "a.json.gz"
    save_corpus(make(), path, to_text=str)
    corpus = load_corpus(path, to_text=str, from_text=int)
    assert corpus is not None
    assert corpus.designs == (3, 14) and corpus.name == "numbers" and corpus.sha256 == make().sha256
    assert corpus.rejected == make().rejected
    np.testing.assert_array_equal(corpus.properties["y"], make().properties["y"])
    np.testing.assert_array_equal(corpus.weights, make().weights)


def test_a_corpus_is_made_once_and_again_where_its_file_is_damaged(tmp_path):
    path = tmp_path / "a.json.gz"
    calls = []

    def count():
        calls.append(1)
        return make()

    for _ in range(2):
        cached_corpus(path, count, to_text=str, from_text=int)
    assert len(calls) == 1
    whole = path.read_bytes()
    tampered = gzip.compress(gzip.decompress(whole).replace(b"14", b"15"))
    broken = whole[:30] + bytes(byte ^ 0xFF for byte in whole[30:40]) + whole[40:]
    for n, damage in enumerate((b"", b"not gzip", whole[:40], tampered, broken), start=2):
        path.write_bytes(damage)
        assert cached_corpus(path, count, to_text=str, from_text=int).designs == (3, 14)
        assert len(calls) == n and path.read_bytes() == whole


def test_without_a_path_nothing_is_cached():
    assert cached_corpus(None, make, to_text=str, from_text=int).designs == (3, 14)


def test_the_path_depends_on_every_part_of_the_key_and_not_on_their_order(tmp_path):
    path = cache_path(tmp_path, "numbers", {"a": 1, "b": None})
    assert path.parent == tmp_path and path.name.startswith("numbers-")
    assert path == cache_path(tmp_path, "numbers", {"b": None, "a": 1})
    assert path != cache_path(tmp_path, "numbers", {"a": 2, "b": None})


def test_the_checksum_follows_the_content_of_files_and_folders(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("1")
    assert content_sha256(tmp_path / "one") == content_sha256(tmp_path / "two")
    assert content_sha256(tmp_path / "one" / "a.txt") == content_sha256(tmp_path / "two" / "a.txt")
    (tmp_path / "two" / "a.txt").rename(tmp_path / "two" / "b.txt")
    assert content_sha256(tmp_path / "one") != content_sha256(tmp_path / "two")
    with pytest.raises(InvdesignError, match="cannot read"):
        content_sha256(tmp_path / "none")
