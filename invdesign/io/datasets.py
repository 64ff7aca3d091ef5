"""Published datasets as records: which files they are, where they come from, and a loader that checks them."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from invdesign.core import Corpus, D, InvdesignError
from invdesign.io.atomic import sha256_of, write_bytes
from invdesign.io.text_files import Paths, list_paths, read_bytes

MAX_DOWNLOAD = 50_000_000
MAX_UNPACKED = 100_000_000
MAX_COMPRESSION_RATIO = 50
MIN_UNPACKED_LIMIT = 100_000
TIMEOUT = 60


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset."""

    name: str
    """Name of the file at its origin."""
    sha256: str
    """Checksum of the unpacked content."""
    content: str
    """What the file contains, for people, e.g. `"3,787 crystals"`."""


@dataclass(frozen=True)
class DatasetSpec:
    """Description of a published dataset."""

    name: str
    """Name of the corpus."""
    files: tuple[DataFile, ...]
    """Files that may be given, alone or together."""
    source: str
    """Publication or repository that the files come from."""
    licence: str
    """Licence of the data, as their source states it."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Measured properties: name -> column of the file."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units of the properties by name; a property without an entry is a plain number."""
    url: str = ""
    """Address of a gzipped tar with the one file; empty for a dataset whose file must be given."""


def load_dataset(
    spec: DatasetSpec,
    path: Paths | None,
    read: Callable[[Sequence[Path]], Corpus[D]],
    *,
    is_pinned: bool = True,
    cache: Path | None = None,
) -> Corpus[D]:
    """Return the corpus of a dataset: locate its files, check their content, and read them.

    Args:
        spec: Description of the dataset.
        path: One file or several; without it, a dataset with a `url` is downloaded into `cache`.
        read: Function that reads the files.
        is_pinned: Reject files whose sha256 is not in `spec.files`.
        cache: Folder for the download.

    Raises:
        InvdesignError: No file is given, a file does not exist, or its content differs.
    """
    if path is None and spec.url and cache is not None:
        paths = [download_dataset(spec, cache)]
    else:
        paths = locate_files(spec, path)
        if is_pinned:
            check_files(spec, paths)
    corpus = read(paths)
    usage = tuple(replace(each, unit=each.unit or spec.units.get(each.name, "")) for each in corpus.usage)
    return replace(corpus, name=spec.name, usage=usage)


def locate_files(spec: DatasetSpec, path: Paths | None) -> list[Path]:
    """Return the given files of a dataset.

    Raises:
        InvdesignError: No file is given, or a file does not exist.
    """
    paths = list_paths(path)
    if not paths:
        raise InvdesignError(f"{spec.name}: no file is given. {_remedy(spec)}")
    for file in paths:
        if not file.is_file():
            raise InvdesignError(f"{spec.name}: no such file {file}. {_remedy(spec)}")
    return paths


def check_files(spec: DatasetSpec, paths: Sequence[Path]) -> None:
    """Check that the content of files is that of the dataset.

    Raises:
        InvdesignError: The sha256 of a file is not one of the dataset.
    """
    expected = [file.sha256 for file in spec.files]
    for path in paths:
        digest = hashlib.sha256(read_bytes(path)).hexdigest()
        if digest not in expected:
            raise InvdesignError(
                f"{spec.name}: {path}: expected the sha256 {' or '.join(expected)} of the unpacked content, got "
                f"{digest}. {_remedy(spec)}; or, for another version or split, pass corpus.is_pinned=false"
            )


def download_dataset(spec: DatasetSpec, folder: Path) -> Path:
    """Download the file of a dataset into a folder, unless it is there, check its sha256, and return its path.

    Args:
        spec: Description of a dataset with one file and a `url`.
        folder: Folder of the download.

    Raises:
        InvdesignError: The download fails, or its content is not that of the dataset.
    """
    (file,) = spec.files
    path = folder / file.name
    if path.exists() and sha256_of(path) == file.sha256:
        return path
    remedy = f"Pass the file itself: corpus.path=/path/to/{file.name}"
    try:
        with urllib.request.urlopen(spec.url, timeout=TIMEOUT) as response:
            packed = response.read(MAX_DOWNLOAD + 1)
    except (urllib.error.URLError, OSError) as error:
        raise InvdesignError(f"{spec.name}: cannot download {spec.url} ({error}). {remedy}") from error
    if len(packed) > MAX_DOWNLOAD:
        raise InvdesignError(f"{spec.name}: {spec.url} is longer than {MAX_DOWNLOAD:,} bytes. {remedy}")
    content = extract_only_file(packed)
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise InvdesignError(f"{spec.name}: {spec.url}: expected sha256 {file.sha256}, got {digest}. {remedy}")
    return write_bytes(path, content)


def extract_only_file(packed: bytes, *, max_bytes: int = MAX_UNPACKED, max_ratio: int = MAX_COMPRESSION_RATIO) -> bytes:
    """Return the content of the one plain file in a gzipped tar.

    Nothing is written, so no name can lead out of a folder. Links, devices and further files are rejected.

    Args:
        packed: Content of the archive.
        max_bytes: Largest size of the unpacked archive [bytes].
        max_ratio: Largest ratio of unpacked to packed size, for archives that unpack to more than 100 kB.

    Raises:
        InvdesignError: The archive is damaged or too large, or does not contain exactly one plain file.
    """
    limit = min(max_bytes, max(MIN_UNPACKED_LIMIT, max_ratio * len(packed)))
    try:
        with gzip.GzipFile(fileobj=BytesIO(packed)) as stream:
            raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise InvdesignError(f"archive: expected at most {limit:,} bytes, unpacks to more. Check its origin")
        with tarfile.open(fileobj=BytesIO(raw), mode="r:") as archive:
            members = archive.getmembers()
            content = archive.extractfile(members[0]) if len(members) == 1 and members[0].isreg() else None
            if content is None:
                names = ", ".join(member.name for member in members[:5])
                raise InvdesignError(
                    f"archive: expected one plain file, got {len(members)} members: {names}. Check its origin"
                )
            return content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InvdesignError(f"archive: not a gzipped tar ({error}). Check its origin") from error


def _remedy(spec: DatasetSpec) -> str:
    files = " or ".join(f"{file.name} ({file.content})" for file in spec.files)
    return f"Fetch {files} from {spec.source}, and pass it: corpus.path=/path/to/the_file"
