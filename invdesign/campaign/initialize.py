"""Seed designs: what a campaign starts from."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from invdesign.campaign.definition import Campaign
from invdesign.campaign.engine import Engine
from invdesign.campaign.first_plate import POOL_PER_DESIGN, ChooseSeeds, pool_of
from invdesign.campaign.placement import describe_errors, place
from invdesign.campaign.pool import apply_screens, run_checks
from invdesign.campaign.state import BatchSelected, RoundRecord
from invdesign.core import (
    GIVEN,
    Array,
    B,
    Candidate,
    Check,
    Constrained,
    Corpus,
    D,
    InvdesignError,
    Validator,
    describe_usage,
    first_occurrences,
    round_seed,
)
from invdesign.core.capabilities import ask_for_unit, possible_units
from invdesign.io.measured_values import MeasuredValue
from invdesign.io.repeats import merge_values
from invdesign.io.units import conversion_factor, parse_unit

ADAPTED_PER_SEED = 20
"""Designs of the corpus that are tried for each seed design where the domain has constraints."""


@dataclass(frozen=True)
class _Start:
    """Rows of a corpus, their measured values, and remarks."""

    rows: list[int]
    values: list[tuple[float, ...]]
    notes: tuple[str, ...]
    errors: list[tuple[float, ...]]
    bounds: list[tuple[int, ...]]


def initialize(
    engine: Engine[D, B],
    corpus: Corpus[D] | None = None,
    *,
    seeds: Corpus[D] | None = None,
    added: Sequence[Candidate[D]] = (),
) -> BatchSelected[D]:
    """Return round 0: designs that came measured with their values, other seed designs pending.

    Args:
        engine: The campaign bound to its latent space.
        corpus: Designs to draw from where the campaign has no seed designs of its own.
        seeds: The campaign's seed designs where they are loaded already.
        added: Designs that are in the campaign already: those measured take the places of seed designs, and none is
            selected again.

    Raises:
        InvdesignError: There is nothing to start from, or no design of the corpus passes the screens.
    """
    campaign, latent_space = engine.campaign, engine.latent_space
    if seeds is None and campaign.seeding.seeds is not None:
        seeds = campaign.seeding.seeds()
    source = corpus if seeds is None else seeds
    n_measured = sum(c.status == "measured" for c in added)
    if n_measured and (source is None or not len(source)):
        return _without_seeds(n_measured)
    if source is None or not len(source):
        raise InvdesignError(
            f"campaign {campaign.name!r}: expected designs to start from, got none. Give it a corpus, or "
            "seeds=<domain>/table with a file of designs"
        )
    check_properties(campaign, source, is_seeds=seeds is not None)
    is_given = is_measured(campaign, source, is_seeds=seeds is not None)
    if not is_given and n_measured >= campaign.seeding.n_seeds:
        return _without_seeds(n_measured)
    if not is_given and isinstance(campaign.domain, Constrained):
        source = _adapt_source(campaign, campaign.domain, source)
    known = frozenset(c.key for c in added)
    n_seeds = campaign.seeding.n_seeds - n_measured
    if not is_given and seeds is None and campaign.seeding.first_plate is not None:
        source = _plate(engine, campaign.seeding.first_plate, source, n_seeds, known)
    start = _measured_rows(campaign, source, known) if is_given else _drawn_rows(campaign, source, n_seeds, known)
    designs = [source.designs[i] for i in start.rows]
    placement = place(latent_space, designs)
    candidates = tuple(
        Candidate(
            design,
            campaign.domain.key(design),
            placement.Z[row],
            origin=GIVEN if is_given else "seed",
            y=start.values[row],
            name=source.names[start.rows[row]] if source.names else "",
            error=start.errors[row],
            bound=start.bounds[row],
            status="measured" if is_given else "pending",
            log_density=float(placement.log_density[row]),
            percentile=float(placement.percentile[row]),
        )
        for row, design in enumerate(designs)
    )
    problems = describe_errors(placement.errors)
    is_read = len(engine.informative(candidates)) == len(candidates)
    use = "the surrogate reads their features alone" if is_read else "the surrogate does not read them"
    notes = (*start.notes, f"{problems}: {use}, and no trust region starts from them") if problems else start.notes
    return BatchSelected(candidates, RoundRecord(0, notes=notes))


def _without_seeds(n_measured: int) -> BatchSelected[Any]:
    """Return a round 0 without designs, for a campaign that contains measured ones."""
    return BatchSelected((), RoundRecord(0, notes=(f"no seed designs: {n_measured:,} measured designs were added",)))


def check_properties(campaign: Campaign[D, B], source: Corpus[D], *, is_seeds: bool) -> None:
    """Check that the measured properties of seed designs, or of a corpus, belong to objectives.

    A corpus may have properties that only shape its latent space; one that is spelled like an objective is refused.

    Raises:
        InvdesignError: No objective has the name of a property (the message names the nearest), or its unit has
            another metric prefix or is another one.
    """
    names = [objective.name for objective in campaign.objectives]
    _check_units(campaign, source)
    free = [other for other in names if other not in source.properties]
    for name in source.properties:
        is_spelled_alike = any(_plain(other) == _plain(name) for other in free)
        if name not in names and (is_seeds or is_spelled_alike):
            raise _unknown_property(name, names, free or names, "seeds" if is_seeds else "corpus")


def check_seed_properties(campaign: Campaign[D, B]) -> None:
    """Check the names of the properties that the seed designs are read with, before any file is read.

    Raises:
        InvdesignError: No objective has the name of a property; the message names the nearest.
    """
    loader = campaign.seeding.seeds
    named = loader.keywords.get("properties") if isinstance(loader, partial) else None
    names = [objective.name for objective in campaign.objectives]
    for name in named or ():
        if name not in names:
            raise _unknown_property(name, names, names, "seeds")


def _unknown_property(name: str, names: Sequence[str], free: Sequence[str], which: str) -> InvdesignError:
    """Return the error for a property that no objective is called, with the nearest of the free names."""
    same = [other for other in free if _plain(other) == _plain(name)]
    close = (same or difflib.get_close_matches(name, free, n=1, cutoff=0.0) or list(free))[0]
    return InvdesignError(
        f"{which}.properties: no objective is called {name!r}, the objectives are {', '.join(map(repr, names))}. "
        f"Did you mean {close!r}? Write {which}.properties={{{close}: COLUMN}}"
    )


def check_named_units(campaign: Campaign[D, B], sources: Sequence[Corpus[D]]) -> None:
    """Check that objectives whose values mean nothing without a unit have one, or that a table states it.

    Args:
        campaign: The campaign.
        sources: Its corpus and its seed designs, where it has them.

    Raises:
        InvdesignError: One has none.
    """
    stated = {usage.name for source in sources for usage in source.usage if usage.unit}
    for objective in campaign.objectives:
        units = possible_units(campaign.domain, objective.name)
        if units and not objective.unit and objective.name not in stated:
            raise InvdesignError(ask_for_unit(objective.name, units))


def _check_units(campaign: Campaign[D, B], source: Corpus[D]) -> None:
    """Check that values are in the unit of their objective, where both state one that is known.

    Raises:
        InvdesignError: They have another metric prefix or unit, or an energy is that of a cell and not of an atom.
    """
    units = {usage.name: usage.unit for usage in source.usage if usage.unit}
    for objective in campaign.objectives:
        unit = units.get(objective.name, "")
        if not unit or not objective.unit:
            continue
        factor = conversion_factor(unit, objective.unit)
        is_known = parse_unit(unit) is not None and parse_unit(objective.unit) is not None
        if factor == 1 or not (is_known or possible_units(campaign.domain, objective.name)):
            continue
        is_total = factor is None and conversion_factor(f"{unit}/atom", objective.unit) == 1
        total = (
            f", or divide totals of the cell by its number of atoms: per_atom=[{objective.name}]" if is_total else ""
        )
        raise InvdesignError(
            f"{source.name}: expected {objective.name!r} in {objective.unit} (the unit of the objective), got "
            f"{unit}. Set the unit of the objective to {unit}, or write the values in {objective.unit}{total}"
        )


def _plain(name: str) -> str:
    """Return a name in lower case without separators."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def is_measured(campaign: Campaign[D, B], source: Corpus[D], *, is_seeds: bool) -> bool:
    """Return whether designs come measured: seed designs for any objective, those of a corpus for all of them.

    A corpus that lacks an objective is drawn from instead, and its drawn designs are measured for all objectives.
    """
    known = [np.isfinite(source.properties.get(objective.name, np.nan)).any() for objective in campaign.objectives]
    return any(known) if is_seeds else all(known)


