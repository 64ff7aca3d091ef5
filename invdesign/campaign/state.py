"""The state of a campaign, the events that it follows from, and the interface that records them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol

from torch import Tensor

from invdesign.campaign.pool import Funnel
from invdesign.core import GIVEN, Candidate, D, InvdesignError, Outcome
from invdesign.core.steering import Change
from invdesign.io.repeats import merge_outcomes
from invdesign.latent.space import LatentSpace
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import SurrogateReport

Kind = Literal["measured", "repeat", "correction", "substitute", "abandoned"]


@dataclass(frozen=True)
class Region:
    """A trust region with its origin and its counters.

    Example:
        >>> region = Region(TrustRegion(length=0.8, failure_tolerance=1), root="CCO")
        >>> region.update(is_improved=False).trust.length
        0.4
    """

    trust: TrustRegion
    """Its length, and how the length changes."""
    root: str
    """Key of the design that it started from."""
    born: int = 0
    """Round in which it started."""
    n_successes: int = 0
    """Consecutive rounds that improved on the incumbent, since the last change of the length."""
    n_failures: int = 0
    """Consecutive rounds that did not, since the last change of the length."""

    def update(self, *, is_improved: bool) -> Region:
        """Return the region after a round: it grows after enough successes and shrinks after enough failures.

        Args:
            is_improved: Whether the round improved on the incumbent; False for a round without new candidates.
        """
        n_successes = self.n_successes + 1 if is_improved else 0
        n_failures = 0 if is_improved else self.n_failures + 1
        if n_successes >= self.trust.success_tolerance:
            return replace(self, trust=self.trust.grow(), n_successes=0, n_failures=0)
        if n_failures >= self.trust.failure_tolerance:
            return replace(self, trust=self.trust.shrink(), n_successes=0, n_failures=0)
        return replace(self, n_successes=n_successes, n_failures=n_failures)


@dataclass(frozen=True)
class Calibration:
    """Whether stated intervals held, and how those of a round were corrected; one value for each property."""

    residual_quantiles: tuple[tuple[float, ...], ...] = ()
    """Quantiles of standardized residuals at 5, 25, 50, 75 and 95 %, which the intervals of the round have in the place
    of those of the normal distribution."""
    bases: tuple[str, ...] = ()
    """What they follow from: `"outcomes"` of predicted designs, the `"cross-validation"`, or `"none"`."""
    coverage_50: tuple[float, ...] = ()
    """Part of the earlier outcomes inside the 50 % interval stated for them; NaN before there are any."""
    coverage_90: tuple[float, ...] = ()
    """Part of the earlier outcomes inside the 90 % interval stated for them."""


@dataclass(frozen=True)
class RoundRecord:
    """Record of a round, as JSON."""

    round: int
    """Number of the round; 0 for the seed designs."""
    funnel: Funnel = field(default_factory=Funnel)
    """Number of proposals that remained after each step."""
    n_measured: int = 0
    """Designs that were measured."""
    n_failed: int = 0
    """Designs whose measurement failed."""
    best: float = math.nan
    """Best utility of the first objective (or of the combination) so far."""
    lengths: tuple[float, ...] = ()
    """Half-length of each trust region after the round."""
    is_improved: tuple[bool, ...] = ()
    """Whether the round improved on the incumbent of each trust region."""
    fallback_level: str = ""
    """How cautious the surrogate's fit had to be; see `surrogate.robust_fit`."""
    surrogate: SurrogateReport | None = None
    """Cross-validation of the surrogate."""
    calibration: Calibration | None = None
    """Coverage of the intervals stated so far, and correction of those of the round; None without predictions."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time per stage [s]."""
    notes: tuple[str, ...] = ()
    """Remarks for people."""
    is_finetuned: bool = False
    """Whether the VAE was fine-tuned after the round."""
    is_ended: bool = False
    """Whether the round has ended."""


@dataclass(frozen=True)
class Lease:
    """The permission to measure one design at one place, taken before the call is submitted."""

    call: str
    """Identifier of the call."""
    executor: str
    """Name of the place."""


