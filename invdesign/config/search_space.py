"""Space of settings that tuning searches, in Hydra's grammar for intervals, ranges and choices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, RangeSweep

from invdesign.config.compose import groups, parse_override
from invdesign.core.errors import InvdesignError

TUNE = ("space", "stage", "objective", "trials", "seeds", "held_out", "prune")
"""Keys of the `tune:` block of a campaign."""


@dataclass(frozen=True)
class Dimension:
    """A setting and the values that it may take."""

    key: str
    """What it overrides, e.g. `search.acquire.beta` or `search`."""
    low: float | None = None
    """Smallest value of an interval."""
    high: float | None = None
    """Largest value of an interval."""
    is_log: bool = False
    """Whether the interval is searched on a logarithmic scale."""
    is_int: bool = False
    """Whether its values are whole numbers."""
    choices: tuple[str, ...] = ()
    """Values to choose from, where it is no interval."""

    def examples(self) -> list[Any]:
        """Return the values that are validated before anything runs: all choices, or the ends of an interval."""
        return list(self.choices) or [self.low, self.high]

    @property
    def between(self) -> float | None:
        """A value inside an interval that is no whole number; None for whole numbers and choices."""
        if self.is_int or self.low is None or self.high is None:
            return None
        middle = self.low + 0.37 * (self.high - self.low)
        return middle + 0.01 if middle == int(middle) else middle

    def override(self, value: Any) -> str:
        """Return the override that sets a value."""
        text = str(int(value)) if self.is_int else f"{value:.6g}" if isinstance(value, float) else str(value)
        return f"{self.key}={text}"


def parse_space(given: Sequence[str], *, config_dirs: Sequence[str] = ()) -> list[Dimension]:
    """Return the dimensions of a space.

    Args:
        given: `KEY=interval(low,high)`, with `log` as a third word or Hydra's `tag(log,...)`;
            `KEY=int(interval(low,high))` for whole numbers; `KEY=range(low,high,step)`; `KEY=a,b,c`;
            `GROUP=glob(pattern)`.
        config_dirs: Folders of the user's own groups.

    Raises:
        InvdesignError: A text has another form, an interval is empty, or a key is given twice.

    Example:
        >>> parse_space(["search.acquire.beta=interval(0.1,10,log)"])
        [Dimension(key='search.acquire.beta', low=0.1, high=10.0, is_log=True, is_int=False, choices=())]
    """
    space = [_dimension(text, config_dirs) for text in given]
    keys = [dimension.key for dimension in space]
    repeated = [key for key in keys if keys.count(key) > 1]
    if repeated:
        raise InvdesignError(f"--space: expected {repeated[0]} once, got it twice. Leave one out")
    if not space:
        raise InvdesignError(
            "tune: expected a space, got none. Add --space 'search.acquire.beta=interval(0.1,10,log)', or a block "
            "`tune: {space: {...}}` to the campaign"
        )
    return space


def space_texts(block: Mapping[str, Any]) -> list[str]:
    """Return the space of a `tune:` block as texts; a list is a choice.

    Example:
        >>> space_texts({"space": {"batch": [5, 10], "search.acquire.beta": "interval(0.1,10,log)"}})
        ['batch=5,10', 'search.acquire.beta=interval(0.1,10,log)']
    """
    return [
        f"{key}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in (block.get("space") or {}).items()
    ]


def check_block(block: Any) -> dict[str, Any]:
    """Return the `tune:` block of a campaign.

    Raises:
        InvdesignError: It is no mapping, or has an unknown key.
    """
    if not isinstance(block, Mapping) or not isinstance(block.get("space") or {}, Mapping):
        raise InvdesignError("tune: expected a block with `space:` and `key: values` below it, got something else")
    for key in block:
        if key not in TUNE:
            raise InvdesignError(f"tune: has no setting {key!r}. It has {', '.join(TUNE)}")
    return dict(block)


def _dimension(text: str, config_dirs: Sequence[str]) -> Dimension:
    plain = re.sub(r"interval\(([^()]*?),\s*log\s*\)", r"tag(log,interval(\1))", text)
    override = parse_override(plain)
    key, value = override.key_or_group, override.value()
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        is_log, is_int = "log" in value.tags, text.partition("=")[2].startswith("int(")
        if low is None or high is None or not low < high or (is_log and low <= 0):
            raise InvdesignError(
                f"--space {text}: expected an interval from a smaller to a larger number (above 0 for log)"
            )
        return Dimension(key, float(low), float(high), is_log, is_int)
    if isinstance(value, RangeSweep):
        values = [str(item) for item in value.range()]
    elif isinstance(value, Glob):
        values = value.filter(groups(config_dirs).get(key, []))
    elif isinstance(value, ChoiceSweep):
        values = list(override.sweep_string_iterator())
    else:
        values = []
    if len(values) < 2:
        raise InvdesignError(
            f"--space {text}: expected KEY=interval(low,high), KEY=interval(low,high,log), KEY=a,b,c or GROUP=glob(*), "
            "got one value"
        )
    return Dimension(key, choices=tuple(values))
