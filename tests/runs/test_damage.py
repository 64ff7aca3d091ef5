"""Damaged run folders: a message, or the result of the whole run; never a traceback or another result."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import toy

from invdesign import CampaignRun, InvdesignError
from invdesign.runs import latent_spaces

N_DAMAGES = int(os.environ.get("N_DAMAGES", "60"))
"""Number of random damages; set the environment variable for more."""
SEED = 0

pytestmark = pytest.mark.slow


def cut(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 8, 64))):
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))


def garble(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = draw.randrange(max(1, len(content)))
    content[start : start + 200] = draw.randbytes(200)
    path.write_bytes(bytes(content))


def remove(path: Path, draw: random.Random) -> None:
    path.unlink()


def replace_by_folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


@dataclass(frozen=True)
class Space(toy.GridSpace):
    """The latent space of the grid, with the sample that a run writes for its report."""

    sample: torch.Tensor = field(default_factory=lambda: torch.zeros(4, 2, dtype=torch.float64))
    card: dict[str, Any] = field(default_factory=lambda: {"d": 2, "sha256": "a" * 64})


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (cut, flip, garble, remove, replace_by_folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_spaces, "prepare_latent_space", _space)
        with CampaignRun.open(folder, toy.campaign(budget=20)) as run:
            run.run()
            run.export()
    return folder


def _space(campaign: Any, *_: Any) -> Any:
    return Space(campaign.domain)


@pytest.mark.parametrize("number", range(N_DAMAGES))
def test_a_damaged_run_is_refused_with_a_message_or_gives_the_same_results(
    whole: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", _space)
    draw = random.Random(SEED + number)
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    names = ["ledger.sqlite"] * 3 + ["latents.safetensors", "config.json", "manifest.json"]
    damaged = folder / draw.choice([name for name in names if (folder / name).is_file()])
    draw.choice(DAMAGES)(damaged, draw)
    expected = (whole / "evaluated.csv").read_bytes()
    for read_only in (True, False):
        try:
            with CampaignRun.open(folder, toy.campaign(budget=20), read_only=read_only) as run:
                if not read_only:
                    run.run()
                run.export(tmp_path / "out")
                run.report(tmp_path / "report.html")
        except InvdesignError as error:
            assert damaged.name in str(error) or str(folder) in str(error)
        else:
            assert (tmp_path / "out" / "evaluated.csv").read_bytes() == expected
