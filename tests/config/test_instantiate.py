"""From a configuration to a campaign."""

from __future__ import annotations

import pytest

from invdesign.config import compose, instantiate, targets
from invdesign.core import InvdesignError


def test_a_package_that_is_not_installed_is_named_with_the_extra_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'rdkit'", name="rdkit.Chem")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(InvdesignError, match=r"'rdkit.Chem', which is not installed.*invdesign\[molecules\]"):
        targets.resolve("invdesign.domains.molecules.Molecules")


def test_a_null_that_a_campaign_states_is_passed_on_where_the_campaign_takes_none() -> None:
    composed = compose.compose("ehrlich")
    made = instantiate.build(composed.values, composed.where, name="ehrlich").campaign
    assert made.surrogates.latent_surrogate is None and made.search.trust_region is None
    assert made.surrogates.outcome_transform is not None and made.surrogates.feasibility is not None
