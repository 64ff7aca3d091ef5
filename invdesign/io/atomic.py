"""Atomic file writes, checksums, and a write test."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError

MIN_FREE_BYTES = 32 * 2**20
"""Free space that a campaign needs [bytes]."""
PROBE_BYTES = 256 * 2**10
"""Size of the file that `probe` writes [bytes]."""

UNFINISHED = ".unfinished-"
"""Start of the names of temporary files."""


def write_atomically(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a file so that a reader sees either the old or the new content, and never a part of it.

    A temporary file in the same folder is written, flushed to disk, and renamed.

    Args:
        path: Path of the file; its folder is created where it does not exist.
        write: Function that writes the temporary file, whose path it receives; the path has the suffix of `path`.

    Returns:
        The path of the file.

    Raises:
        InvdesignError: The disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{unfinished_prefix()}{path.stem}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InvdesignError(
            f"{path}: cannot write the file ({error.strerror or error}). Free space or choose another folder, then "
            "repeat the command"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def unfinished_prefix() -> str:
    """Return the start of the names of temporary files of this process; `remove_unfinished` finds them later."""
    return f"{UNFINISHED}{socket.gethostname()}-{os.getpid()}-"


def remove_unfinished(folder: Path) -> None:
    """Remove temporary files that killed processes of this machine left in a folder and its subfolders."""
    own = f"{UNFINISHED}{socket.gethostname()}-"
    for pattern in (f"{UNFINISHED}*", f"*/{UNFINISHED}*", f"*/*/{UNFINISHED}*"):
        for path in folder.glob(pattern):
            pid = path.name.removeprefix(own).split("-", 1)[0]
            if not path.name.startswith(own) or not pid.isdigit() or _is_running(int(pid)):
                continue
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_bytes(path: Path, content: bytes) -> Path:
    """Write bytes atomically.

    Args:
        path: Path of the file.
        content: Content of the file.

    Raises:
        InvdesignError: The disk is full or the folder cannot be written.
    """
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def sha256_of(path: Path) -> str:
    """Return the sha256 of the content of a file, as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe(folder: Path) -> None:
    """Check that a folder can be written and has space, before anything costly is done.

    Args:
        folder: The folder; it is created where it does not exist.

    Raises:
        InvdesignError: The folder cannot be written, or has less than 32 MiB of free space.
    """
    folder = Path(folder)
    broken = next((p for p in (folder, *folder.parents) if p.is_symlink() and not p.exists()), None)
    if broken is not None:
        raise InvdesignError(
            f"{broken}: is a link to nothing (a disk that is not mounted?). Mount it, or choose another"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
        n_free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InvdesignError(
            f"{folder}: cannot write to the folder ({error.strerror or error}). Choose another folder, or check its "
            "permissions and its disk"
        ) from error
    if n_free < MIN_FREE_BYTES:
        raise InvdesignError(
            f"{folder}: expected at least {MIN_FREE_BYTES / 2**20:.0f} MiB of free space, {n_free / 2**20:.0f} MiB are "
            "free. Free some, or choose another folder"
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
