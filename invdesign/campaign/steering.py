"""Steering of a running campaign: recorded changes of goals, constraints, limits and parts, and their effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

from invdesign.campaign.definition import Campaign, Filters, Limits, Task
from invdesign.campaign.engine import Engine
from invdesign.campaign.state import State
from invdesign.core import B, D, InvdesignError
from invdesign.core.steering import Change, combine_values

LIMITS = ("budget", "batch", "n_in_flight", "max_failure_rate", "max_empty_rounds")
FILTERS = ("min_plausibility", "min_feasibility")
OBJECTIVE = ("goal", "weight", "worst", "best", "unit")
CAN_STEER = (
    f"{', '.join((*LIMITS, *FILTERS))}, objectives.NAME.goal (weight, worst, best), constraints.NAME, "
    "reference_point.NAME, and domain.SETTING for the limits of designs"
)


def active_changes(state: State[Any]) -> tuple[Change, ...]:
    """Return the changes that hold for the next batch, in the order in which they were recorded."""
    return tuple(
        change
        for number, event in state.steering
        if event.n_rounds is None or state.round < number + event.n_rounds
        for change in event.changes
    )


def steer_campaign(campaign: Campaign[D, B], changes: Sequence[Change]) -> Campaign[D, B]:
    """Return a campaign after changes.

    Raises:
        InvdesignError: A setting cannot be changed while a campaign runs, or a value does not fit.
    """
    for change in changes:
        try:
            campaign = _apply_change(campaign, change)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise InvdesignError(
                f"steer: {change}: expected a value that fits, got {change.value!r} ({error})"
            ) from error
    return campaign


def steer_engine(engine: Engine[D, B], state: State[D]) -> Engine[D, B]:
    """Return the engine with the changes that hold for the next batch; the same one where nothing was changed."""
    definition = engine.definition or engine.campaign
    changes = active_changes(state)
    if not changes:
        return engine if engine.definition is None else _with_campaign(engine, definition)
    return replace(_with_campaign(engine, steer_campaign(definition, changes)), definition=definition)


def _with_campaign(engine: Engine[D, B], campaign: Campaign[D, B]) -> Engine[D, B]:
    space = engine.latent_space
    if campaign.domain != space.domain and campaign.domain != engine.campaign.domain:
        space = space.with_domain(campaign.domain)
    return replace(engine, campaign=campaign, latent_space=space, definition=None)


def _apply_change(campaign: Campaign[D, B], change: Change) -> Campaign[D, B]:
    first, *rest = change.key.split(".")
    if first in LIMITS and not rest:
        limits: Limits = _with_field(campaign.limits, first, change)
        return replace(campaign, limits=limits)
    if first in FILTERS and not rest:
        filters: Filters = _with_field(campaign.filters, first, change)
        return replace(campaign, filters=filters)
    if first == "objectives" and len(rest) == 2 and rest[1] in OBJECTIVE:
        return replace(campaign, task=_with_objective(campaign.task, rest[0], rest[1], change))
    if first in ("constraints", "reference_point") and len(rest) == 1:
        return replace(campaign, task=_with_entry(campaign.task, first, rest[0], change))
    if first == "domain" and len(rest) == 1:
        return _with_domain(campaign, _with_field(campaign.domain, rest[0], change))
    raise InvdesignError(f"steer: {change.key!r} cannot be changed while a campaign runs. What can: {CAN_STEER}")


def _with_field(record: Any, name: str, change: Change) -> Any:
    """Return a record with a changed field, in the type that the field has now."""
    names = [field.name for field in fields(record)]
    if name not in names:
        raise InvdesignError(
            f"steer: {change.key}: {type(record).__name__} has no such setting. It has {', '.join(names)}"
        )
    old = getattr(record, name)
    new = combine_values(old, change)
    if isinstance(old, tuple | list | Mapping) and isinstance(new, str | int):
        new = [new]
    is_number = isinstance(old, int | float) and not isinstance(old, bool)
    if is_number and (isinstance(new, bool) or not isinstance(new, int | float)):
        raise InvdesignError(f"steer: {change.key}: expected a number, got {new!r}. Correct it")
    return replace(record, **{name: tuple(new) if isinstance(old, tuple) and isinstance(new, list) else new})


def _with_objective(task: Task, name: str, field: str, change: Change) -> Task:
    _require_measured(task, name, change)
    objectives = []
    for objective in task.objectives:
        if objective.name == name:
            value = combine_values(getattr(objective, field), change)
            settings: dict[str, Any] = {field: tuple(value) if isinstance(value, list) else value}
            objective = replace(objective, **settings)
        objectives.append(objective)
    return replace(task, objectives=tuple(objectives))


def _with_entry(task: Task, field: str, name: str, change: Change) -> Task:
    _require_measured(task, name, change)
    entries = {**getattr(task, field), name: change.value}
    settings: dict[str, Any] = {field: {key: value for key, value in entries.items() if value is not None}}
    return replace(task, **settings)


def _require_measured(task: Task, name: str, change: Change) -> None:
    names = [objective.name for objective in task.objectives]
    if name not in names:
        raise InvdesignError(
            f"steer: {change.key}: expected a property that this run measures ({', '.join(names)}), got {name!r}. A "
            "new property needs a new run, which may start from the measurements of this one: seeds=run"
        )


def _with_domain(campaign: Campaign[D, B], domain: Any) -> Campaign[D, B]:
    """Return a campaign with another domain, also where its screens, validators and mutations name it."""
    old = campaign.domain

    def rebind(part: Any) -> Any:
        if isinstance(part, partial):
            named = {
                key: domain if type(value) is type(old) and value == old else value
                for key, value in part.keywords.items()
            }
            return partial(part.func, *part.args, **named)
        return part

    screens = campaign.filters.screens
    filters = replace(
        campaign.filters,
        screens=None if screens is None else tuple(map(rebind, screens)),
        validators=tuple(map(rebind, campaign.filters.validators)),
    )
    mutations = campaign.mutations
    if mutations is not None:
        mutations = replace(
            mutations,
            mutate=rebind(mutations.mutate),
            distance=rebind(mutations.distance),
            project=rebind(mutations.project),
        )
    return replace(campaign, domain=domain, filters=filters, mutations=mutations)
