"""Writing that survives a kill: files written beside and renamed, a probe for space, a lock, signals that wait."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError

LEAST_FREE_BYTES = 32 * 2**20
PROBE_BYTES = 256 * 2**10


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
    if free < LEAST_FREE_BYTES:
        raise InvdesignError(
            f"{folder}: {free / 2**20:.0f} MiB are free, a campaign needs at least {LEAST_FREE_BYTES / 2**20:.0f}; "
            "free some, or choose another folder"
        )


def take_lock(path: Path) -> int:
    """Own a run: the open lock file, which the system lets go of when this process ends, however it ends.

    Raises:
        InvdesignError: another process owns it; the message names it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(handle, 4096).decode(errors="replace")
        os.close(handle)
        raise InvdesignError(
            f"{path.parent}: another process works on this run ({_owner(owner)}); wait for it, stop it, or start a run "
            "of your own"
        ) from error
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(me).encode(), 0)
    return handle


def release(lock: int | None) -> None:
    """Let go of a lock."""
    if lock is not None:
        os.ftruncate(lock, 0)
        os.close(lock)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until a write is finished; they then arrive as they would have."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before: dict[int, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not None:
            before[number] = signal.signal(number, lambda n, _: caught.append(n))
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, handler)
    for late in caught:
        signal.raise_signal(late)


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "it left no name"


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
