"""Composing: overrides without plus signs, groups of the user's own, sweeps, and errors with the nearest choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from invdesign.config import compose, instantiate
from invdesign.core import InvdesignError

SHIPPED = sorted(compose.shipped("campaigns").glob("*.yaml"))


# Files that only a user has.
GIVEN = {
    "solubility": ["seeds.path=x.csv"],
    "perovskite": ["corpus.path=x.csv", "oracle.table.path=y.csv"],
    "mp_formation_energy": ["corpus.path=x.csv", "oracle.formation_energy.references=y.csv"],
    "gb1": ["oracle.gb1.path=x.csv"],
    "gfp": ["corpus.path=x.csv", "oracle.regression.path=x.csv"],
    "dna_binding": ["corpus.path=x.txt", "oracle.six6.path=x.txt"],
    "zeolite_pore": ["corpus.path=x.tar.xz"],
    "zeolite_hydrogen": ["corpus.path=x.tar.xz"],
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_campaign_composes_and_is_safe(path: Path) -> None:
    composed = compose.compose(str(path), GIVEN.get(path.stem, []))
    instantiate.refuse(composed.values, composed.where, allowed=["esol"])
    assert {"domain", "vae", "search", "oracle", "objectives", "executor"} <= set(composed.values)


def test_an_override_needs_no_plus_for_a_key_that_no_file_states() -> None:
    values = compose.compose("demo", ["n_seeds=7", "search.oversample=3", "search=thompson"]).values
    assert values["n_seeds"] == 7
    assert values["search"]["oversample"] == 3
    assert values["search"]["acquire"]["_target_"].endswith("posterior_sample")


def test_two_oracles_give_two_objectives_in_their_order() -> None:
    values = compose.compose(None, ["oracle=[molecules/sa,molecules/qed]"]).values
    assert list(values["oracle"]) == ["sa", "qed"] == list(values["objectives"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["search=thomson"], "no choice 'thomson' in group 'search'; did you mean 'thompson'?"),
        (["oracle=callable"], "oracle.score.function must be given"),
        (["budget=1,2"], "add -m"),
        (["hydra.run.dir=x"], "Hydra itself is not configured here"),
        (["=3"], "expected key=value"),
    ],
)
def test_what_cannot_be_composed_is_said_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(InvdesignError) as caught:
        compose.compose("demo", overrides)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_wrong_group_in_a_file_is_refused_with_the_nearest_one_and_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults:\n  - base: molecules\n  - override serch: random\n  - _self_\n")
    with pytest.raises(InvdesignError) as caught:
        compose.compose(str(file))
    assert f"{file}:3: no group 'serch' to override; did you mean 'search'?" in str(caught.value)


def test_a_wrong_choice_in_a_file_names_the_choices(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults:\n  - base: molecules\n  - override search: randm\n  - _self_\n")
    with pytest.raises(InvdesignError, match="did you mean 'random'"):
        compose.compose(str(file))


def test_groups_of_the_users_own_are_found_beside_the_file_and_in_config_dir(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "search").mkdir()
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "beside.yaml").write_text("_target_: invdesign.search.Search\noversample: 2\n")
    (tmp_path / "mine" / "search" / "far.yaml").write_text("_target_: invdesign.search.Search\noversample: 3\n")
    file = tmp_path / "own.yaml"
    file.write_text("defaults: [base: molecules, override search: beside, _self_]\n")
    assert compose.compose(str(file)).values["search"]["oversample"] == 2
    far = compose.compose(str(file), ["search=far"], config_dirs=[str(tmp_path / "mine")])
    assert far.values["search"]["oversample"] == 3
    with pytest.raises(InvdesignError, match="no such folder"):
        compose.compose(str(file), config_dirs=[str(tmp_path / "none")])


def test_a_key_is_traced_to_its_file_and_line_or_to_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("defaults: [base: molecules, _self_]\nseed: 3\nsearch:\n  oversample: 4\n")
    composed = compose.compose(str(file), ["budget=9"])
    assert composed.where(["seed"]) == f"{file}:2"
    assert composed.where(["search", "oversample"]) == f"{file}:4"
    assert composed.where(["budget"]) == "command line (budget=9)"
    assert composed.where(["oracle", "qed", "_target_"]).endswith("conf/oracle/molecules/qed.yaml:4")


def test_a_sweep_is_the_product_of_its_lists() -> None:
    assert compose.sweep(["seed=0,1", "search=random,thompson", "budget=5"]) == [
        ["seed=0", "search=random", "budget=5"],
        ["seed=0", "search=thompson", "budget=5"],
        ["seed=1", "search=random", "budget=5"],
        ["seed=1", "search=thompson", "budget=5"],
    ]
    assert compose.sweep(["seed=range(0,3)"]) == [["seed=0"], ["seed=1"], ["seed=2"]]


def test_the_shipped_folders_hold_what_the_wheel_ships() -> None:
    groups = compose.groups()
    assert {"trust_region_bo", "density_ascent", "thompson", "random"} <= set(groups["search"])
    assert {"domain", "corpus", "vae", "density", "surrogate", "search", "oracle", "validators", "executor"} <= set(
        groups
    )


@pytest.mark.parametrize("group", ["validators", "mutations", "figures", "feasibility"])
def test_null_switches_a_group_off_on_the_command_line_as_in_a_file(group: str) -> None:
    composed = compose.compose(None, [f"{group}=null"])
    assert composed.values.get(group) is None
    assert instantiate.build(composed.values, composed.where, name="mine").campaign.name == "mine"