@dataclass(frozen=True, eq=False)
class State(Generic[D]):
    """What is known in a campaign. It follows from the events alone: see `apply`.

    `pending` holds the open round in the order of selection. Designs of it that are measured already have their outcome
    and enter `history` together when the round ends, so the order in which outcomes arrive has no effect. In an
    asynchronous search a round ends while some designs are open; those stay in `pending`.
    """

    history: tuple[Candidate[D], ...] = ()
    """Candidates of the rounds that have ended."""
    pending: tuple[Candidate[D], ...] = ()
    """Candidates of the open round."""
    regions: tuple[Region, ...] = ()
    """Trust regions."""
    round: int = 0
    """Number of the newest round."""
    records: tuple[RoundRecord, ...] = ()
    """Records of all rounds, the open one last."""
    steering: tuple[tuple[int, Steered], ...] = ()
    """Changes of the running campaign, each with the number of the newest round when it was recorded."""
    outcomes: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    """Outcomes of the designs that were measured repeatedly, by key, since the last correction: the mean of several
    measured ones counts. That of another design is in its candidate."""
    leases: Mapping[str, Lease] = field(default_factory=dict)
    """Leases of open designs by key: their calls were submitted, and may be running."""
    n_leases: int = 0
    """Leases that were ever taken."""
    selected: tuple[str, ...] = ()
    """Keys of all designs in the order of their selection; that of a substitute is in the place of the design that it
    was made for."""

    @property
    def n_calls(self) -> int:
        """Oracle calls spent: designs measured or pending, failures too; values that were given are free."""
        return sum(c.origin != GIVEN for c in (*self.history, *self.pending))

    @property
    def evaluated(self) -> tuple[Candidate[D], ...]:
        """Candidates with an outcome, those of the open round last."""
        return (*self.history, *(c for c in self.pending if c.status != "pending"))

    @property
    def is_round_open(self) -> bool:
        """Whether designs can join the newest round: some of it are pending, and it is not that of the seed designs."""
        return self.round > 0 and bool(self.pending) and not self.records[-1].is_ended

    @property
    def open(self) -> tuple[Candidate[D], ...]:
        """Candidates that wait for their measurement."""
        return tuple(c for c in self.pending if c.status == "pending")


@dataclass(frozen=True, eq=False)
class BatchSelected(Generic[D]):
    """A round was opened, or designs were added to the open one, which has the same number."""

    candidates: tuple[Candidate[D], ...]
    """Candidates to measure; those of round 0 may come measured."""
    record: RoundRecord
    """Record of the round so far."""


@dataclass(frozen=True, eq=False)
class OutcomeRecorded(Generic[D]):
    """An outcome of one candidate became known."""

    key: str
    """Key of the candidate."""
    outcome: Outcome
    """What was measured, as it was reported."""
    kind: Kind = "measured"
    """Whether it is the first measurement, a repeat (the mean of the repeats counts), a correction (replaces what was
    measured before), of a substitute (another design was made), or none (abandoned)."""
    note: str = ""
    """Remark of the laboratory."""
    substitute: Candidate[D] | None = None
    """The design that was made in the place of the one selected, where `kind` is `"substitute"`."""


@dataclass(frozen=True)
class CallsLeased:
    """Calls are about to be submitted to an executor."""

    calls: tuple[tuple[str, str], ...]
    """Identifier of each call, and the key of its design."""
    executor: str
    """Name of the executor."""


@dataclass(frozen=True)
class CallsReleased:
    """Calls were given up: their designs are open, and may be leased again."""

    keys: tuple[str, ...]
    """Keys of their designs."""
    reason: str
    """Why."""


@dataclass(frozen=True, eq=False)
class DesignsAdded(Generic[D]):
    """Designs came with their outcomes, without having been selected."""

    candidates: tuple[Candidate[D], ...]
    """The designs; none of them is pending."""


@dataclass(frozen=True)
class RoundEnded:
    """A round has ended: its measured candidates enter the history; trust regions were updated."""

    regions: tuple[Region, ...]
    """Trust regions after the round."""
    record: RoundRecord
    """Complete record of the round."""


@dataclass(frozen=True, eq=False)
class Retrained:
    """The VAE was fine-tuned and the history encoded again."""

    latents: Mapping[str, tuple[Tensor, float, float]]
    """New latent, log-density and percentile of each candidate of the history, by key."""
    folder: str = ""
    """Folder of the model, beside the ledger."""


@dataclass(frozen=True)
class Steered:
    """Settings of the running campaign were changed; what was selected and measured before stays as it is."""

    changes: tuple[Change, ...]
    """The changes, in their order."""
    reason: str = ""
    """Why."""
    n_rounds: int | None = None
    """Number of the next rounds that they hold for; None until they are changed again."""


Event = (
    BatchSelected[Any]
    | CallsLeased
    | CallsReleased
    | DesignsAdded[Any]
    | OutcomeRecorded[Any]
    | RoundEnded
    | Retrained
    | Steered
)


