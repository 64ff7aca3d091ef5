"""Reading of design files into shards on disk."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from invdesign.core import Corpus, InvdesignError
from invdesign.io.ragged_shards import shard_path
from invdesign.io.shard_writer import LineReader, store_corpus
from invdesign.io.stored_designs import StoredDesigns


def parse(line: str) -> tuple[str | None, str]:
    if not line.isalpha():
        return None, f"not a word: {line}" if line else ""
    return line.upper(), ""


def take(line: str) -> tuple[str | None, str]:
    return (line, "") if line else (None, "")


def words(n: int) -> list[str]:
    return ["".join("abcdefghij"[int(digit)] for digit in str(i)) for i in range(n)]


def store(path: Path, folder: Path, reader: LineReader | None = None, workers: int = 1) -> Corpus[str]:
    reader = reader or LineReader(parse)
    return store_corpus([path], reader, folder, name="w", noun="word", workers=workers, lines_per_shard=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lines = words(250)
    lines[7] = "1,2"
    lines[210] = lines[3]
    path = tmp_path / "words.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_designs_are_those_of_the_file_without_repeats_and_invalid_lines(path: Path, tmp_path: Path) -> None:
    corpus = store(path, tmp_path / "a")
    expected = [w.upper() for i, w in enumerate(words(250)) if i not in (7, 210)]
    assert list(corpus.designs) == expected
    assert [corpus.designs[i] for i in (0, -1, 120)] == [expected[i] for i in (0, -1, 120)]
    assert corpus.designs[5:200:40] == tuple(expected[5:200:40])
    assert isinstance(corpus.designs, StoredDesigns)
    assert corpus.designs.take(np.array([230, 2, 101])) == [expected[i] for i in (230, 2, 101)]
    assert [(each.row, each.reason) for each in corpus.rejected] == [(8, "not a word: 1,2")]
    with pytest.raises(IndexError):
        corpus.designs[248]


def test_members_are_found_by_their_hash(path: Path, tmp_path: Path) -> None:
    designs = store(path, tmp_path / "a").designs
    assert "BC" in designs
    assert "bc" not in designs
    assert 3 not in designs


def test_several_processes_and_a_packed_file_give_the_same_corpus(path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "words.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    one, two = store(path, tmp_path / "a"), store(packed, tmp_path / "b", workers=2)
    assert list(one.designs) == list(two.designs)
    assert one.sha256 == two.sha256


def test_an_interrupted_reading_keeps_whole_shards_and_writes_the_others_again(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    whole = store(path, folder)
    written = shard_path(folder, 0).stat().st_mtime_ns
    (folder / "index.json").unlink()
    shard_path(folder, 1).unlink()
    shard_path(folder, 2).write_bytes(shard_path(folder, 2).read_bytes()[:-9])
    again = store(path, folder)
    assert list(again.designs) == list(whole.designs)
    assert again.sha256 == whole.sha256
    assert shard_path(folder, 0).stat().st_mtime_ns == written


def test_a_corpus_with_a_damaged_shard_is_stored_again(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    store(path, folder)
    shard_path(folder, 1).write_bytes(b"")
    assert len(store(path, folder)) == 248


def test_trusted_lines_are_taken_as_written_and_some_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(w.upper() for w in words(250)))
    assert list(store(path, tmp_path / "a", LineReader(parse, take, 10)).designs) == [w.upper() for w in words(250)]
    path.write_text("\n".join(words(250)))
    with pytest.raises(InvdesignError, match=r"got 25 of 25 checked lines.*canonical=parse"):
        store(path, tmp_path / "b", LineReader(parse, take, 10))


def test_a_file_without_designs_names_the_first_rejected_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("1\n2\n")
    with pytest.raises(InvdesignError, match=r"at least one word, got none \(line 1: not a word: 1\)"):
        store(path, tmp_path / "a")
