"""Text files: plain or gzipped, in any usual encoding, with a limit on their size."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from invdesign.core import InvdesignError

Paths = str | Path | Sequence[str | Path]
"""One path or several."""

MAX_BYTES = 500_000_000


def list_paths(path: Paths | None) -> list[Path]:
    """Return one path or several as a list; an empty list for None."""
    if path is None:
        return []
    return [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the content of a plain or gzipped file, unpacked.

    Args:
        path: Path of the file.
        max_bytes: Largest size of the unpacked content [bytes].

    Raises:
        InvdesignError: The file cannot be read, or its content is longer than `max_bytes`.
    """
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if is_packed else raw
            data = stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvdesignError(
            f"{path}: cannot read the file ({error}). Check the path, and that the file is whole"
        ) from error
    if len(data) > max_bytes:
        raise InvdesignError(
            f"{path}: more than {max_bytes:,} bytes unpacked. Shorten the file, or raise max_bytes if you trust it"
        )
    return data


def decode_text(data: bytes) -> str:
    r"""Return bytes as text with `\n` line ends.

    The encoding is UTF-8 or UTF-16 by the byte order mark, otherwise UTF-8, otherwise Windows-1252.

    Example:
        >>> decode_text(b"caf\xe9\r\n")
        'café\n'
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
