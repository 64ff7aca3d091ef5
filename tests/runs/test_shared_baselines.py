"""Random searches that runs share: measured once, and the same for every run that copies them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign import CampaignRun, Resources
from invdesign.core import Array
from invdesign.runs import latent_spaces
from invdesign.runs.baseline import baseline_history
from invdesign.runs.folders import RunConfig
from invdesign.runs.shared_baselines import baseline_key
from invdesign.search.mutations import MutationPolicy


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    return []


def run(folder: Path, calls: list[int], config: dict[str, Any], *, shared: Path | None) -> list[str]:
    """Run a small campaign with a random search; count its oracle calls, and return the designs of that search."""

    def bump(designs: list[toy.Point]) -> Array:
        calls.append(len(designs))
        return toy.bump(designs)

    parts = toy.campaign(budget=20, baseline=True, oracle=bump)
    resources = Resources(baselines=shared)
    with CampaignRun.open(folder, parts, config=RunConfig("toy", config), resources=resources) as opened:
        opened.run()
        return [c.key for c in baseline_history(opened.folder, opened.current.domain)]


def test_a_random_search_is_measured_once_for_runs_that_differ_in_their_search(
    tmp_path: Path, calls: list[int]
) -> None:
    first = run(tmp_path / "a", calls, {"seed": 0, "search": {"oversample": 1}}, shared=tmp_path / "shared")
    n_first = sum(calls)
    second = run(tmp_path / "b", calls, {"seed": 0, "search": {"oversample": 2}}, shared=tmp_path / "shared")
    assert second == first and sum(calls) - n_first == 20 and n_first == 30
    run(tmp_path / "c", calls, {"seed": 1}, shared=tmp_path / "shared")
    assert len(list((tmp_path / "shared").glob("*.sqlite"))) == 2


@pytest.mark.parametrize("start", [0, 5_000])
def test_a_shared_random_search_that_is_damaged_is_measured_again(tmp_path: Path, calls: list[int], start: int) -> None:
    first = run(tmp_path / "a", calls, {"seed": 0}, shared=tmp_path / "shared")
    (shared,) = (tmp_path / "shared").glob("*.sqlite")
    content = bytearray(shared.read_bytes())
    content[start:] = bytes(len(content) - start)
    shared.write_bytes(content)
    assert run(tmp_path / "b", calls, {"seed": 0, "search": 1}, shared=tmp_path / "shared") == first
    assert sum(calls) == 60 and len(list((tmp_path / "shared").glob("*.sqlite"))) == 1


def test_a_random_search_has_no_mutations(tmp_path: Path, calls: list[int]) -> None:
    def stay(parents: Sequence[toy.Point], n: int, *, radius: int) -> list[toy.Point]:
        return [(parents[0][0] + i % radius + 1, *parents[0][1:]) for i in range(n)]

    policy = MutationPolicy(stay, lambda first, second: 1.0, fraction=0.9)
    parts = toy.campaign(budget=20, baseline=True, mutations=policy)
    with CampaignRun.open(tmp_path / "a", parts, config=RunConfig("toy", {})) as opened:
        opened.run()
        assert "stay" in {c.origin for c in opened.state.history}
        assert {c.origin for c in baseline_history(opened.folder, opened.current.domain)} == {"seed", "draws"}


def test_a_run_without_a_stored_configuration_measures_its_own(tmp_path: Path, calls: list[int]) -> None:
    run(tmp_path / "a", calls, {}, shared=tmp_path / "shared")
    assert sum(calls) == 30 and not (tmp_path / "shared").exists()


def test_what_a_random_search_depends_on_is_its_key() -> None:
    config = {"seed": 0, "oracle": {"a": 1}, "surrogate": {"k": 1}}
    assert baseline_key(config) == baseline_key({**config, "surrogate": {"k": 2}, "mutations": None, "name": "x"})
    assert baseline_key(config) != baseline_key({**config, "oracle": {"a": 2}})
