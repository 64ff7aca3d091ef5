"""The status of a run from its files alone, without the campaign, its libraries and its latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from invdesign.core import (
    FAILED,
    Combine,
    InvdesignError,
    Objective,
    admissible_utilities,
    parse_constraints,
    rank,
    with_constrained,
)
from invdesign.core.steering import Change, change_settings
from invdesign.ledger.summary import Entry, summarize
from invdesign.runs import folders
from invdesign.runs.results import Status

MAX_TEXT = 200
"""Characters of a design that a status shows; a longer one has its identifier alone."""


def read_status(path: str | Path) -> Status:
    """Return the status of a run, or of the newest run of a campaign's folder.

    Raises:
        InvdesignError: There is no run, or it was started in Python, so that its objectives are not stored.
    """
    folder = folders.existing(path).path
    config = folders.read_config(folder)
    if not config.config:
        raise InvdesignError(
            f"{folder}: this run was started in Python. Use CampaignRun.open(folder, campaign).status()"
        )
    summary = summarize(folder / folders.LEDGER)
    config = _steered(config, summary.changes)
    objectives = objectives_of(config.config)
    evaluated = [entry for entry in summary.entries if entry.status != "pending"]
    best = _best(evaluated, objectives, _constraints(config.config), combination(config))
    text = "" if best is None else best.text.strip()
    return Status(
        config.name,
        folder,
        summary.round,
        sum(entry.origin != "given" for entry in summary.entries),
        int(_setting(config, "budget", 0)),
        len(summary.entries) - len(evaluated),
        sum(entry.status == "measured" for entry in evaluated),
        sum(entry.status in FAILED for entry in evaluated),
        {} if best is None else dict(zip((o.name for o in objectives), best.outcome.y, strict=True)),
        "" if best is None else text if len(text) <= MAX_TEXT and "\n" not in text else best.id,
    )


def _steered(config: folders.RunConfig, changes: Sequence[Change]) -> folders.RunConfig:
    """Return a stored configuration with the changes of the running campaign."""
    if not changes:
        return config
    named = {objective.name: vars(objective) for objective in objectives_of(config.config)}
    stated = {**config.config, "budget": _setting(config, "budget", 0), "objectives": named}
    others = {name: setting for name, setting in config.settings.items() if name != "budget"}
    return replace(config, config=change_settings(stated, changes), settings=others)


def objectives_of(config: Mapping[str, Any]) -> list[Objective]:
    """Return the measured properties of a stored configuration: its objectives, then other constrained ones."""
    given = config.get("objectives") or {}
    named = given if isinstance(given, Mapping) else {node["name"]: node for node in given}
    fields = Objective.__dataclass_fields__
    objectives = [
        Objective(**{"name": name, **{k: _tuple(v) for k, v in node.items() if k in fields and v is not None}})
        for name, node in named.items()
        if node is not None
    ]
    return list(with_constrained(objectives, list(_constraints(config))))


def _constraints(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: limit for name, limit in (config.get("constraints") or {}).items() if limit is not None}


def combination(config: folders.RunConfig) -> Combine:
    """Return how a run combines several objectives."""
    return cast(Combine, str(_setting(config, "combine", "pareto")))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _setting(config: folders.RunConfig, key: str, default: Any) -> Any:
    stated = config.settings.get(key, {}).get("value", config.config.get(key))
    return default if stated is None else stated


def _best(
    entries: list[Entry], objectives: list[Objective], constraints: Mapping[str, str], combine: Combine
) -> Entry | None:
    missing = (float("nan"),) * len(objectives)
    Y = np.array([e.outcome.y if e.status == "measured" else missing for e in entries]).reshape(-1, len(objectives))
    U = admissible_utilities(objectives, parse_constraints(constraints), Y, combine=combine)
    order = rank(U) if entries else []
    return entries[order[0]] if order else None
