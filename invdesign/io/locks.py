"""Locks between processes: files that the system unlocks when their owner ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.2
"""Time between two attempts to take a lock [s]."""


def try_lock(path: Path) -> int | None:
    """Return the open file of a lock; None where another process or another part of this one holds it.

    `os.close` releases it. A child process that inherits the file holds the lock until it ends too.

    Raises:
        OSError: The file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def hold(path: Path, *, wait: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold a lock, and wait until it is free.

    Args:
        path: File of the lock; its folder exists.
        wait: Called again and again while another process holds it; an error that it raises ends the waiting.

    Yields:
        The open file.
    """
    while (handle := try_lock(path)) is None:
        if wait is not None:
            wait()
        time.sleep(POLL_SECONDS)
    try:
        yield handle
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Return whether somebody holds a lock."""
    if not path.exists():
        return False
    handle = try_lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False
