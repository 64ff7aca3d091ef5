"""Datasets: location and checksum of files, download, and archives."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from invdesign.core import Corpus, InvdesignError
from invdesign.io import datasets
from invdesign.io.corpora import make_corpus
from invdesign.io.datasets import DataFile, DatasetSpec, download_dataset, extract_only_file, load_dataset

CONTENT = b"AC\nCA\n"
SPEC = DatasetSpec(
    name="pairs",
    files=(DataFile("pairs.txt", hashlib.sha256(CONTENT).hexdigest(), "2 words"),),
    source="a paper",
    licence="CC0",
    url="https://example.org/pairs.tar.gz",
)


def read(paths) -> Corpus[str]:
    return make_corpus(tuple(Path(paths[0]).read_text().split()), name="file")


def pack(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def serve(monkeypatch):
    """Replace the network: every download returns the given bytes."""

    def install(content):
        calls = []

        def open_url(url, timeout):
            calls.append(url)
            if isinstance(content, Exception):
                raise content
            return io.BytesIO(content)

        monkeypatch.setattr(datasets.urllib.request, "urlopen", open_url)
        return calls

    return install


def test_a_given_file_is_read_under_the_name_of_the_dataset(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(CONTENT)
    corpus = load_dataset(SPEC, path, read)
    assert corpus.designs == ("AC", "CA") and corpus.name == "pairs"


def test_a_missing_file_is_an_error_that_names_file_and_source(tmp_path):
    with pytest.raises(InvdesignError, match=r"pairs: no file is given\. Fetch pairs\.txt \(2 words\) from a paper"):
        load_dataset(SPEC, None, read)
    with pytest.raises(InvdesignError, match=r"no such file .*none.txt"):
        load_dataset(SPEC, tmp_path / "none.txt", read)


def test_a_file_of_other_content_is_rejected_unless_it_is_not_pinned(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(b"DE\n")
    with pytest.raises(InvdesignError, match=r"expected the sha256 .* got .*is_pinned=false"):
        load_dataset(SPEC, path, read)
    assert load_dataset(SPEC, path, read, is_pinned=False).designs == ("DE",)


def test_a_dataset_is_downloaded_once(tmp_path, serve):
    calls = serve(pack((tarfile.TarInfo("pairs.txt"), CONTENT)))
    for _ in range(2):
        assert load_dataset(SPEC, None, read, cache=tmp_path).designs == ("AC", "CA")
    assert calls == [SPEC.url]
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OSError("no network"), "cannot download .*no network.* Pass the file itself"),
        (pack((tarfile.TarInfo("pairs.txt"), b"other")), "expected sha256"),
        (b"plain", "not a gzipped tar"),
    ],
)
def test_a_failed_download_is_an_error_and_leaves_no_file(tmp_path, serve, content, message):
    serve(content)
    with pytest.raises(InvdesignError, match=message):
        download_dataset(SPEC, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_download_that_is_too_long_is_rejected(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(datasets, "MAX_DOWNLOAD", 3)
    serve(pack((tarfile.TarInfo("pairs.txt"), CONTENT)))
    with pytest.raises(InvdesignError, match="longer than 3 bytes"):
        download_dataset(SPEC, tmp_path)


def test_an_archive_gives_its_one_plain_file():
    assert extract_only_file(pack((tarfile.TarInfo("../../etc/passwd"), b"CCO\n"))) == b"CCO\n"


def test_links_many_files_bombs_and_nonsense_are_rejected():
    link = tarfile.TarInfo("x")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(InvdesignError, match="one plain file"):
        extract_only_file(pack((link, b"")))
    with pytest.raises(InvdesignError, match="2 members"):
        extract_only_file(pack((tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("b"), b"2")))
    with pytest.raises(InvdesignError, match="unpacks to more"):
        extract_only_file(pack((tarfile.TarInfo("a"), b"0" * 1_000_000)))
    with pytest.raises(InvdesignError, match="not a gzipped tar"):
        extract_only_file(b"plain")
