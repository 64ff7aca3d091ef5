"""Exact conversion of records to JSON and back: NaN and infinities become text, types come from the type hints."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return a value as dicts, lists, texts, numbers and None, which strict JSON can represent.

    Args:
        value: A record, mapping, sequence, set, path, number, text, array or None.

    Raises:
        TypeError: The value is of another type, e.g. a function.

    Example:
        >>> to_plain({"y": (1.5, float("nan"))})
        {'y': [1.5, 'nan']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [to_plain(v) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    return _plain_scalar(value)


def from_plain(kind: type[T], value: Any) -> T:
    """Return a record (or a tuple, mapping or number) from the plain values of `to_plain`.

    Fields that the values lack keep their default, so that a ledger of an earlier version can be read.

    Args:
        kind: Type of the result; the types of its fields come from their type hints.
        value: Plain values.

    Example:
        >>> from_plain(tuple[float, str], ["nan", "a"])
        (nan, 'a')
    """
    return typing.cast(T, _restore(kind, value))


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return the differences of two plain values, one line per path, e.g. `config.batch: 50 -> 20`.

    Args:
        old: Earlier value.
        new: Later value.
        path: Path of the values, with which each line begins.

    Example:
        >>> differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
        ['b: 2 -> 3', 'c: (new) -> 4']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in [*old, *(k for k in new if k not in old)]:
            key_path = f"{path}.{key}" if path else str(key)
            if key not in new:
                lines.append(f"{key_path}: {_short(old[key])} -> (removed)")
            elif key not in old:
                lines.append(f"{key_path}: (new) -> {_short(new[key])}")
            else:
                lines += differences(old[key], new[key], key_path)
        return lines
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _plain_scalar(value: Any) -> bool | str | int | float | None:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, int):
        return int(value)
    raise TypeError(
        f"expected numbers, texts, lists, mappings or records of them, got {type(value).__name__}: {value!r}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _restore(kind: Any, value: Any) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _restore(_union_member(args, value), value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        fields = [f for f in dataclasses.fields(kind) if f.init and f.name in value]
        return kind(**{f.name: _restore(hints[f.name], value[f.name]) for f in fields})
    if origin is tuple:
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else args
        return tuple(_restore(k, v) for k, v in zip(kinds, value, strict=True))
    if origin in (list, Sequence):
        return [_restore(args[0], v) for v in value]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {_restore(args[0], k): _restore(args[1], v) for k, v in value.items()}
    return kind(value) if kind in (float, int, str, bool) and value is not None else value


def _union_member(kinds: Sequence[Any], value: Any) -> Any:
    """Return the member of a union that a plain value belongs to: its own type for numbers and texts, else a record."""
    simple = [k for k in kinds if k is type(value)]
    compound = [k for k in kinds if k not in (float, int, str, bool, type(None))]
    if isinstance(value, list | Mapping) and compound:
        return compound[0]
    return simple[0] if simple else next(k for k in kinds if k is not type(None))
