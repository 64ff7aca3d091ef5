"""Text files: plain or gzipped, of any usual encoding, with a cap on their size."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from invdesign.core import InvdesignError

MAX_BYTES = 500_000_000


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
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
