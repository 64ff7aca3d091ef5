"""Short names of shipped parts, and functions of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from invdesign.config import compose, targets
from invdesign.config.parts import DOMAIN_MODULES, KINDS, SHARED_MODULES, functions_of, name_parts
from invdesign.config.signatures import module_path
from invdesign.core import InvdesignError

MOLECULES = {"_target_": "invdesign.domains.molecules.Molecules"}


def here(keys: Sequence[str]) -> str:
    return f"file.yaml:{len(keys)}"


def named(**values: Any) -> dict[str, Any]:
    return name_parts({"domain": MOLECULES, **values}, here)


def test_a_named_item_is_the_shipped_function_of_its_name() -> None:
    screens = named(screens={"accessibility": {"max": 5}})["screens"]
    target = "invdesign.domains.molecules.validators.accessibility"
    assert screens == {"accessibility": {"_target_": target, "_partial_": True, "max": 5}}


def test_a_function_names_a_shipped_one_under_a_name_of_the_users() -> None:
    screens = named(screens={"brenk": {"function": "alerts", "catalog": "BRENK"}})["screens"]
    assert screens["brenk"]["_target_"] == "invdesign.domains.molecules.validators.alerts"
    assert screens["brenk"]["_partial_"] is True and screens["brenk"]["catalog"] == "BRENK"


def test_a_function_of_the_users_is_named_by_module_and_name() -> None:
    oracle = named(oracle={"score": {"function": "my_module:score", "k": 2}})["oracle"]
    assert oracle["score"] == {"_target_": "my_module.score", "_partial_": True, "k": 2}


def test_parts_of_the_search_and_surrogates_have_short_names_too() -> None:
    found = named(
        search={"propose": {"local_steps": {"is_boxed": False}}, "acquire": {"function": "log_ei"}},
        surrogate={"function": "exact_gp"},
        latent_surrogate={"function": "sparse_gp"},
    )
    assert found["search"]["propose"]["local_steps"]["_target_"] == "invdesign.search.sampling.local_steps"
    assert found["search"]["acquire"]["_target_"] == "invdesign.search.acquisition.log_ei"
    assert found["surrogate"]["_target_"] == "invdesign.surrogate.models.exact_gp"
    assert found["latent_surrogate"]["_target_"] == "invdesign.surrogate.models.sparse_gp"


def test_null_and_targets_are_kept() -> None:
    target = {"_target_": "my_module.check", "_partial_": True}
    assert named(screens={"accessibility": None, "mine": target})["screens"] == {"accessibility": None, "mine": target}


def test_a_wrong_short_name_is_refused_with_the_nearest_one_and_its_place() -> None:
    with pytest.raises(InvdesignError) as caught:
        named(screens={"brenk": {"function": "alert"}})
    text = str(caught.value)
    assert text.startswith("file.yaml:3: function 'alert': expected module:name") and "Did you mean 'alerts'?" in text


def test_a_short_name_without_a_near_one_lists_the_shipped_ones() -> None:
    with pytest.raises(InvdesignError, match=r"Shipped ones are .*local_steps"):
        named(search={"propose": {"mine": {"function": "zzzzzz"}}})


def test_every_listed_module_exists_and_its_functions_may_be_named() -> None:
    modules = {f"invdesign.{m}" for names in SHARED_MODULES.values() for m in names}
    for domain, kinds in DOMAIN_MODULES.items():
        modules |= {f"invdesign.domains.{domain}.{m}" for names in kinds.values() for m in names}
    assert [module for module in sorted(modules) if module_path(module) is None] == []
    for kind in set(KINDS.values()):
        for domain in DOMAIN_MODULES:
            found = functions_of(kind, domain)
            assert [target for target in found.values() if targets.kind_of(target) is None] == []


@pytest.mark.parametrize("path", sorted(compose.shipped("campaigns").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_campaigns_use_short_names(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert "_target_" not in text and "_partial_" not in text


@pytest.mark.parametrize("path", sorted(compose.shipped("campaigns").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_head_of_a_shipped_campaign_states_its_command_and_cost(path: Any) -> None:
    head = path.read_text(encoding="utf-8").split("\ndefaults:")[0]
    assert f"#   invdesign run campaigns/{path.name}" in head and "# Cost: " in head
