"""Changes of a running campaign, as they are recorded: a setting, how it changes, and a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from invdesign.core.errors import InvdesignError

_CHANGE = re.compile(r"([A-Za-z_][\w.\- ]*?)(\+?=)(.*)", re.DOTALL)
_WORDS = re.compile(r"[\w-]+(,[\w-]+)*")


@dataclass(frozen=True)
class Change:
    """A change of one setting.

    Example:
        >>> Change.parse("domain.only=C,N,O")
        Change(key='domain.only', operation='=', value=['C', 'N', 'O'])
        >>> Change.parse("budget=300").value, Change.parse("constraints.toxicity=<= 0.2").value
        (300, '<= 0.2')
    """

    key: str
    """Dotted name of the setting, e.g. `"objectives.affinity.goal"`."""
    operation: Literal["=", "+="]
    """Whether the value replaces the present one, or is added to it."""
    value: Any
    """The value, as JSON."""

    @classmethod
    def parse(cls, text: str) -> Change:
        """Return the change of a text `KEY=VALUE` or `KEY+=VALUE`; values are JSON, words separated by commas, or text.

        Raises:
            InvdesignError: The text is neither.
        """
        match = _CHANGE.fullmatch(text)
        if match is None:
            raise InvdesignError(f"steer: expected KEY=VALUE or KEY+=VALUE, got {text[:60]!r}. Write e.g. budget=300")
        key, operation, value = match.groups()
        return cls(key, "+=" if operation == "+=" else "=", _read(key, value.strip()))

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else json.dumps(self.value)
        return f"{self.key}{self.operation}{value}"


def combine_values(old: Any, change: Change) -> Any:
    """Return the value of a setting after a change.

    Raises:
        InvdesignError: Something is added to a setting that is neither a number nor a list.
    """
    if change.operation == "=":
        return change.value
    added = list(change.value) if isinstance(change.value, list | tuple) else [change.value]
    if isinstance(old, Mapping):
        new = change.value if isinstance(change.value, Mapping) else dict.fromkeys(added, "")
        return {**old, **new}
    if isinstance(old, list | tuple):
        return [*old, *(item for item in added if item not in old)]
    if isinstance(old, int | float) and isinstance(change.value, int | float):
        return old + change.value
    raise InvdesignError(
        f"steer: {change.key} has the value {old!r}, to which nothing can be added. Write {change.key}="
    )


def change_settings(settings: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """Return nested settings after changes; a value that is None leaves the setting out."""
    changed = dict(settings)
    for change in changes:
        changed = _change_nested(changed, change.key.split("."), change)
    return changed


def _change_nested(settings: Mapping[str, Any], keys: Sequence[str], change: Change) -> dict[str, Any]:
    first, *rest = keys
    old = settings.get(first)
    if rest:
        return {**settings, first: _change_nested(old if isinstance(old, Mapping) else {}, rest, change)}
    return {**settings, first: combine_values(old, change)}


def _read(key: str, text: str) -> Any:
    if key.startswith("constraints."):
        return None if text in ("", "null") else text
    try:
        return json.loads(text)
    except ValueError:
        pass
    if key.startswith("domain.") and "," in text and _WORDS.fullmatch(text):
        return [_word(word) for word in text.split(",")]
    return text


def _word(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?\d+", text) else text
