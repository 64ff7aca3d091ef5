"""Outcome constraints: how they are written, and what they leave of the utilities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from invdesign.core import (
    InvdesignError,
    Objective,
    OutcomeConstraint,
    admissible_utilities,
    total_excess,
    utilities,
    with_constrained,
)

PROPERTIES = [Objective("affinity"), Objective("toxicity", goal="measure")]


def test_a_limit_is_read_from_plain_words() -> None:
    assert OutcomeConstraint.parse("toxicity", "<= 0.2") == OutcomeConstraint("toxicity", high=0.2)
    assert OutcomeConstraint.parse("logp", ">=1, <= 3.5e0") == OutcomeConstraint("logp", 1.0, 3.5)
    assert str(OutcomeConstraint.parse("logp", "> -1")) == "logp >= -1"


@pytest.mark.parametrize("text", ["0.2", "<= much", "", ">= 3, <= 1", "= 2", "<= 1 and >= 0"])
def test_a_limit_that_is_not_understood_is_an_error_that_names_the_property(text: str) -> None:
    with pytest.raises(InvdesignError, match=r"constraints\.toxicity"):
        OutcomeConstraint.parse("toxicity", text)


def test_a_property_that_is_only_measured_has_no_utility() -> None:
    Y = np.array([[1.0, 9.0], [2.0, 0.1]])
    assert utilities(PROPERTIES, Y).tolist() == [[1.0], [2.0]]
    assert utilities(PROPERTIES, Y, combine="weighted").tolist() == [[1.0], [2.0]]


def test_designs_beyond_a_limit_or_without_its_value_have_no_admissible_utility() -> None:
    Y = np.array([[1.0, 0.1], [2.0, 0.3], [3.0, math.nan]])
    U = admissible_utilities(PROPERTIES, [OutcomeConstraint("toxicity", high=0.2)], Y)
    assert U[0, 0] == 1.0 and np.isnan(U[1:, 0]).all()


def test_the_excess_of_several_constraints_is_summed_in_standard_deviations() -> None:
    Y = np.array([[0.0, 0.0], [2.0, 4.0]])
    limits = [OutcomeConstraint("affinity", high=1.0), OutcomeConstraint("toxicity", high=1.0)]
    assert total_excess(PROPERTIES, limits, Y).tolist() == [0.0, 1.0 / 1.0 + 3.0 / 2.0]


def test_constrained_properties_follow_the_objectives() -> None:
    assert [o.name for o in with_constrained(PROPERTIES, ["toxicity", "mass"])] == ["affinity", "toxicity", "mass"]
