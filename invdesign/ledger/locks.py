"""One process per run, and writes that signals do not interrupt."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError
from invdesign.io.clock import now


def take_lock(path: Path) -> int:
    """Own a run: the open lock file, which the system lets go of when this process ends, however it ends.

    Raises:
        InvdesignError: Another process owns it (the message names it), or the file cannot be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InvdesignError(
            f"{path}: the lock file of the run cannot be opened: {error.strerror}. Check the disk and the permissions "
            "of the folder, then give the same command again"
        ) from error
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
    """Release a lock."""
    if lock is not None:
        os.ftruncate(lock, 0)
        os.close(lock)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM until a write is finished, and raise them then."""
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
        return "unknown owner"
