"""Cache of corpora that take long to parse or to generate: one file per corpus, checked by its sha256."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Corpus, D, InvdesignError, Rejection, ValueUsage
from invdesign.io.atomic import write_bytes
from invdesign.io.corpora import make_corpus
from invdesign.io.json_values import from_plain, to_plain

logger = logging.getLogger(__name__)


def cache_path(folder: str | Path, prefix: str, key: Mapping[str, Any]) -> Path:
    """Return the path of a cached corpus.

    Args:
        folder: Folder of the cache.
        prefix: Start of the file name, for people.
        key: Everything that determines the corpus, as JSON: checksums of the files, options, versions of libraries.

    Example:
        >>> cache_path("cache", "molecules", {"file": "abc", "max_designs": 10}).name
        'molecules-ac6565410219982e.json.gz'
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return Path(folder) / f"{prefix}-{digest[:16]}.json.gz"


def cached_corpus(
    path: Path | None,
    make: Callable[[], Corpus[D]],
    *,
    to_text: Callable[[D], str],
    from_text: Callable[[str], D],
) -> Corpus[D]:
    """Return the corpus of a cache file; where there is none or it is damaged, make the corpus and write the file.

    Args:
        path: Path of the cache file, see `cache_path`; None to make the corpus without a cache.
        make: Function that reads or generates the corpus.
        to_text: Exact text of a design.
        from_text: Inverse of `to_text`.

    Raises:
        InvdesignError: The corpus cannot be made. A file that cannot be written is a warning in the log.
    """
    if path is None:
        return make()
    corpus = load_corpus(path, to_text=to_text, from_text=from_text)
    if corpus is None:
        corpus = make()
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            save_corpus(corpus, path, to_text=to_text)
        except (InvdesignError, OSError) as error:
            logger.warning("the corpus is not cached: %s", error)
    return corpus


def load_corpus(path: Path, *, to_text: Callable[[D], str], from_text: Callable[[str], D]) -> Corpus[D] | None:
    """Return the corpus of a cache file, or None where there is no file or its content is damaged."""
    if not path.exists():
        return None
    try:
        state = json.loads(gzip.decompress(path.read_bytes()))
        weights = state["weights"]
        corpus = make_corpus(
            tuple(map(from_text, state["designs"])),
            properties={name: np.array(values, dtype=float) for name, values in state["properties"].items()},
            weights=None if weights is None else np.array(weights, dtype=float),
            rejected=tuple(Rejection(**rejection) for rejection in state["rejected"]),
            errors={name: np.array(values, dtype=float) for name, values in state.get("errors", {}).items()},
            bounds={name: np.array(values, dtype=float) for name, values in state.get("bounds", {}).items()},
            names=tuple(state.get("names", ())),
            usage=tuple(from_plain(ValueUsage, usage) for usage in state.get("usage", ())),
            labels={name: tuple(values) for name, values in state.get("labels", {}).items()},
            name=state["name"],
            to_text=to_text,
        )
        is_whole = bool(corpus.sha256 == state["sha256"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError, InvdesignError):
        return None
    return corpus if is_whole else None


def save_corpus(corpus: Corpus[D], path: Path, *, to_text: Callable[[D], str]) -> None:
    """Write a corpus to a cache file for `load_corpus`, atomically.

    Raises:
        InvdesignError: The file cannot be written.
    """
    state = {
        "designs": [to_text(design) for design in corpus.designs],
        "properties": {name: values.tolist() for name, values in corpus.properties.items()},
        "weights": None if corpus.weights is None else corpus.weights.tolist(),
        "rejected": [vars(rejection) for rejection in corpus.rejected],
        "errors": {name: values.tolist() for name, values in corpus.errors.items()},
        "bounds": {name: values.tolist() for name, values in corpus.bounds.items()},
        "names": list(corpus.names),
        "usage": to_plain(corpus.usage),
        "labels": {name: list(values) for name, values in corpus.labels.items()},
        "name": corpus.name,
        "sha256": corpus.sha256,
    }
    write_bytes(path, gzip.compress(json.dumps(state).encode(), compresslevel=3, mtime=0))


def content_sha256(path: Path) -> str:
    """Return a checksum of the content of a file, or of the names and contents of the files of a folder.

    Raises:
        InvdesignError: The file or folder cannot be read.
    """
    digest = hashlib.sha256()
    is_folder = path.is_dir()
    try:
        for file in sorted(path.iterdir()) if is_folder else [path]:
            if not file.is_file() and is_folder:
                continue
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
            digest.update((f"{file.name}\0".encode() if is_folder else b"") + content)
    except OSError as error:
        raise InvdesignError(f"{path}: cannot read the file ({error}). Check the path") from error
    return digest.hexdigest()
