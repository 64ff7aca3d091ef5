"""A disk that is really full: a small file system in memory, where the rights of the tests allow to mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign import CampaignRun, InvdesignError
from invdesign.runs import latent_spaces
from invdesign.search.search import Search

MIB = 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def test_a_disk_that_fills_while_a_campaign_runs_is_a_message_and_the_run_goes_on_later(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    filler, n_calls = disk / "filler", []

    def oracle(designs: Sequence[Any]) -> Any:
        n_calls.append(len(designs))
        if sum(n_calls) >= 8 and not filler.exists():
            with filler.open("wb") as file:
                try:
                    while True:
                        file.write(b"\0" * 65536)
                        file.flush()
                except OSError:
                    pass
        return toy.bump(designs)

    search = Search(acquire=None, trust_region=None, oversample=4)
    campaign = toy.campaign(oracle=oracle, budget=20, batch=4, n_seeds=4, search=search, name="full")
    with CampaignRun.open(disk / "run", campaign) as run, pytest.raises(InvdesignError, match="free disk"):
        run.run()
    with pytest.raises(InvdesignError, match=r"cannot write|expected at least 32 MiB of free space"):
        CampaignRun.open(disk / "run", campaign)
    filler.write_bytes(b"")
    with CampaignRun.open(disk / "run", campaign) as run:
        status = run.run()
        assert status.n_calls == 20 and not status.n_open
        assert len({c.key for c in run.state.history}) == 20
