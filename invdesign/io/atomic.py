"""Atomic file writes, checksums, and a write probe."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError

MIN_FREE_BYTES = 32 * 2**20
PROBE_BYTES = 256 * 2**10


def write_atomically(path: Path, write: Callable[[Path], Any]) -> Path:
    """Let `write` fill a file beside `path`, flush it to disk, and rename it: a reader sees the old or the new one.

    Args:
        path: where the file shall be.
        write: fills the file that it is given, which has the suffix of `path`.

    Raises:
        InvdesignError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        beside = Path(name)
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InvdesignError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another folder, then repeat "
            "the command"
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    """Write bytes atomically.

    Raises:
        InvdesignError: The disk is full or the folder cannot be written.
    """
    return write_atomically(path, lambda beside: beside.write_bytes(content))


def sha256_of(path: Path) -> str:
    """The checksum of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe(folder: Path) -> None:
    """Make sure, before anything costly is done, that a folder can be written and has room.

    Raises:
        InvdesignError: it cannot, or it has not.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InvdesignError(
            f"{folder}: nothing can be written there ({error.strerror or error}); choose another folder, or mend its "
            "rights or its disk"
        ) from error
    if free < MIN_FREE_BYTES:
        raise InvdesignError(
            f"{folder}: {free / 2**20:.0f} MiB are free, a campaign needs at least {MIN_FREE_BYTES / 2**20:.0f}; "
            "free some, or choose another folder"
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
