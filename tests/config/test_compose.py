"""Composition: overrides without plus signs, nested groups, groups of the user's own, errors with a remedy."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from invdesign.config import compose, instantiate
from invdesign.core import InvdesignError
from invdesign.search import Search, TrustRegion

SHIPPED = sorted(compose.shipped("campaigns").glob("*.yaml"))


# Files that only a user has.
GIVEN = {
    "solubility": ["seeds.path=x.csv"],
    "perovskite": ["corpus.path=x.csv", "oracle.table.path=y.csv"],
    "mp_formation_energy": ["corpus.path=x.csv", "oracle.formation_energy.references=y.csv"],
    "gb1": ["oracle.gb1.path=x.csv"],
    "gfp": ["corpus.path=x.csv", "oracle.regression.path=x.csv"],
    "dna_binding": ["corpus.path=x.txt", "oracle.six6.path=x.txt"],
    "rrna16s": ["corpus.path=x.fasta"],
    "zeolite_pore": ["corpus.path=x.tar.xz"],
    "zeolite_hydrogen": ["corpus.path=x.tar.xz"],
}


@pytest.mark.slow
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
        (["search=thomson"], "no choice 'thomson' in group 'search'. Did you mean 'thompson'?"),
        (["oracle=callable"], "oracle.score.function must be given. Write it in the campaign's file, or add"),
        (["budget=1,2"], "expected one value, got several. Add -m"),
        (["hydra.run.dir=x"], "Hydra itself is not configured here"),
        (["=3"], "expected key=value"),
    ],
)
def test_what_cannot_be_composed_is_refused_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(InvdesignError) as caught:
        compose.compose("demo", overrides)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_wrong_group_in_a_file_is_refused_with_the_nearest_one_and_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults:\n  - base: molecules\n  - override serch: random\n  - _self_\n")
    with pytest.raises(InvdesignError) as caught:
        compose.compose(str(file))
    assert f"{file}:3: no group 'serch' to override. Did you mean 'search'?" in str(caught.value)


def test_a_wrong_choice_in_a_file_names_the_choices(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults:\n  - base: molecules\n  - override search: randm\n  - _self_\n")
    with pytest.raises(InvdesignError, match="Did you mean 'random'"):
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
    assert composed.where(["oracle", "qed", "_target_"]).endswith("conf/oracle/molecules/qed.yaml:5")


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


SEARCHES = [choice for choice in compose.groups()["search"] if "/" not in choice]


def build(campaign: str | None, *overrides: str) -> Any:
    composed = compose.compose(campaign, overrides)
    folders = [compose.shipped("campaigns"), *([Path(campaign).parent] if campaign else [])]
    return instantiate.build(
        composed.values, composed.where, name="mine", allowed=["esol", "my_module"], folders=folders
    ).campaign


@pytest.mark.slow
@pytest.mark.parametrize("choice", SEARCHES)
def test_parts_of_every_search_can_be_chosen_and_set_on_the_command_line(choice: str) -> None:
    search = build(None, f"search={choice}", "search/acquire=log_ei", "search.trust_region.length=0.4").search
    assert search.acquire.__name__ == "log_ei" and search.trust_region.length == 0.4
    search = build(None, f"search={choice}", "search/acquire=ucb", "search.acquire.beta=[1,4]").search
    assert search.acquire.keywords == {"beta": (1, 4)}
    search = build(None, f"search={choice}", "search/propose=steps_and_paths", "search/trust_region=default").search
    assert [p.func.__name__ for p in search.propose] == ["local_steps", "elite_paths"]
    assert search.weights == (1.0, 1.0) and search.trust_region == TrustRegion()


@pytest.mark.slow
@pytest.mark.parametrize("choice", [c for c in SEARCHES if c != "regions"])
@pytest.mark.parametrize(
    "override", ["search.trust_region=null", "search/trust_region=null", "search/trust_region=none"]
)
def test_the_trust_region_of_every_search_can_be_left_out(choice: str, override: str) -> None:
    assert build(None, f"search={choice}", override).search.trust_region is None


def test_the_shipped_search_is_the_default_of_python() -> None:
    shipped, default = build(None, "search=trust_region_bo").search, Search()
    parts = [(getattr(p, "func", p), getattr(p, "keywords", {})) for p in shipped.propose]
    assert parts == [(getattr(p, "func", p), getattr(p, "keywords", {})) for p in default.propose]
    assert shipped.weights == default.weights == (2.0, 4.0, 2.0, 1.0)
    assert (shipped.acquire.func, shipped.acquire.keywords) == (default.acquire.func, default.acquire.keywords)
    assert [getattr(shipped, f.name) for f in fields(Search)[3:]] == [
        getattr(default, f.name) for f in fields(Search)[3:]
    ]


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("search.acquire.function=mine:score", r"leave the shipped choice out: `override search/acquire: null`"),
        ("seeds.path=mine.csv", r"seeds=molecules/table"),
    ],
)
def test_a_setting_that_needs_another_choice_names_it(override: str, remedy: str) -> None:
    composed = compose.compose("demo", [override])
    with pytest.raises(InvdesignError, match=remedy):
        instantiate.check(composed.values, composed.where, allowed=["mine"])


def test_a_proposer_can_be_left_out_with_its_weight() -> None:
    left_out = ("search.propose.elite_paths=null", "search.weights.elite_paths=null")
    search = build(None, "search=trust_region_bo", *left_out).search
    assert search.weights == (2.0, 4.0, 1.0) and len(search.propose) == 3


def test_settings_of_default_parts_are_set_by_their_path() -> None:
    surrogates = build("demo", "latent_surrogate.noise_floor=0.01", "feasibility.noise=0.5").surrogates
    assert surrogates.latent_surrogate.keywords == {"noise_floor": 0.01}
    assert surrogates.feasibility.keywords == {"noise": 0.5}


@pytest.mark.parametrize("base", ["molecules", "crystals", "sequences", "profiles"])
def test_a_preset_measures_a_baseline(base: str) -> None:
    assert compose.compose(None, [f"base={base}"]).values["baseline"] is True


COSTLY = ["chgnet_energy", "chgnet_relaxed", "formation_energy", "hull", "bulk_modulus"]


@pytest.mark.slow
@pytest.mark.parametrize("oracle", COSTLY)
def test_an_oracle_that_costs_switches_the_baseline_off_and_the_command_line_on_again(oracle: str) -> None:
    overrides = ["base=crystals", f"oracle=crystals/{oracle}"]
    overrides += ["oracle.hull.references=x.csv"] if oracle == "hull" else []
    assert compose.compose(None, overrides).values["baseline"] is False
    assert compose.compose(None, [*overrides, "baseline=true"]).values["baseline"] is True


def test_one_costly_oracle_of_several_switches_the_baseline_off() -> None:
    for names in ("crystals/ewald,crystals/chgnet_energy", "crystals/chgnet_energy,crystals/ewald"):
        assert compose.compose(None, ["base=crystals", f"oracle=[{names}]"]).values["baseline"] is False


def test_a_campaign_overrides_what_its_oracle_sets_of_the_baseline(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    head = "defaults: [base: crystals, override oracle: crystals/chgnet_energy, _self_]\n"
    file.write_text(head + "baseline: true\n")
    assert compose.compose(str(file)).values["baseline"] is True
    file.write_text(head)
    assert compose.compose(str(file)).values["baseline"] is False


def test_a_function_of_the_users_has_no_baseline_unless_the_campaign_asks_for_one(tmp_path: Path) -> None:
    assert build("solubility", "seeds.path=x.csv").output.baseline is False
    assert build("solubility", "seeds.path=x.csv", "baseline=true").output.baseline is True
    assert (
        compose.compose(None, ["oracle=callable", "oracle.score.function=my_module:score"]).values["baseline"] is False
    )
    (tmp_path / "my_module.py").write_text("def y(designs):\n    return [0.0 for _ in designs]\n")
    file = tmp_path / "mine.yaml"
    text = "defaults: [base: molecules, override oracle: null, _self_]\noracle: {y: {function: 'my_module:y'}}\n"
    file.write_text(text + "objectives: {y: {goal: maximize}}\n")
    assert build(str(file)).output.baseline is False
    file.write_text(text + "objectives: {y: {goal: maximize}}\nbaseline: true\n")
    assert build(str(file)).output.baseline is True


@pytest.mark.parametrize("domain", ["molecules", "crystals", "sequences", "profiles"])
def test_every_domain_has_a_table_of_seeds(domain: str) -> None:
    assert build(None, f"base={domain}", f"seeds={domain}/table", "seeds.path=x.csv").seeding.seeds is not None


def test_the_test_function_of_ehrlich_is_stated_once() -> None:
    values = compose.compose("ehrlich", ["domain.length=12", "corpus.n_motifs=3", "corpus.n_letters=18"]).values
    assert values["oracle"]["ehrlich"]["length"] == values["corpus"]["length"] == 12
    assert values["oracle"]["ehrlich"]["n_motifs"] == 3
    assert values["surrogate"]["n_letters"] == values["feasibility"]["n_letters"] == 18


def test_a_campaign_replaces_the_shipped_proposers_by_its_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "defaults: [base: molecules, override search/propose: null, _self_]\n"
        "search: {propose: {prior_draws: {scale: 0.5}, near: {function: local_steps}}}\n"
    )
    search = build(str(file)).search
    assert [getattr(p, "func", p).__name__ for p in search.propose] == ["prior_draws", "local_steps"]
    assert search.weights == (1.0, 1.0)
