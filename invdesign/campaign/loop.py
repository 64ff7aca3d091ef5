"""The loop of a campaign: begin, ask, measure, tell, and at the end the shortlist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from invdesign.campaign.ask import ask
from invdesign.campaign.definition import Campaign, Recorder, RoundRecord, State
from invdesign.campaign.pool import apply_screens, run_checks
from invdesign.campaign.regions import FAILED, close_round, rank
from invdesign.core import (
    Array,
    B,
    Candidate,
    Corpus,
    D,
    Evaluate,
    InvdesignError,
    Outcome,
    Progress,
    round_seed,
    silent,
)
from invdesign.latent.space import LatentSpace


def initialize(campaign: Campaign[D, B], space: LatentSpace[D, B], *, corpus: Corpus[D] | None) -> State[D]:
    """The state before the first round: designs that came measured are history, the other seeds are pending.

    Raises:
        InvdesignError: there is nothing to start from.
    """
    names = [objective.name for objective in campaign.objectives]
    source = campaign.seeds() if campaign.seeds else corpus
    if source is None or not len(source):
        raise InvdesignError(
            f"campaign {campaign.name!r} has nothing to start from: give it a corpus, "
            "or seeds=molecules/table with a file of designs"
        )
    has_all = all(name in source.properties for name in names)
    Y = np.stack([source.properties[name] for name in names], axis=1) if has_all else None
    is_given = Y is not None and bool(np.isfinite(Y).all(axis=1).any())
    rows, values, notes = _given(campaign, source, Y) if Y is not None and is_given else _drawn(campaign, source)
    designs = [source.designs[i] for i in rows]
    Z = space.encode(designs)
    log_density = space.log_density(Z)
    percentile = space.percentile(log_density)
    candidates = tuple(
        Candidate(
            design,
            campaign.domain.key(design),
            Z[row],
            origin="given" if is_given else "seed",
            y=values[row],
            status="measured" if is_given else "pending",
            log_density=float(log_density[row]),
            percentile=float(percentile[row]),
        )
        for row, design in enumerate(designs)
    )
    return close_round(campaign, State(pending=candidates, records=(RoundRecord(0, notes=notes),)))


Start = tuple[list[int], list[tuple[float, ...]], tuple[str, ...]]


def _given(campaign: Campaign[D, B], source: Corpus[D], Y: Array) -> Start:
    """Rows of designs that came measured, each key once, with their values, and what is to be said of that.

    A corpus may hold a design several times where the campaign's domain tells less apart than its loader: then the
    mean of its values counts.
    """
    groups: dict[str, list[int]] = {}
    for i in np.flatnonzero(np.isfinite(Y).all(axis=1)).tolist():
        groups.setdefault(campaign.domain.key(source.designs[i]), []).append(i)
    n_more = sum(map(len, groups.values())) - len(groups)
    notes = (f"{n_more} measurements of a design that was given already: their mean counts",) if n_more else ()
    return [rows[0] for rows in groups.values()], [tuple(Y[rows].mean(0).tolist()) for rows in groups.values()], notes


def _drawn(campaign: Campaign[D, B], source: Corpus[D]) -> Start:
    """Rows of a corpus to start from: drawn at random, repeats replaced by others.

    So are those that a screen refuses, where `screen_seeds` says so; seeds that were given are taken as they are.

    Raises:
        InvdesignError: no design of the corpus passes the screens.
    """
    draw = np.random.default_rng(round_seed(campaign.seed, 0, "seeds"))
    n = min(campaign.n_seeds, campaign.budget, len(source))
    batch = draw.choice(len(source), size=n, replace=False)
    rest = draw.permutation(np.setdiff1d(np.arange(len(source)), batch))
    screens = () if campaign.seeds or not campaign.screen_seeds else campaign.screens
    chosen: dict[str, int] = {}
    while len(batch) and len(chosen) < n:
        for row, _ in apply_screens(screens, [source.designs[j] for j in batch]):
            chosen.setdefault(campaign.domain.key(source.designs[batch[row]]), int(batch[row]))
        batch, rest = rest[:n], rest[n:]
    if not chosen:
        raise InvdesignError(
            f"campaign {campaign.name!r}: none of {len(source):,} designs of the corpus passes the screens; "
            f"of the first ones {_refusals(campaign, source)}; loosen them, or set screen_seeds=false"
        )
    rows = sorted(list(chosen.values())[:n])
    is_short = len(rows) < n
    notes = (f"{len(rows)} of {n} seeds: no other design of the corpus passes the screens",) if is_short else ()
    return rows, [()] * len(rows), notes


def _refusals(campaign: Campaign[D, B], source: Corpus[D], most: int = 100) -> str:
    """How many of the first designs each screen refuses, for people."""
    findings = run_checks(campaign.screens, source.designs[:most])
    counts = Counter(check.name for checks in findings for check in checks if not check.passed)
    return ", ".join(f"{name} refuses {n} of {len(findings)}" for name, n in counts.most_common())


def tell(state: State[D], outcomes: Mapping[str, Outcome]) -> State[D]:
    """Write outcomes to the pending designs, by key.

    Raises:
        InvdesignError: a key is not pending.
    """
    unknown = set(outcomes) - {c.key for c in state.pending}
    if unknown:
        raise InvdesignError(f"told of designs that are not pending: {sorted(unknown)[:3]}; ask for them first")
    told = tuple(c.with_outcome(outcomes[c.key]) if c.key in outcomes else c for c in state.pending)
    return replace(state, pending=told)


def run(
    campaign: Campaign[D, B],
    space: LatentSpace[D, B],
    state: State[D],
    *,
    evaluate: Evaluate,
    memory: Recorder | None = None,
    known: frozenset[str] = frozenset(),
    progress: Progress = silent,
) -> State[D]:
    """Ask, measure and learn until the budget is spent.

    Args:
        campaign: the parts.
        space: the trained map.
        state: where to go on from (`begin` for a new campaign).
        evaluate: where oracles run; yields `(index, outcome)` as they finish.
        memory: writes each step down before the next one is taken.
        known: keys never to be proposed (the corpus).
        progress: called with `(stage, done, total)`.

    Returns:
        The final state.

    Raises:
        InvdesignError: oracle calls fail more often than `max_failure_rate`.
    """
    features: dict[str, Array] = {}
    while True:
        open_designs = [c for c in state.pending if c.status == "pending"]
        for index, outcome in evaluate(campaign.oracle, [c.design for c in open_designs]) if open_designs else ():
            candidate = open_designs[index].with_outcome(outcome)
            if memory:
                memory.told(candidate)
            state = tell(state, {candidate.key: outcome})
            progress("measured", state.n_calls - sum(c.status == "pending" for c in state.pending), campaign.budget)
        if state.pending:
            state = close_round(campaign, state)
            if memory:
                memory.closed(state)
            _stop_on_failures(campaign, state)
        if _is_tuning_due(campaign, state):
            space, state = finetune_latent_space(campaign, space, state)
            if memory:
                memory.tuned(space, state)
        if state.n_calls >= campaign.budget or _is_barren(campaign, state):
            return state
        state = ask(campaign, space, state, known=known, features=features, progress=progress)
        if not state.pending:
            state = close_round(campaign, state)
        if memory:
            memory.asked(state)


def _is_tuning_due(campaign: Campaign[D, B], state: State[D]) -> bool:
    """After every `finetune_every` rounds, once: a run that was killed after it must not tune again."""
    is_turn = campaign.finetune is not None and campaign.finetune_every > 0 and state.round > 0
    return is_turn and state.round % campaign.finetune_every == 0 and not state.records[-1].is_finetuned


def _is_barren(campaign: Campaign[D, B], state: State[D]) -> bool:
    last = state.records[-campaign.max_empty_rounds :]
    return len(last) == campaign.max_empty_rounds and all(r.round > 0 and r.funnel.asked == 0 for r in last)


def _stop_on_failures(campaign: Campaign[D, B], state: State[D]) -> None:
    failed = [c for c in state.history if c.status in FAILED]
    asked = sum(c.origin != "given" for c in state.history)
    if asked >= 20 and len(failed) > campaign.max_failure_rate * asked:
        raise InvdesignError(
            f"{len(failed)} of {asked} oracle calls failed, more than max_failure_rate={campaign.max_failure_rate}; "
            f"the last reason was: {failed[-1].reason or failed[-1].status}. Mend the oracle, or raise "
            "max_failure_rate, "
            "and run the same command again: nothing measured is lost"
        )


def finetune_latent_space(
    campaign: Campaign[D, B], space: LatentSpace[D, B], state: State[D]
) -> tuple[LatentSpace[D, B], State[D]]:
    """Tune the map on what was learnt and encode the history again: one history, so one re-encoding."""
    assert campaign.finetune is not None
    designs = [c.design for c in state.history]
    U = campaign.utilities(state.history)
    merit = np.full(len(designs), np.nan)
    order = rank(U)
    merit[order] = -np.arange(len(order))
    space = campaign.finetune(
        space, designs, merit if U.shape[1] > 1 else U[:, 0], seed=round_seed(campaign.seed, state.round, "tune")
    )
    Z = space.encode(designs)
    log_density = space.log_density(Z)
    percentile = space.percentile(log_density)
    history = tuple(
        replace(c, z=Z[i], log_density=float(log_density[i]), percentile=float(percentile[i]))
        for i, c in enumerate(state.history)
    )
    records = (*state.records[:-1], replace(state.records[-1], is_finetuned=True))
    return space, replace(state, history=history, records=records)


def shortlist(campaign: Campaign[D, B], state: State[D], *, known: frozenset[str] = frozenset()) -> list[Candidate[D]]:
    """The best measured designs that pass every validator, best first, each with its checks.

    Seeds and designs of the corpus are not candidates: what exists needs no designing. Where the campaign may propose
    designs of the corpus (`allow_corpus_designs`), they are.
    """
    return rank_shortlist(campaign, validate_candidates(campaign, state, known=known))


def rank_shortlist(campaign: Campaign[D, B], found: Sequence[Candidate[D]]) -> list[Candidate[D]]:
    """The shortlist among designs that `checked` answered."""
    valid = [c for c in found if c.is_valid]
    return [valid[i] for i in rank(campaign.utilities(valid))[: campaign.n_shortlist]] if valid else []


def validate_candidates(
    campaign: Campaign[D, B], state: State[D], *, known: frozenset[str] = frozenset()
) -> list[Candidate[D]]:
    """Every measured design that the campaign made itself, with the findings of all validators."""
    known = frozenset() if campaign.allow_corpus_designs else known
    found = [c for c in state.history if c.round > 0 and c.status == "measured" and c.key not in known]
    findings = run_checks(campaign.validators, [c.design for c in found])
    return [replace(c, checks=c.checks + checks) for c, checks in zip(found, findings, strict=True)]


def count_failures(found: Sequence[Candidate[D]]) -> dict[str, int]:
    """How many designs each check refuses, the strictest first; a design may fail several."""
    return dict(Counter(check.name for c in found for check in c.checks if not check.passed).most_common())
