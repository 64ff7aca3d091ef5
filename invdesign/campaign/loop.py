"""The loop of a campaign: ask, measure, tell, until the budget is spent."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np
from torch import Tensor

from invdesign.campaign.ask import ask
from invdesign.campaign.engine import Engine
from invdesign.campaign.pool import describe_refused
from invdesign.campaign.regions import end_round
from invdesign.campaign.state import (
    BatchSelected,
    OutcomeRecorded,
    Recorder,
    Retrained,
    State,
    apply,
    apply_outcomes,
)
from invdesign.campaign.tell import outcome_groups
from invdesign.core import (
    FAILED,
    GIVEN,
    B,
    Candidate,
    D,
    Evaluate,
    InvdesignError,
    Outcome,
    Progress,
    Status,
    improved_columns,
    rank,
    round_seed,
    silent,
)
from invdesign.latent.space import LatentSpace

logger = logging.getLogger(__name__)
MIN_CALLS_TO_STOP = 20
"""Oracle calls before the failure rate can stop a campaign."""
MAX_ERRORS = 3
"""Errors in a row that stop a campaign which measures one design at a time."""
ERRORS: tuple[Status, ...] = ("failed", "timeout", "crashed")
"""Statuses of calls that ended without an answer; a value that is not finite is an answer."""


def run(
    engine: Engine[D, B],
    state: State[D],
    *,
    evaluate: Evaluate,
    recorder: Recorder | None = None,
    progress: Progress = silent,
) -> State[D]:
    """Ask, measure and tell until the budget is spent.

    Args:
        engine: The campaign bound to its latent space.
        state: Where to continue; for a new campaign `apply(State(), initialize(engine, corpus))`.
        evaluate: Runs the oracle; yields `(index, outcome)` as calls finish.
        recorder: Records each event before the next step is taken.
        progress: Called with `(stage, done, total)`.

    Returns:
        The final state.

    Raises:
        InvdesignError: No call of a batch returns a value, or calls fail more often than
            `limits.max_failure_rate`.
    """
    limits = engine.campaign.limits
    line = _ProgressLine(engine)
    while True:
        if state.open:
            state = _measure(engine, state, evaluate, recorder, line, progress)
        if state.pending:
            state = close_round(engine, state, recorder)
            _stop_on_failures(engine, state)
        engine, state = finetune_if_due(engine, state, recorder)
        if state.n_calls >= limits.budget or _is_empty(engine, state):
            return state
        batch = ask(engine, state, progress=progress)
        if recorder:
            recorder.on_batch(batch)
        state = apply(state, batch)
        if not batch.candidates:
            state = close_round(engine, state, recorder)
            _warn_of_screens(state)


def _measure(
    engine: Engine[D, B],
    state: State[D],
    evaluate: Evaluate,
    recorder: Recorder | None,
    line: _ProgressLine,
    progress: Progress,
) -> State[D]:
    """Return the state after the open designs were measured.

    Failed calls are recorded once the oracle has returned an answer for another design of the batch. Without any, the
    oracle is at fault and not the designs: nothing is recorded, and the designs stay open.

    Raises:
        InvdesignError: No call of the batch returned an answer.
    """
    waiting = state.open
    answers = ("measured", "invalid") if _has_measured_call(state) else ("measured",)
    has_answer = any(c.status in answers for c in state.pending)
    n_done, n_failed = state.n_calls - len(waiting), _trailing_errors(state)
    held: list[OutcomeRecorded[D]] = []
    line.start(state)
    for group in outcome_groups(evaluate(engine.campaign.task.oracle, [c.design for c in waiting])):
        held += [OutcomeRecorded(waiting[index].key, outcome) for index, outcome in group]
        n_done += len(group)
        has_answer = has_answer or any(outcome.status in answers for _, outcome in group)
        if has_answer:
            state, held = _record(state, held, recorder), []
        progress(line.text(state, n_done), n_done, engine.campaign.limits.budget)
    if held:
        _stop_on_failed_batch(engine, [event.outcome for event in held], n_failed)
        state = _record(state, held, recorder)
    return state


def _record(state: State[D], events: list[OutcomeRecorded[D]], recorder: Recorder | None) -> State[D]:
    if recorder:
        recorder.on_outcomes(events)
    return apply_outcomes(state, events)


def start(engine: Engine[D, B], batch: BatchSelected[D], recorder: Recorder | None = None) -> State[D]:
    """Return the state of a new campaign after round 0 was selected; a round 0 that came measured is ended.

    Args:
        engine: The campaign bound to its latent space.
        batch: Round 0, from `initialize`.
        recorder: Records the events.
    """
    if recorder:
        recorder.on_batch(batch)
    state: State[D] = apply(State(), batch)
    return close_round(engine, state, recorder)


def close_round(engine: Engine[D, B], state: State[D], recorder: Recorder | None = None) -> State[D]:
    """Return the state after a round whose designs are all measured; one with pending designs is returned as it is."""
    if state.open:
        return state
    event = end_round(engine, state)
    if recorder:
        recorder.on_round_end(event)
    return apply(state, event)


def finetune_latent_space(
    engine: Engine[D, B], state: State[D], recorder: Recorder | None = None
) -> tuple[Engine[D, B], State[D]]:
    """Fine-tune the VAE on the history, and encode the history again."""
    campaign = engine.campaign
    assert campaign.finetuning.finetune is not None
    history = [c for c in state.history if c.is_placed]
    designs = [c.design for c in history]
    U = campaign.constrained_utilities(history)
    merit = U[:, 0]
    if U.shape[1] > 1:
        merit = np.full(len(designs), np.nan)
        order = rank(U)
        merit[order] = -np.arange(len(order))
    seed = round_seed(campaign.seed, state.round, "tune")
    latent_space: LatentSpace[D, B] = campaign.finetuning.finetune(engine.latent_space, designs, merit, seed=seed)
    Z = latent_space.encode(designs)
    log_density = latent_space.log_density(Z)
    percentile = latent_space.percentile(latent_space.plausibility(designs, Z))
    latents: dict[str, tuple[Tensor, float, float]] = {
        c.key: (Z[i], float(log_density[i]), float(percentile[i])) for i, c in enumerate(history)
    }
    event = Retrained(latents)
    if recorder:
        recorder.on_retrain(event, latent_space)
    return engine.with_latent_space(latent_space), apply(state, event)


def finetune_if_due(
    engine: Engine[D, B], state: State[D], recorder: Recorder | None = None
) -> tuple[Engine[D, B], State[D]]:
    """Fine-tune where the campaign does so after this round and has not yet."""
    return finetune_latent_space(engine, state, recorder) if _is_finetuning_due(engine, state) else (engine, state)


def _is_finetuning_due(engine: Engine[Any, Any], state: State[Any]) -> bool:
    """Return whether the VAE is to be fine-tuned now: once after every `finetune_every` rounds, also when resumed."""
    finetuning = engine.campaign.finetuning
    is_turn = finetuning.finetune is not None and finetuning.finetune_every > 0 and state.round > 0
    return is_turn and state.round % finetuning.finetune_every == 0 and not state.records[-1].is_finetuned


def _is_empty(engine: Engine[Any, Any], state: State[Any]) -> bool:
    """Return whether the last rounds brought no new candidate."""
    limit = engine.campaign.limits.max_empty_rounds
    last = state.records[-limit:]
    return len(last) == limit and all(r.round > 0 and r.funnel.selected == 0 for r in last)


def _has_measured_call(state: State[Any]) -> bool:
    return any(c.status == "measured" and c.origin != GIVEN for c in (*state.history, *state.pending))


def _trailing_errors(state: State[Any]) -> int:
    """Return how many of the last calls of ended rounds ended in an error, without an answer between them."""
    calls = takewhile(lambda c: c.status in ERRORS, reversed(state.history))
    return sum(1 for _ in calls)


def _stop_on_failed_batch(engine: Engine[Any, Any], outcomes: Sequence[Outcome], n_before: int) -> None:
    """Stop where no call of a batch returned an answer, unless failures are to be recorded however many they are.

    A single design may be one that cannot be measured: it stops the campaign as the `MAX_ERRORS`-th error in a row.

    Raises:
        InvdesignError: The oracle is at fault.
    """
    n = len(outcomes)
    is_error = all(outcome.status in ERRORS for outcome in outcomes)
    is_single = n == 1 and (n_before + 1 < MAX_ERRORS if is_error else True)
    if engine.campaign.limits.max_failure_rate >= 1 or is_single:
        return
    reason, count = Counter(outcome.reason or outcome.status for outcome in outcomes).most_common(1)[0]
    more = f" ({count} of {n} for this reason)" if count < n else ""
    raise InvdesignError(
        f"oracle: none of the {n} call{'s' * (n > 1)} of this batch returned a value: {reason}{more}. They are not "
        "counted. Correct the oracle and run the same command again: it measures these designs again. Where the "
        "designs are at fault, record them as failed: max_failure_rate=1 --accept-changes"
    )


def _warn_of_screens(state: State[Any]) -> None:
    """Log a warning after a first round in which the screens refused every new design."""
    funnel = state.records[-1].funnel
    if state.round != 1 or not funnel.novel or funnel.screened:
        return
    logger.warning(
        "screens: none of the %s new designs of the first round passed; refused by %s. Loosen or remove a screen "
        "(screens.NAME=null), or give seed designs that pass it",
        f"{funnel.novel:,}",
        describe_refused(funnel),
    )


def _stop_on_failures(engine: Engine[Any, Any], state: State[Any]) -> None:
    failed = [c for c in state.history if c.status in FAILED]
    n_calls = sum(c.origin != GIVEN for c in state.history)
    limit = engine.campaign.limits.max_failure_rate
    if n_calls >= MIN_CALLS_TO_STOP and len(failed) > limit * n_calls:
        raise InvdesignError(
            f"oracle: expected at most max_failure_rate={limit} of the calls to fail, got {len(failed)} of {n_calls}; "
            f"the last reason was: {failed[-1].reason or failed[-1].status}. Correct the oracle or raise "
            "max_failure_rate, "
            "and run the same command again: no measurement is lost"
        )


@dataclass
class _ProgressLine:
    """Text of a progress line: round, calls, best value and its gain, time left."""

    engine: Engine[Any, Any]
    started: float = field(default_factory=time.monotonic)
    first_calls: int | None = None
    before: tuple[float, float] = (math.nan, math.nan)

    def start(self, state: State[Any]) -> None:
        """Take the best utility and property of the ended rounds, which the open round does not change."""
        self.before = _best(self.engine, state.history)

    def text(self, state: State[Any], n_done: int) -> str:
        limits = self.engine.campaign.limits
        if self.first_calls is None:
            self.first_calls = n_done - 1
        n_left = max(0, limits.budget - n_done - len(state.open))
        n_rounds = state.round + -(-n_left // limits.batch)
        parts = [f"round {state.round}/{n_rounds}", f"{n_done:,} of {limits.budget:,} calls"]
        best = self._best_property(state)
        if best:
            parts.append(best)
        n_new = n_done - self.first_calls
        # The first batch of this process says little about the time of a round.
        if n_new > limits.batch and state.round > 0 and n_done < limits.budget:
            seconds = (time.monotonic() - self.started) / n_new * (limits.budget - n_done)
            parts.append(f"about {format_duration(seconds)} left")
        return " · ".join(parts)

    def _best_property(self, state: State[Any]) -> str:
        """Return `best VALUE (+GAIN)`: the best utility's property, and its gain in the open round."""
        now, value = _best(self.engine, state.pending)
        best, shown = self.before
        if math.isnan(now) or now <= best:
            return "" if math.isnan(shown) else f"best {shown:.4g}"
        return f"best {value:.4g}" if math.isnan(best) else f"best {value:.4g} (+{now - best:.3g})"


def _best(engine: Engine[Any, Any], candidates: Sequence[Candidate[Any]]) -> tuple[float, float]:
    """Return the best utility of the first objective or the combination, and the property that it belongs to."""
    campaign = engine.campaign
    U = campaign.admissible_utilities(candidates)
    if not np.isfinite(U[:, 0]).any():
        return math.nan, math.nan
    row = int(np.nanargmax(U[:, 0]))
    utility = float(U[row, 0])
    improved = improved_columns(campaign.objectives)
    return utility, candidates[row].y[improved[0]] if U.shape[1] == len(improved) else utility


def format_duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> format_duration(42), format_duration(130), format_duration(7800)
        ('1 min', '2 min', '2 h 10 min')
    """
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