def _measured_rows(campaign: Campaign[D, B], source: Corpus[D], known: Set[str]) -> _Start:
    """Return the rows of designs that came measured for some objective, each key that is not known once.

    A corpus may hold a design several times where the campaign's domain distinguishes less than its loader.
    """
    names = [objective.name for objective in campaign.objectives]
    nothing = np.full(len(source), np.nan)
    Y, E, C = (
        np.stack([columns.get(name, nothing) for name in names], axis=1)
        for columns in (source.properties, source.errors, source.bounds)
    )
    groups: dict[str, list[int]] = {}
    for i in np.flatnonzero(np.isfinite(Y).any(axis=1)).tolist():
        groups.setdefault(campaign.domain.key(source.designs[i]), []).append(i)
    groups = {key: rows for key, rows in groups.items() if key not in known}
    merged = [
        [
            merge_values(values) if (values := _values(rows, Y[:, j], E[:, j], C[:, j])) else None
            for j in range(len(names))
        ]
        for rows in groups.values()
    ]
    n_more = sum(map(len, groups.values())) - len(groups)
    n_without = int((~np.isfinite(Y).any(axis=1)).sum())
    n_partial = sum(any(value is None for value in row) for row in merged)
    notes = list(describe_usage(source.usage, source=source.name))
    if n_more:
        notes.append(f"{n_more} measurements are repeats of a design: the mean counts")
    if n_partial:
        notes.append(f"{n_partial} of {len(merged)} designs are measured for some of the objectives only")
    if n_without:
        notes.append(f"{n_without} designs of {source.name} without a value of an objective are not used")
    return _Start(
        [rows[0] for rows in groups.values()],
        [tuple(math.nan if value is None else value.value for value in row) for row in merged],
        tuple(notes),
        [_known([math.nan if value is None else value.error for value in row]) for row in merged],
        [_marked([0 if value is None else value.bound for value in row]) for row in merged],
    )


