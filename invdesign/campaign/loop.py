"""The loop of a campaign: ask, measure, tell, until the budget is spent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from invdesign.campaign.ask import ask
from invdesign.campaign.engine import Engine
from invdesign.campaign.regions import end_round
from invdesign.campaign.state import BatchSelected, OutcomeRecorded, Recorder, Retrained, State, apply
from invdesign.core import FAILED, B, D, Evaluate, InvdesignError, Progress, rank, round_seed, silent
from invdesign.latent.space import LatentSpace

MIN_CALLS_TO_STOP = 20
"""Oracle calls before the failure rate can stop a campaign."""


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
        InvdesignError: Oracle calls fail more often than `limits.max_failure_rate`.
    """
    campaign, limits = engine.campaign, engine.campaign.limits
    line = _ProgressLine(engine)
    while True:
        waiting = state.open
        for index, outcome in evaluate(campaign.task.oracle, [c.design for c in waiting]) if waiting else ():
            event: OutcomeRecorded[D] = OutcomeRecorded(waiting[index].key, outcome)
            if recorder:
                recorder.on_outcome(event)
            state = apply(state, event)
            progress(line.text(state), state.n_calls - len(state.open), limits.budget)
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
    designs = [c.design for c in state.history]
    U = campaign.utilities(state.history)
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
        c.key: (Z[i], float(log_density[i]), float(percentile[i])) for i, c in enumerate(state.history)
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


def _stop_on_failures(engine: Engine[Any, Any], state: State[Any]) -> None:
    failed = [c for c in state.history if c.status in FAILED]
    n_calls = sum(c.origin != "given" for c in state.history)
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

    def text(self, state: State[Any]) -> str:
        limits = self.engine.campaign.limits
        n_done = state.n_calls - len(state.open)
        if self.first_calls is None:
            self.first_calls = n_done - 1
        n_left = max(0, limits.budget - state.n_calls)
        n_rounds = state.round + -(-n_left // limits.batch)
        parts = [f"round {state.round}/{n_rounds}", f"{n_done:,} of {limits.budget:,} calls"]
        best = _best_property(self.engine, state)
        if best is not None:
            parts.append(best)
        n_new = n_done - self.first_calls
        # The first batch of this process says little about the time of a round.
        if n_new > limits.batch and state.round > 0 and n_done < limits.budget:
            seconds = (time.monotonic() - self.started) / n_new * (limits.budget - n_done)
            parts.append(f"about {format_duration(seconds)} left")
        return " · ".join(parts)


def _best_property(engine: Engine[Any, Any], state: State[Any]) -> str | None:
    """Return `best VALUE (+GAIN)`: the best utility's property, and its gain in the open round."""
    campaign = engine.campaign
    before, now = campaign.utilities(state.history), campaign.utilities((*state.history, *state.pending))
    if not np.isfinite(now[:, 0]).any():
        return None
    row = int(np.nanargmax(now[:, 0]))
    candidate = (*state.history, *state.pending)[row]
    is_single = now.shape[1] == len(campaign.objectives)
    value = candidate.y[0] if is_single else float(now[row, 0])
    gain = ""
    if len(before) and np.isfinite(before[:, 0]).any():
        difference = float(now[row, 0]) - float(np.nanmax(before[:, 0]))
        gain = f" (+{difference:.3g})" if difference > 0 else ""
    return f"best {value:.4g}{gain}"


def format_duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> format_duration(42), format_duration(130), format_duration(7800)
        ('1 min', '2 min', '2 h 10 min')
    """
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
