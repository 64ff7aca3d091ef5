"""A run is killed (SIGKILL) again and again until it ends; it equals the run that was left alone.

Some kills in the suite; 200 with INVDESIGN_FAULTS=1.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import toy
from sameness import same

from invdesign import CampaignRun
from invdesign.runs import latent_spaces
from invdesign.search.search import Search

N_KILLS = 200 if os.environ.get("INVDESIGN_FAULTS") else 10


def campaign(calls: Path) -> Any:
    """Return a campaign whose oracle writes every design that it is called with into a file."""

    def oracle(designs: Sequence[Any]) -> Any:
        with calls.open("a") as file:
            for design in designs:
                file.write(f"{design}\n")
                file.flush()
                time.sleep(0.002)
        return toy.bump(designs)

    search = Search(acquire=None, trust_region=None, oversample=4)
    return toy.campaign(oracle=oracle, budget=30, batch=3, n_seeds=3, search=search, name="kills")


def work(folder: Path, calls: Path) -> None:
    """Run the campaign to its end."""
    with CampaignRun.open(folder, campaign(calls)) as run:
        run.run()
        run.export()


def killed(folder: Path, calls: Path, seconds: float) -> bool:
    """Work in a child that is killed after some seconds; return whether it had finished."""
    child = os.fork()
    if not child:
        try:
            work(folder, calls)
        finally:
            os._exit(0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    work(tmp_path / "clean", tmp_path / "clean.txt")
    draw = random.Random(0)
    n_kills = n_runs = 0
    while n_kills < N_KILLS:
        folder, calls = tmp_path / f"run-{n_runs}", tmp_path / f"calls-{n_runs}.txt"
        n_before = n_kills
        while not killed(folder, calls, draw.uniform(0.01, 0.25)):
            n_kills += 1
        work(folder, calls)
        n_runs += 1
        same_table = (folder / "evaluated.csv").read_text() == (tmp_path / "clean" / "evaluated.csv").read_text()
        assert same_table, n_kills
        # A call that a kill interrupted is made again; one whose outcome was recorded is not.
        repeated = Counter(calls.read_text().split("\n")[:-1])
        assert sum(n - 1 for n in repeated.values()) <= 3 * (n_kills - n_before), repeated
    clean = CampaignRun.open(tmp_path / "clean", campaign(tmp_path / "clean.txt"))
    other = CampaignRun.open(tmp_path / "run-0", campaign(tmp_path / "calls-0.txt"))
    with clean, other:
        assert same(clean.state.history, other.state.history)
