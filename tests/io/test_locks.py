"""Locks between processes: held once, inherited by children, and free when their owner ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from invdesign.io.locks import hold, is_held, try_lock


def test_a_lock_is_held_once_and_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with hold(path):
        assert is_held(path) and try_lock(path) is None
    assert not is_held(path)


def test_waiting_ends_with_the_error_of_its_callback(tmp_path: Path) -> None:
    def wait() -> None:
        raise TimeoutError

    with hold(tmp_path / "lock"), pytest.raises(TimeoutError), hold(tmp_path / "lock", wait=wait):
        pass


def test_a_child_that_inherits_a_lock_holds_it_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    handle = try_lock(path)
    assert handle is not None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(handle,))
    os.close(handle)
    assert is_held(path)
    child.communicate(b"\n")
    assert not is_held(path)
