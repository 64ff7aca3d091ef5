"""From a configuration to a campaign, and the trial of its oracle before a VAE is trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from invdesign.config import compose, instantiate, targets
from invdesign.core import InvdesignError
from invdesign.domains.combined_oracle import combine_oracles
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.sequences.oracles.regression_oracle import regression


def test_an_oracle_without_its_file_or_column_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    table = tmp_path / "variants.csv"
    table.write_text("sequence,score\n" + "".join(f"ACDE{a}{b},1\n" for a in "ACDEFG" for b in "ACDEFG"))
    with pytest.raises(InvdesignError, match="no such file"):
        instantiate.try_oracle(partial(regression, path=tmp_path / "missing.csv", column="score"))
    with pytest.raises(InvdesignError, match=r"no column 'brightness'.*'score'"):
        instantiate.try_oracle(partial(regression, path=table, column="brightness", cache=tmp_path))


def test_an_oracle_of_the_users_that_needs_at_least_one_design_only_gives_a_warning() -> None:
    def score(designs: Sequence[Any]) -> list[float]:
        return [len(design) / len(designs[0]) for design in designs[:1]] or [1 / len(designs)]

    assert "ZeroDivisionError" in instantiate.try_oracle(score)
    assert instantiate.try_oracle(lambda designs: [len(design) for design in designs]) == ""


def test_several_oracles_are_tried_with_no_designs_too() -> None:
    oracles = [lambda designs: [1.0 for _ in designs], lambda designs: [[1.0, 2.0] for _ in designs]]
    assert combine_oracles(["a", "b"], oracles=oracles).shape == (2, 3)
    assert instantiate.try_oracle(partial(combine_oracles, oracles=oracles[:1] * 2)) == ""


def test_a_package_that_is_not_installed_is_named_with_the_extra_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'rdkit'", name="rdkit.Chem")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(InvdesignError, match=r"'rdkit.Chem', which is not installed.*invdesign\[molecules\]"):
        targets.resolve("invdesign.domains.molecules.Molecules")


def test_a_potential_that_is_not_installed_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chgnet.model", None)
    for oracle in (mlip.energy_per_atom, mlip.relaxed_energy, mlip.bulk_modulus):
        with pytest.raises(InvdesignError, match=r"invdesign\[mlip\]"):
            instantiate.try_oracle(oracle)


def test_a_null_that_a_campaign_states_is_passed_on_where_the_campaign_takes_none() -> None:
    composed = compose.compose("ehrlich")
    made = instantiate.build(composed.values, composed.where, name="ehrlich").campaign
    assert made.surrogates.latent_surrogate is None and made.search.trust_region is None
    assert made.surrogates.outcome_transform is not None and made.surrogates.feasibility is not None
