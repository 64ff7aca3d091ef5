"""Tables of candidates and of interpolations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from invdesign.campaign import Step
from invdesign.core import Candidate, Objective, ValueSource
from invdesign.export import candidate_table, interpolation_table


def test_the_table_has_units_values_provenance_and_every_check(candidates, domain, objectives) -> None:
    columns = candidate_table(candidates, domain, objectives, name="demo")
    assert columns["id"] == ["demo-001", "demo-002"]
    assert columns["letters"] == [4, 5]
    assert columns["measured hardness [GPa]"] == [-1.5, 2.0]
    assert columns["predicted hardness [GPa]"] == [-1.25, None]
    assert columns["sd of predicted cost"] == [0.25, None]
    assert columns["plausibility percentile [%]"][0] == 42.0
    assert columns["parents"][0] == "=A1; B"
    assert columns["all checks passed"] == ["no", "yes"]
    assert columns["check novel"] == ["failed", ""] and columns["detail of novel"][0] == "known, as row 7"


def test_the_columns_of_a_candidate_table_have_a_fixed_order(candidates, domain, objectives) -> None:
    assert list(candidate_table(candidates, domain, objectives[:1])) == [
        "id",
        "design",
        "measured hardness [GPa]",
        "predicted hardness [GPa]",
        "sd of predicted hardness [GPa]",
        "letters",
        "initial",
        "status",
        "reason",
        "plausibility percentile [%]",
        "log density",
        "round",
        "origin",
        "region",
        "parents",
        "acquisition",
        "all checks passed",
        "check length",
        "detail of length",
        "check novel",
        "detail of novel",
    ]


def test_a_table_of_no_candidates_has_all_headings_that_need_none(domain, objectives) -> None:
    columns = candidate_table([], domain, objectives)
    assert {"id", "letters", "measured cost", "all checks passed"} <= set(columns)
    assert all(cells == [] for cells in columns.values())


def test_the_domain_cannot_replace_the_identifier_or_the_design(candidates, domain, objectives) -> None:
    class Renaming(type(domain)):
        def describe(self, designs: Any) -> dict[str, list[Any]]:
            return {"id": ["other"] * len(designs), "design": ["other"] * len(designs)}

    columns = candidate_table(candidates, Renaming(), objectives)
    assert columns["id"][0] == "candidate-001" and columns["design"] == ["-MKV", "plain"]


def steps(candidates: list[Candidate[str]]) -> list[Step[str]]:
    """The first candidate, a step without a design, and a design that was not measured."""
    z = torch.zeros(2, dtype=torch.float64)
    pending = Candidate("new", "new", z, mean=(1.0, 2.0), sd=(0.1, 0.2))
    return [
        Step(0, 0.0, z, -1.0, 50.0, candidates[0], 0.5),
        Step(1, 1 / 3, z, -2.0, 40.0),
        Step(2, 2 / 3, z, -3.0, 30.0, pending, 0.25, True),
    ]


def test_an_interpolation_has_a_row_per_step_and_no_values_without_a_design(candidates, domain, objectives) -> None:
    columns = interpolation_table(steps(candidates), domain, objectives)
    assert columns["step"] == [0, 1, 2] and columns["t"] == [0.0, 0.333333, 0.666667]
    assert columns["design"] == ["-MKV", None, "new"] and columns["key"] == ["-MKV", None, "new"]
    assert columns["label"] == ["word -MKV", None, "word new"]
    assert columns["status"] == ["measured", "nothing decoded", "not measured"]
    assert columns["repeated"] == ["no", "no", "yes"]
    assert columns["plausibility percentile [%]"][:2] == [42.0, None]
    assert columns["plausibility percentile of proposal [%]"] == [50.0, 40.0, 30.0]
    assert columns["predicted hardness [GPa]"] == [-1.25, None, 1.0]
    assert columns["measured hardness [GPa]"] == [-1.5, None, None]
    assert columns["all checks passed"] == ["no", None, "yes"]
    assert columns["check novel"] == ["failed", None, ""]
    assert columns["letters"] == [4, None, 3] and list(columns)[-1] == "initial"
    assert columns["distance to proposal"][0] == 0.5 and math.isnan(columns["distance to proposal"][1])


def test_audited_designs_of_an_interpolation_have_their_p_value(candidates, domain, objectives) -> None:
    first, *others = steps(candidates)
    assert first.found is not None
    audited = replace(first, found=replace(first.found, anomaly_p=0.01234))
    assert interpolation_table([audited, *others], domain, objectives)["anomaly_p"] == [0.0123, None, None]
    assert "anomaly_p" not in interpolation_table([first, *others], domain, objectives)


def test_both_tables_use_the_same_headings_for_the_same_columns(candidates, domain, objectives) -> None:
    own = {"id", "round", "origin", "region", "parents", "acquisition"}
    of_candidates = set(candidate_table(candidates, domain, objectives)) - own
    assert of_candidates <= set(interpolation_table(steps(candidates), domain, objectives))


def test_predicted_values_are_named_so_with_the_error_of_their_oracle(candidates, domain, objectives) -> None:
    sources = (ValueSource("predicted", error=0.8), ValueSource("computed"))
    given = replace(candidates[1], origin="given", sources=sources)
    columns = candidate_table([replace(candidates[0], sources=sources), given], domain, objectives)
    assert columns["predicted hardness [GPa]"] == [-1.5, None]
    assert columns["sd of predicted hardness [GPa]"] == [0.8, None]
    assert columns["measured hardness [GPa]"] == [None, 2.0]
    assert columns["surrogate hardness [GPa]"] == [-1.25, None]
    assert "computed cost" in columns and columns["predicted cost"] == [2.0, None]


def test_a_window_has_a_column_that_says_who_lies_inside(candidates, domain) -> None:
    columns = candidate_table(candidates, domain, [Objective("hardness", "GPa", (-2.0, 0.0)), Objective("cost")])
    assert columns["hardness in window"] == ["yes", "no"] and "cost in window" not in columns


def test_calculated_numbers_have_the_digits_that_they_are_worth(candidates, domain, objectives) -> None:
    candidate = replace(candidates[0], y=(1.23456789, 2.0), mean=(1 / 3, 1.0), sd=(2 / 3, 1.0), percentile=200 / 3)
    columns = candidate_table([candidate], domain, objectives)
    assert columns["measured hardness [GPa]"] == [1.23456789]
    assert columns["predicted hardness [GPa]"] == [0.33333] and columns["sd of predicted hardness [GPa]"] == [0.667]
    assert columns["plausibility percentile [%]"] == [66.7]
