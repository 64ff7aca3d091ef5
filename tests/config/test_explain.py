"""Every setting with its value and origin, and the options of every choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from invdesign.config import compose, explain, instantiate
from invdesign.core import InvdesignError


def settings(campaign: str | None, *overrides: str) -> dict[str, explain.Setting]:
    composed = compose.compose(campaign, overrides)
    checked = instantiate.check(composed.values, composed.where)
    return {setting.key: setting for setting in explain.explain(checked, composed)}


def test_settings_are_named_as_they_are_overridden() -> None:
    found = settings("demo")
    assert found["screens.accessibility.max"].value == 5.0
    assert found["screens.brenk.catalog"].value == "BRENK"
    assert found["oracle.guacamol.task"].value == "perindopril_mpo"
    assert found["objectives.guacamol.name"].value == "perindopril_mpo"
    assert found["search.propose.local_steps.is_boxed"].value is False
    assert found["search.weights.local_steps"].value == 1.0
    assert found["vae.terms.properties.weight"].value == 1.0
    assert not [key for key in found if any(part.isdigit() for part in key.split("."))]


def test_several_oracles_are_listed_by_name() -> None:
    found = settings("pareto")
    assert found["oracle.qed"].value.endswith(".qed") and found["oracle.sa"].value.endswith(".sa_score")


def test_a_named_setting_can_be_overridden_by_the_key_that_is_listed() -> None:
    keys = ("screens.accessibility.max", "vae.terms.properties.weight", "latent_surrogate.noise_floor")
    found = settings("demo", *(f"{key}=0.5" for key in keys))
    for key in keys:
        assert found[key].value == 0.5 and found[key].origin == f"command line ({key}=0.5)"


def test_the_origin_is_the_file_and_line_or_the_default() -> None:
    found = settings("demo", "search/acquire=log_ei", "oracle=molecules/qed", "budget=7")
    assert found["min_plausibility"].origin.startswith(str(compose.shipped("campaigns") / "demo.yaml"))
    assert found["screens.brenk.catalog"].origin == "default"
    assert "conf/search/acquire/log_ei.yaml:" in found["search.acquire"].origin
    assert "conf/oracle/molecules/qed.yaml:" in found["oracle.qed"].origin
    assert found["search.trust_region.length"].origin == "default"
    assert found["budget"].origin == "command line (budget=7)"


def test_constants_are_shown_by_value_and_arguments_of_the_call_are_not_listed() -> None:
    found = settings("demo")
    assert found["search.trust_region.min_length"].value == 0.5**7
    assert "Br" in found["screens.elements.allowed"].value
    names = {key.rpartition(".")[2] for key in found}
    assert not names & {"landscape", "n_outputs", "designs", "progress", "n"} - {"n"}
    assert [key for key in found if key.endswith(".n")] == ["corpus.n"]
    assert [key for key in found if key.endswith(".d")] == ["vae.build.d"]


def test_counters_of_a_trust_region_are_state_and_no_settings() -> None:
    names = {key.rpartition(".")[2] for key in settings("demo") if key.startswith("search.trust_region.")}
    assert names == {"length", "min_length", "max_length", "success_tolerance", "failure_tolerance"}
    with pytest.raises(InvdesignError, match="TrustRegion has no setting 'n_failures'"):
        settings("demo", "search.trust_region.n_failures=1")


def test_the_text_has_one_line_for_each_setting_and_json_their_values() -> None:
    found = list(settings("demo").values())
    lines = explain.settings_text(found).splitlines()
    assert len(lines) == len(found)
    assert any(line.startswith("budget: 500") and "demo.yaml" in line for line in lines)
    assert explain.settings_json(found)["budget"]["value"] == 500


def test_options_list_included_choices_and_default_parts() -> None:
    keys = [option.key for option in explain.options("search", "thompson")]
    assert {"search.propose.local_steps.is_boxed", "search.weights.local_steps", "search.acquire.density_weight"} <= {
        *keys
    }
    assert "search.trust_region.length" in keys and len(keys) == len(set(keys))
    genes = [option.key for option in explain.options("validators", "sequences/genes")]
    assert "validators.hairpin.window" in genes and "validators.gc_content.vendor" in genes


def test_options_state_type_default_and_documentation() -> None:
    found = {option.key: option for option in explain.options("search/acquire", "ucb")}
    beta = found["search.acquire.beta"]
    assert beta.type == "float | tuple[float, float]" and beta.default == "[0.25, 9.0]" and beta.doc
    path = {option.key: option for option in explain.options("oracle", "sequences/table")}["oracle.table.path"]
    assert path.default == "(required)"


def test_a_choice_that_does_not_exist_is_refused_with_the_choices() -> None:
    with pytest.raises(InvdesignError, match=r"options: no choice 'thomson' in search\. Choices: .*thompson"):
        explain.options("search", "thomson")
    with pytest.raises(InvdesignError, match="options: no group 'serch'"):
        explain.choices("serch")


def test_choices_of_the_users_own_are_listed(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "mine.yaml").write_text("# Mine.\n_target_: invdesign.search.Search\noversample: 2\n")
    assert explain.choices("search", [str(tmp_path)])["mine"] == "Mine."
    found = {option.key: option.default for option in explain.options("search", "mine", [str(tmp_path)])}
    assert found["search.oversample"] == "2"


def test_every_choice_has_a_description() -> None:
    empty = [
        f"{group}={choice}"
        for group, names in compose.groups().items()
        for choice, text in explain.choices(group).items()
        if not text and choice in names
    ]
    assert empty == []
