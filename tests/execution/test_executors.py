"""Oracles that behave and oracles that do not, in process, in a pool of processes, and on executors."""

from __future__ import annotations

import math
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest
import torch

from invdesign.campaign.oracle_calls import describe_wait, measure
from invdesign.core import Call, InvdesignError, OracleSetup, Outcome
from invdesign.execution.concurrent import Concurrent
from invdesign.execution.in_process import InProcess
from invdesign.execution.outcomes import validate_answer
from invdesign.execution.process_pool import ProcessPool


def measured(place, oracle, designs, n_outputs=None):
    """Return outcomes by position, as an executor gives them."""
    with closing(place(OracleSetup(oracle, n_outputs))) as executor:
        return dict(pair for group in measure(executor, designs) for pair in group)


def statuses(outcomes) -> list[str]:
    return [outcomes[i].status for i in sorted(outcomes)]


def test_a_fast_oracle_measures_all_designs_in_a_few_calls():
    sizes = []

    def oracle(designs):
        sizes.append(len(designs))
        return [len(d) for d in designs]

    designs = ["a" * (i + 1) for i in range(500)]
    outcomes = measured(InProcess, oracle, designs)
    assert sizes[:2] == [1, 2] and len(sizes) <= 4
    assert [outcomes[i].y for i in range(3)] == [(1.0,), (2.0,), (3.0,)]


def test_chunks_bound_the_size_of_a_call():
    sizes = []

    def oracle(designs):
        sizes.append(len(designs))
        return [0.0] * len(designs)

    assert len(measured(partial(InProcess, chunk=2), oracle, list("abcde"))) == 5
    assert sizes == [2, 2, 1]


def test_no_designs_make_no_calls(oracles):
    for place in (InProcess, ProcessPool, partial(Concurrent, make=ThreadPoolExecutor)):
        assert measured(place, oracles.stranger, []) == {}


def test_in_process_a_design_that_raises_leaves_the_others_measured(oracles):
    outcomes = measured(InProcess, oracles.stranger, ["a", "raise", "nan", "inf", "bb"])
    assert statuses(outcomes) == ["measured", "failed", "invalid", "invalid", "measured"]
    assert outcomes[1].reason == "ValueError: no such thing"
    assert "value 1 is nan" in outcomes[2].reason


def test_an_oracle_that_drops_rows_is_asked_one_by_one():
    outcomes = measured(InProcess, lambda designs: [len(d) for d in designs if d != "bad"], ["a", "bad", "cc"])
    assert statuses(outcomes) == ["measured", "failed", "measured"]
    assert "shape (0,)" in outcomes[1].reason


def test_ctrl_c_is_not_an_outcome():
    def oracle(designs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(InProcess, oracle, ["a"])


def test_several_outputs_are_kept_apart_and_a_partial_row_is_invalid_unless_allowed():
    answer = [[1.0, 2.0], [3.0, math.nan]]
    strict, lenient = validate_answer(answer, 2, 2), validate_answer(answer, 2, 2, True)
    assert strict[0] == Outcome((1.0, 2.0))
    assert strict[1].status == "invalid" and strict[1].y[0] == 3.0 and math.isnan(strict[1].y[1])
    assert lenient[1].status == "measured"
    assert validate_answer([[math.nan, math.nan]], 1, 2, True)[0].status == "invalid"


@pytest.mark.parametrize("answer", [None, "text", [1.0], [[1.0], [2.0, 3.0]], [[[1.0]], [[2.0]]], [[], []]])
def test_an_answer_of_the_wrong_shape_is_invalid_and_says_what_was_due(answer):
    outcomes = validate_answer(answer, 2, 1)
    assert [o.status for o in outcomes] == ["failed", "failed"]
    assert "2" in outcomes[0].reason and math.isnan(outcomes[0].y[0])


@pytest.mark.parametrize("answer", [[10**400], torch.ones(1, requires_grad=True)])
def test_numbers_that_float64_cannot_hold_and_tensors_with_gradients_are_failures(answer):
    (outcome,) = validate_answer(answer, 1, 1)
    assert outcome.status == "failed" and "expected a list of 1 numbers" in outcome.reason


def test_the_width_of_an_answer_must_be_the_number_of_objectives():
    with pytest.raises(InvdesignError, match="expected 3 values for each design, one for each objective, got 2"):
        validate_answer([[1.0, 2.0]], 1, 3)


@pytest.mark.slow
def test_a_process_pool_survives_raises_hangs_and_crashes(oracles):
    designs = ["a", "raise", "hang", "die", "nan", "bb"]
    outcomes = measured(partial(ProcessPool, timeout=1.5, chunk=3), oracles.stranger, designs)
    assert statuses(outcomes) == ["measured", "failed", "timeout", "crashed", "invalid", "measured"]
    assert outcomes[3].reason == "the worker process died (SIGKILL)"
    assert outcomes[5].y == (2.0,)


def test_a_partial_travels_to_the_pool_with_its_arguments(oracles):
    outcomes = measured(partial(ProcessPool, workers=1), partial(oracles.two, scale=3.0), ["a", "bb"], 2)
    assert [outcomes[i].y for i in range(2)] == [(3.0, -1.0), (6.0, -2.0)]


def test_an_oracle_that_cannot_travel_is_refused_before_any_call():
    with pytest.raises(InvdesignError, match="imported by name"):
        measured(ProcessPool, lambda designs: [0.0], ["a"])


def test_threads_measure_and_a_late_call_is_given_up():
    def slow(designs):
        time.sleep(1.0 if designs[0] == "slow" else 0.0)
        return [1.0]

    threads = partial(Concurrent, make=partial(ThreadPoolExecutor, 2), timeout=0.3)
    outcomes = measured(threads, slow, ["a", "slow"])
    assert statuses(outcomes) == ["measured", "timeout"] and outcomes[1].reason.startswith("stopped after 0.")


@pytest.mark.slow
def test_an_executor_that_breaks_is_made_anew_for_the_designs_it_took_along(oracles):
    make = partial(ProcessPoolExecutor, max_workers=1)
    outcomes = measured(partial(Concurrent, make=make), oracles.stranger, ["a", "die", "bb"])
    assert statuses(outcomes) == ["measured", "crashed", "measured"]


def test_a_call_that_is_cancelled_leaves_the_others_of_its_chunk_measured():
    executor = Concurrent(OracleSetup(lambda designs: [len(d) for d in designs], 1), make=ThreadPoolExecutor, chunk=2)
    with closing(executor):
        executor.submit([Call("C1", "a"), Call("C2", "bb")])
        executor.cancel({"C1"})
        assert [(call, outcome.y) for call, outcome in executor.poll(5.0)] == [("C2", (2.0,))]


def test_the_message_while_waiting_has_the_age_of_the_oldest_call():
    assert describe_wait(3, 252.4) == "waiting for 3 oracle calls, oldest 4:12"
    assert describe_wait(1, 3700) == "waiting for 1 oracle call, oldest 1:01:40"


def test_a_value_that_readers_would_refuse_is_no_measurement():
    (outcome,) = validate_answer([1e305], 1)
    assert (outcome.status, outcome.reason) == ("invalid", "not a number up to 1e300: value 1 is 1e+305")
