"""The loop of a campaign: ask, measure, tell, until the budget is spent."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from invdesign.campaign.ask import ask
from invdesign.campaign.engine import Engine
from invdesign.campaign.failures import stop_on_failure_rate
from invdesign.campaign.oracle_calls import OracleCalls
from invdesign.campaign.pool import describe_refused
from invdesign.campaign.regions import end_round
from invdesign.campaign.state import (
    BatchSelected,
    Recorder,
    Retrained,
    State,
    apply,
)
from invdesign.campaign.steering import steer_engine
from invdesign.core import (
    B,
    Candidate,
    D,
    MakeExecutor,
    OracleSetup,
    Progress,
    improved_columns,
    rank,
    round_seed,
    silent,
)
from invdesign.latent.space import LatentSpace

logger = logging.getLogger(__name__)


def run(
    engine: Engine[D, B],
    state: State[D],
    *,
    executor: MakeExecutor,
    recorder: Recorder | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> State[D]:
    """Ask, measure and tell until the budget is spent.

    Args:
        engine: The campaign bound to its latent space.
        state: Where to continue; for a new campaign `apply(State(), initialize(engine, corpus))`.
        executor: Opens the place where the oracle runs.
        recorder: Records each event before the next step is taken.
        folder: Folder of the run, for executors whose calls outlive this process.
        progress: Called with `(stage, done, total)`.

    Returns:
        The final state.

    Raises:
        InvdesignError: No call of a batch returns a value, or calls fail more often than
            `limits.max_failure_rate`.
    """
    campaign = engine.campaign
    setup = OracleSetup(campaign.task.oracle, len(campaign.objectives), campaign.domain, folder)
    with closing(executor(setup)) as opened:
        line = _ProgressLine(engine, progress)
        calls = OracleCalls(engine, opened, recorder, line.report)
        return _run(engine, calls.resume(state), calls, line, recorder)


def _run(
    engine: Engine[D, B], state: State[D], calls: OracleCalls[D, B], line: _ProgressLine, recorder: Recorder | None
) -> State[D]:
    while True:
        line.start(state)
        limits = steer_engine(engine, state).campaign.limits
        state = calls.measure(state, max_open=_max_open(engine, state))
        if _is_round_over(engine, state):
            state = close_round(engine, state, recorder, allow_open=True)
            stop_on_failure_rate(limits, state)
        if not state.open:
            engine, state = finetune_if_due(engine, state, recorder)
        if _is_spent(engine, state) and not state.open:
            return state
        n = (limits.n_in_flight or limits.batch) - calls.count_running(state)
        if _is_spent(engine, state) or n <= 0:
            continue
        batch = ask(engine, state, n=n, progress=line.progress)
        if not batch.candidates and state.open:
            # Nothing new is found for what is known: the next outcome may change that.
            state = calls.measure(state, max_open=max(0, calls.count_running(state) - 1))
            continue
        if recorder:
            recorder.on_batch(batch)
        state = apply(state, batch)
        if not batch.candidates:
            state = close_round(engine, state, recorder)
            _warn_of_screens(state)


def _max_open(engine: Engine[Any, Any], state: State[Any]) -> int:
    """Return how many designs may wait for their outcome when the next one is proposed.

    None may in a synchronous search, at the end of the budget, and before the latent space is fine-tuned.
    """
    is_drained = _is_spent(engine, state) or _is_finetuning_turn(engine, state)
    return 0 if is_drained else max(0, steer_engine(engine, state).campaign.limits.n_in_flight - 1)


def _is_round_over(engine: Engine[Any, Any], state: State[Any]) -> bool:
    """Return whether the designs of a round are measured; in an asynchronous search as many as a batch has.

    The first proposal of an asynchronous search ends the round of the seed designs.
    """
    n_evaluated, limits = len(state.pending) - len(state.open), steer_engine(engine, state).campaign.limits
    if not state.open or not limits.n_in_flight:
        return bool(state.pending) and not state.open
    return n_evaluated >= limits.batch or (state.round == 0 and n_evaluated > 0)


def start(
    engine: Engine[D, B],
    batch: BatchSelected[D],
    recorder: Recorder | None = None,
    *,
    state: State[D] | None = None,
) -> State[D]:
    """Return the state of a new campaign after round 0 was selected; a round 0 that came measured is ended.

    Args:
        engine: The campaign bound to its latent space.
        batch: Round 0, from `initialize`.
        recorder: Records the events.
        state: What was recorded before round 0: designs that were added, changed settings.
    """
    if recorder:
        recorder.on_batch(batch)
    return close_round(engine, apply(state or State(), batch), recorder)


def close_round(
    engine: Engine[D, B], state: State[D], recorder: Recorder | None = None, *, allow_open: bool = False
) -> State[D]:
    """Return the state after a round; one with open designs is returned as it is, unless that is allowed."""
    if state.open and not allow_open:
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
    return state.round > 0 and _is_finetuning_turn(engine, state) and not state.records[-1].is_finetuned


def _is_finetuning_turn(engine: Engine[Any, Any], state: State[Any]) -> bool:
    """Return whether the VAE is fine-tuned after the round."""
    finetuning = engine.campaign.finetuning
    is_wanted = finetuning.finetune is not None and finetuning.finetune_every > 0
    return is_wanted and state.round % finetuning.finetune_every == 0


def _is_spent(engine: Engine[Any, Any], state: State[Any]) -> bool:
    """Return whether no further design is proposed."""
    steered = steer_engine(engine, state)
    return state.n_calls >= steered.campaign.limits.budget or _is_empty(steered, state)


def _is_empty(engine: Engine[Any, Any], state: State[Any]) -> bool:
    """Return whether the last rounds brought no new candidate."""
    limit = engine.campaign.limits.max_empty_rounds
    last = state.records[-limit:]
    return len(last) == limit and all(r.round > 0 and r.funnel.selected == 0 for r in last)


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


@dataclass
class _ProgressLine:
    """Text of a progress line: round, calls, best value and its gain, time left."""

    engine: Engine[Any, Any]
    progress: Progress
    started: float = field(default_factory=time.monotonic)
    first_calls: int | None = None
    before: tuple[float, float] = (math.nan, math.nan)

    def start(self, state: State[Any]) -> None:
        """Take the best utility and property of the ended rounds, which the open round does not change."""
        self.before = _best(self.engine, state.history)

    def report(self, message: str, state: State[Any], n_done: int) -> None:
        """Report a message, or where the campaign is."""
        self.progress(message or self.text(state, n_done), n_done, self.engine.campaign.limits.budget)

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
