"""Axes of a sweep, from overrides in the grammar of Hydra's basic sweeper: `a,b,c`, `choice`, `range` and `glob`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException

from invdesign.config.compose import groups, parse_override, parse_overrides
from invdesign.core.errors import InvdesignError

LAUNCHER = "hydra/launcher"
SWEEPER = "hydra/sweeper"
LAUNCHER_SETTING = "hydra.launcher."


@dataclass(frozen=True)
class Axis:
    """One override of a sweep: the values that it takes, one by one."""

    key: str
    """What it overrides, e.g. `search.acquire.beta` or `search`."""
    choices: tuple[str, ...]
    """Overrides with one value each, e.g. `seed=0`."""

    @property
    def is_varied(self) -> bool:
        """Whether it has several values."""
        return len(self.choices) > 1


@dataclass(frozen=True)
class Launcher:
    """A launcher as overrides name it."""

    name: str = ""
    """Name; empty where none was chosen."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""


def axes(overrides: Sequence[str], *, config_dirs: Sequence[str] = ()) -> list[Axis]:
    """Return the axis of each override, in their order; one that sweeps nothing has one choice.

    Args:
        overrides: Changes in Hydra's grammar; `key=glob(pattern)` chooses among the files of a group.
        config_dirs: Folders of the user's own groups.

    Raises:
        InvdesignError: An override sweeps over an interval, or its glob matches nothing.

    Example:
        >>> [axis.choices for axis in axes(["seed=0,1", "budget=100"])]
        [('seed=0', 'seed=1'), ('budget=100',)]
    """
    return [_axis(override, config_dirs) for override in parse_overrides(overrides)]


def combinations(given: Sequence[Axis]) -> list[list[str]]:
    """Return the overrides of each job: every combination of the choices, the last axis varies fastest."""
    return [list(chosen) for chosen in product(*(axis.choices for axis in given))]


def split_launcher(overrides: Sequence[str]) -> tuple[list[str], Launcher]:
    """Return the overrides of the campaign, and the launcher that the others choose by name.

    Raises:
        InvdesignError: A sweeper other than the basic one, or a launcher by something else than its name.

    Example:
        >>> split_launcher(["seed=0,1", "hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu"])
        (['seed=0,1'], Launcher(name='submitit_slurm', settings={'partition': 'gpu'}))
    """
    own, name, settings = [], "", {}
    for text in overrides:
        key, _, value = text.lstrip("+").partition("=")
        if key == LAUNCHER and value.isidentifier():
            name = value
        elif key.startswith(LAUNCHER_SETTING) and key.removeprefix(LAUNCHER_SETTING).isidentifier():
            settings[key.removeprefix(LAUNCHER_SETTING)] = parse_override(text).value()
        elif key == SWEEPER:
            if value != "basic":
                raise InvdesignError(f"{text}: expected the basic sweeper. For a search over settings: invdesign tune")
        else:
            own.append(text)
    return own, Launcher(name, settings)


def _axis(override: Override, config_dirs: Sequence[str]) -> Axis:
    line = override.input_line or ""
    if not override.is_sweep_override():
        return Axis(override.key_or_group, (line,))
    head = line.split("=", 1)[0]
    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        raise InvdesignError(
            f"{line}: expected a list of values, as in seed=0,1,2 or seed=range(0,3), got an interval. To search one: "
            "invdesign tune CAMPAIGN --space ..."
        )
    if isinstance(value, Glob):
        known = groups(config_dirs).get(override.key_or_group, [])
        values = value.filter(known)
        if not values:
            raise InvdesignError(f"{line}: no choice of {override.key_or_group!r} matches. It has {', '.join(known)}")
    else:
        try:
            values = list(override.sweep_string_iterator())
        except HydraException as error:
            raise InvdesignError(f"{line}: {error}") from error
    return Axis(override.key_or_group, tuple(f"{head}={value}" for value in values))