def _values(rows: Sequence[int], y: Array, errors: Array, bounds: Array) -> list[MeasuredValue]:
    """Return the known values of some rows."""
    return [
        MeasuredValue(float(y[i]), float(errors[i]), int(np.nan_to_num(bounds[i]))) for i in rows if np.isfinite(y[i])
    ]


def _known(errors: Sequence[float]) -> tuple[float, ...]:
    """Return errors, or nothing where none is known."""
    return tuple(errors) if any(map(math.isfinite, errors)) else ()


def _marked(bounds: Sequence[int]) -> tuple[int, ...]:
    """Return censoring marks, or nothing where all values are plain."""
    return tuple(bounds) if any(bounds) else ()


def _adapt_source(campaign: Campaign[D, B], domain: Constrained[D], source: Corpus[D]) -> Corpus[D]:
    """Return designs that meet the constraints of the domain: designs of a corpus first, then changed ones.

    The source is returned as it is where enough of its designs meet them.

    Raises:
        InvdesignError: No design meets them, nor a change of one.
    """
    generator = np.random.default_rng(round_seed(campaign.seed, 0, "constraints"))
    rows = generator.permutation(len(source))[: ADAPTED_PER_SEED * campaign.seeding.n_seeds]
    given = [source.designs[row] for row in rows]
    pairs = [(design, domain.adapt(design)) for design in given]
    if sum(new is old for old, new in pairs) >= min(campaign.seeding.n_seeds, len(pairs)):
        return source
    found = sorted(((old is not new, new) for old, new in pairs if new is not None), key=lambda pair: pair[0])
    distinct = {campaign.domain.key(design): design for _, design in reversed(found)}
    if not distinct:
        raise InvdesignError(
            f"campaign {campaign.name!r}: expected seed designs that meet the domain's constraints, got none of "
            f"{len(given):,}, nor a similar one. Loosen the constraints, or give other seeds"
        )
    n_kept = sum(not is_changed for is_changed, _ in found)
    chosen = tuple(reversed(distinct.values()))[: max(n_kept, campaign.seeding.n_seeds)]
    return Corpus(chosen, name=source.name)


