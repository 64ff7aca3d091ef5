"""From a configuration to a campaign."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from invdesign.config import compose, instantiate, targets
from invdesign.config.measured_objectives import check_names
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


def test_constraints_conditions_and_transfer_are_written_in_short() -> None:
    words = ["oracle=[molecules/qed,molecules/sa]", "objectives.sa.goal=measure", '+constraints.sa="<= 3"']
    words += ["+batch_diversity.quota=3", "+batch_diversity.group.function=scaffold", "+shared_factor=parent"]
    words += ["+shortlist_diversity.max_similarity=0.6", "+reference_point.qed=0.5"]
    words += ["+transfer.source.function=table", "+transfer.source.path=x.csv", "+transfer.property=logs"]
    composed = compose.compose(None, words)
    made = instantiate.build(composed.values, composed.where, name="short").campaign
    assert [(o.name, o.goal) for o in made.objectives] == [("qed", "maximize"), ("sa", "measure")]
    assert [str(limits) for limits in made.task.limits] == ["sa <= 3"]
    assert made.filters.batch_diversity.group(["Cc1ccccc1"]) == ["c1ccccc1"]
    assert made.filters.shared_factor == "parent" and made.output.shortlist_diversity.max_similarity == 0.6
    assert made.surrogates.transfer.source.keywords == {"path": "x.csv"}


def test_a_campaign_may_start_from_an_earlier_run() -> None:
    composed = compose.compose(None, ["seeds=run", "seeds.path=results/old", "+seeds.properties={qed: old_qed}"])
    made = instantiate.build(composed.values, composed.where, name="second").campaign
    assert made.seeding.seeds.keywords == {"path": "results/old", "properties": {"qed": "old_qed"}}


def where(keys: Sequence[str]) -> str:
    return ".".join(keys)


SHIPPED_ORACLES = {name: {"_target_": f"invdesign.domains.molecules.oracles.{name}"} for name in ("qed", "sa")}
OWN_ORACLE = {"mine": {"_target_": "my_module.score"}}


@pytest.mark.parametrize(
    ("oracles", "objectives", "message"),
    [
        (SHIPPED_ORACLES, ["qed", "sa"], ""),
        (SHIPPED_ORACLES, ["sa", "qed"], "in the order of the oracles"),
        (SHIPPED_ORACLES, ["qed", "logp"], "oracle.sa measures no objective; the objectives are qed, logp"),
        (SHIPPED_ORACLES, ["qed", "sa", "logp"], "no oracle measures the objective 'logp'"),
        ({"qed": SHIPPED_ORACLES["qed"]}, ["qed", "logp"], "no oracle measures the objective 'logp'"),
        ({"qed": SHIPPED_ORACLES["qed"]}, ["drug_likeness"], ""),
        (OWN_ORACLE, ["potency", "solubility"], ""),
        ({**SHIPPED_ORACLES, **OWN_ORACLE}, ["qed", "sa", "potency", "solubility"], ""),
        ({**SHIPPED_ORACLES, **OWN_ORACLE}, ["qed", "sa"], "oracle.mine measures no objective"),
    ],
)
def test_oracles_are_matched_with_the_objectives_by_name(
    oracles: dict[str, dict[str, str]], objectives: list[str], message: str
) -> None:
    settings: dict[str, object] = {name: {"goal": "maximize"} for name in objectives}
    if not message:
        check_names(oracles, settings, where)
        return
    with pytest.raises(InvdesignError, match=message):
        check_names(oracles, {**settings, "left_out": None}, where)


def test_the_conditions_of_a_vae_are_read_as_labels_of_the_corpus() -> None:
    words = ["corpus=molecules/table", "corpus.path=x.csv", "+vae.condition=[laboratory]"]
    composed = compose.compose(None, [*words, "+vae.decode_under={laboratory: A}"])
    made = instantiate.build(composed.values, composed.where, name="two").campaign
    assert tuple(made.vae.condition) == ("laboratory",) and made.vae.decode_under == {"laboratory": "A"}
    assert made.corpus.keywords["labels"] == ("laboratory",)