class Recorder(Protocol):
    """Durable record of a running campaign; each call returns when the event is on disk."""

    def on_batch(self, event: BatchSelected[Any]) -> None:
        """Record the selection of a batch."""
        ...

    def on_lease(self, event: CallsLeased) -> None:
        """Record that calls are about to be submitted."""
        ...

    def on_release(self, event: CallsReleased) -> None:
        """Record that calls were given up."""
        ...

    def on_outcomes(self, events: Sequence[OutcomeRecorded[Any]]) -> None:
        """Record outcomes that became known together: all of them or none."""
        ...

    def on_round_end(self, event: RoundEnded) -> None:
        """Record the end of a round."""
        ...

    def on_retrain(self, event: Retrained, latent_space: LatentSpace[Any, Any]) -> None:
        """Record a fine-tuned model, then the latents that were encoded with it."""
        ...


def apply(state: State[D], event: Event) -> State[D]:
    """Return the state after an event.

    Raises:
        InvdesignError: An outcome of a design that is neither pending nor measured.
    """
    match event:
        case BatchSelected(candidates, record):
            is_extended = bool(state.records) and state.records[-1].round == record.round
            return replace(
                state,
                pending=state.pending + candidates,
                round=record.round,
                records=(*(state.records[:-1] if is_extended else state.records), record),
                selected=(*state.selected, *(c.key for c in candidates)),
            )
        case DesignsAdded(candidates):
            state = replace(state, selected=(*state.selected, *(c.key for c in candidates)))
            if state.pending:
                return replace(state, pending=(*state.pending, *candidates))
            return replace(state, history=(*state.history, *candidates))
        case CallsLeased(calls, executor):
            taken = {key: Lease(call, executor) for call, key in calls}
            return replace(state, leases={**state.leases, **taken}, n_leases=state.n_leases + len(calls))
        case CallsReleased(keys):
            return replace(state, leases=_without(state.leases, keys))
        case OutcomeRecorded():
            return apply_outcomes(state, [event])
        case RoundEnded(regions, record):
            return replace(
                state,
                history=(*state.history, *(c for c in state.pending if c.status != "pending")),
                pending=state.open,
                regions=regions,
                records=(*state.records[:-1], record),
            )
        case Retrained(latents):
            history = tuple(_with_latent(c, latents) for c in state.history)
            records = (*state.records[:-1], replace(state.records[-1], is_finetuned=True))
            return replace(state, history=history, records=records)
        case Steered():
            return replace(state, steering=(*state.steering, (state.round, event)))


def apply_outcomes(state: State[D], events: Sequence[OutcomeRecorded[D]]) -> State[D]:
    """Return the state after outcomes, in their order; the time does not grow with the history for an open round.

    Raises:
        InvdesignError: An outcome of a design that is neither pending nor measured.
    """
    pending, repeated = list(state.pending), dict(state.outcomes)
    rows = {c.key: i for i, c in enumerate(pending)}
    is_of_history = any(event.key not in rows for event in events)
    history = list(state.history) if is_of_history else []
    older = {c.key: i for i, c in enumerate(history)}
    selected = state.selected
    for event in events:
        group, row = (pending, rows.get(event.key)) if event.key in rows else (history, older.get(event.key))
        if row is None:
            raise InvdesignError(
                f"outcomes given for designs that are not pending: {event.key}. Use suggest() first, and its keys"
            )
        old = group[row]
        new = old if event.substitute is None else event.substitute
        outcomes: tuple[Outcome, ...] = (event.outcome,)
        first = (recorded_outcome(old),) if old.status == "measured" else ()
        earlier = repeated.pop(event.key, first)
        if event.kind == "repeat":
            outcomes = (*earlier, event.outcome)
            repeated[new.key] = outcomes
        group[row] = new.with_outcome(merge_outcomes(outcomes))
        if new.key != event.key:
            index = rows if group is pending else older
            index[new.key] = index.pop(event.key)
            selected = tuple(new.key if key == event.key else key for key in selected)
    changed = tuple(history) if is_of_history else state.history
    leases = _without(state.leases, [event.key for event in events])
    return replace(state, pending=tuple(pending), history=changed, outcomes=repeated, leases=leases, selected=selected)


def recorded_outcome(candidate: Candidate[Any]) -> Outcome:
    """Return the outcome of a design: the mean of its repeats."""
    c = candidate
    return Outcome(c.y, c.status, c.reason, error=c.error, bound=c.bound)


def _without(leases: Mapping[str, Lease], keys: Sequence[str]) -> Mapping[str, Lease]:
    """Return leases without those of some designs."""
    ended = leases.keys() & set(keys)
    return {key: lease for key, lease in leases.items() if key not in ended} if ended else leases


def _with_latent(candidate: Candidate[D], latents: Mapping[str, tuple[Tensor, float, float]]) -> Candidate[D]:
    if candidate.key not in latents:
        return candidate
    z, log_density, percentile = latents[candidate.key]
    return replace(candidate, z=z, log_density=log_density, percentile=percentile)