def _plate(engine: Engine[D, B], choose: ChooseSeeds, source: Corpus[D], n_seeds: int, known: Set[str]) -> Corpus[D]:
    """Return the designs of a first plate; where too few pass the screens, others of the corpus are added."""
    campaign, domain = engine.campaign, engine.campaign.domain
    n = min(n_seeds, campaign.limits.budget, len(source))
    generator = np.random.default_rng(round_seed(campaign.seed, 0, "first plate"))
    screens = _seed_screens(campaign)

    def is_open(designs: list[D]) -> list[bool]:
        passed = {i for i, _ in apply_screens(screens, designs)}
        return [i in passed and domain.key(design) not in known for i, design in enumerate(designs)]

    order = generator.permutation(len(source))[: POOL_PER_DESIGN * n]
    pool = pool_of(engine.latent_space, [source.designs[i] for i in order], is_open)
    chosen = list(choose(pool, n, generator))
    designs = [*(design for design, ok in zip(chosen, is_open(chosen), strict=True) if ok), *pool.designs]
    rows = first_occurrences(domain.key(design) for design in designs)
    return Corpus(tuple(designs[i] for i in rows[:n]), name=source.name)


def _seed_screens(campaign: Campaign[D, B]) -> list[Validator]:
    """Return the screens that drawn seed designs have to pass."""
    seeding = campaign.seeding
    screens: list[Validator] = [*(campaign.screens if seeding.screen_seeds and not seeding.seeds else ())]
    if isinstance(campaign.domain, Constrained):
        screens.append(partial(_meets_constraints, domain=campaign.domain))
    return screens


def _drawn_rows(campaign: Campaign[D, B], source: Corpus[D], n_seeds: int, known: Set[str]) -> _Start:
    """Return rows drawn at random; repeats, and designs that fail a screen, are replaced where that is asked for."""
    generator = np.random.default_rng(round_seed(campaign.seed, 0, "seeds"))
    n = min(n_seeds, campaign.limits.budget, len(source))
    batch = generator.choice(len(source), size=n, replace=False)
    rest = generator.permutation(np.setdiff1d(np.arange(len(source)), batch))
    screens = _seed_screens(campaign)
    chosen: dict[str, int] = {}
    while len(batch) and len(chosen) < n:
        for row, _ in apply_screens(screens, [source.designs[j] for j in batch]):
            key = campaign.domain.key(source.designs[batch[row]])
            if key not in known:
                chosen.setdefault(key, int(batch[row]))
        batch, rest = rest[:n], rest[n:]
    if not chosen and not known:
        raise InvdesignError(
            f"campaign {campaign.name!r}: expected seed designs that pass the screens, got none of {len(source):,} in "
            f"the corpus; of the first ones {_screened_out(campaign, source)}. Loosen the screens, or set "
            "screen_seeds=false"
        )
    rows = sorted(list(chosen.values())[:n])
    is_short = len(rows) < n
    notes = (f"{len(rows)} of {n} seed designs: no other design of the corpus passes the screens",) if is_short else ()
    return _Start(rows, [()] * len(rows), notes, [()] * len(rows), [()] * len(rows))


def _meets_constraints(designs: Sequence[D], *, domain: Constrained[D]) -> list[Check]:
    """Check that designs meet the constraints of a domain as they are."""
    return [Check("constraints", domain.adapt(design) is design) for design in designs]


def _screened_out(campaign: Campaign[Any, Any], source: Corpus[Any], n: int = 100) -> str:
    """Return how many of the first designs fail each screen."""
    results = run_checks(campaign.screens, source.designs[:n])
    counts = Counter(check.name for checks in results for check in checks if not check.passed)
    return ", ".join(f"{count} of {len(results)} fail {name}" for name, count in counts.most_common())
