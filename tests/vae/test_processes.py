"""Training in several processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from invdesign.vae.processes import Processes, current_processes, join_processes

SCRIPT = Path(__file__).with_name("train_together.py")


def test_a_process_without_torchrun_is_alone() -> None:
    assert join_processes() == current_processes() == Processes(0, 1)
    assert Processes().part(torch.arange(3)).tolist() == [0, 1, 2]
    assert Processes(1, 2).part(torch.arange(3)).tolist() == [1]
    assert not Processes().agree(False)
    assert torch.equal(Processes().add_gradients([], torch.ones(2)), torch.ones(2))


def launch(folder: Path, n: int, *killed: str) -> dict[str, Any]:
    folder.mkdir()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    # One restart follows the kill. The others allow for processes that do not find each other on a busy machine.
    command = [*torchrun, "--max-restarts=3", str(SCRIPT), str(folder), *killed]
    launched = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert launched.returncode == 0, launched.stderr[-4000:]
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one_and_survive_a_kill_of_either(tmp_path: Path) -> None:
    one, two = launch(tmp_path / "one", 1), launch(tmp_path / "two", 2)
    assert (one["count"], two["count"]) == (1, 2)
    assert one["losses"][0] - one["losses"][-1] > 2
    assert max(abs(a - b) for a, b in zip(one["losses"], two["losses"], strict=True)) < 0.5
    for rank in ("0", "1"):
        killed = launch(tmp_path / f"killed-{rank}", 2, rank)
        assert (tmp_path / f"killed-{rank}" / "killed").exists()
        assert killed["sum"] == two["sum"]
        assert killed["losses"] == two["losses"]
