"""What files of all domains share: bytes and text, cells that no spreadsheet runs, a corpus with its checksum."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Array, Corpus, D, InvdesignError, Rejection

MOST_BYTES = 500_000_000


def unpacked(path: Path, *, max_bytes: int = MOST_BYTES) -> bytes:
    """The content of a plain or gzipped file, refused where it unpacks to more than `max_bytes`."""
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if is_packed else raw
            data = stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvdesignError(f"cannot read {path}: {error}. Check the path and that the file is whole") from error
    if len(data) > max_bytes:
        raise InvdesignError(
            f"{path}: more than {max_bytes:,} bytes unpacked; cut the file, or raise max_bytes if you trust it"
        )
    return data


def decode_text(data: bytes) -> str:
    """Bytes as text with `\\n` line ends: UTF-8 or UTF-16 by its byte order mark, otherwise what Windows writes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def written(value: Any) -> str:
    """A value as text; empty for None and NaN."""
    return "" if value is None or value != value else str(value)


def safe_cell(value: Any) -> str:
    """A table cell that no spreadsheet takes for a formula: text that looks like one is led by an apostrophe."""
    text = written(value)
    is_text = isinstance(value, str)
    return f"'{text}" if is_text and text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text


def plain_cell(text: str) -> str:
    """Take back what `safe_cell` did."""
    return text[1:] if len(text) > 1 and text[0] == "'" and text[1] in "=+-@\t\r'" else text


def corpus(
    designs: tuple[D, ...],
    *,
    properties: Mapping[str, Array] | None = None,
    weights: Array | None = None,
    rejected: tuple[Rejection, ...] = (),
    name: str,
    to_text: Callable[[D], str] = str,
) -> Corpus[D]:
    """A corpus with the checksum of its content: designs, properties and weights, but neither name nor rejections."""
    content = hashlib.sha256("\n".join(map(to_text, designs)).encode())
    for key in sorted(properties or {}):
        content.update(f"\n\0{key}\0".encode() + np.asarray((properties or {})[key], dtype="<f8").tobytes())
    if weights is not None:
        content.update(b"\n\0weights\0" + np.asarray(weights, dtype="<f8").tobytes())
    return Corpus(designs, dict(properties or {}), weights, rejected, name, content.hexdigest())
