"""Records as JSON and back, exactly: NaN and the infinities are words, and types come from the record's own hints."""

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
    """Dicts, lists, texts, numbers and None that strict JSON can hold.

    Raises:
        TypeError: a value of another kind, e.g. a function or a tensor with more than one element.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Sequence | set | frozenset):
        return [to_plain(v) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    raise TypeError(
        f"expected numbers, texts, lists, mappings or records of them, got {type(value).__name__}: {value!r}"
    )


def from_plain(kind: type[T], value: Any) -> T:
    """A record (or a tuple, mapping, number of the hinted type) from what `to_plain` made of it.

    Fields that the JSON lacks keep their default, so that a ledger of an earlier version can be read.
    """
    return typing.cast(T, _restore(kind, value))


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """What changed between two plain values, one line per place, e.g. `config.batch: 50 -> 20`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in [*old, *(k for k in new if k not in old)]:
            place = f"{path}.{key}" if path else str(key)
            if key not in new:
                lines.append(f"{place}: {_short(old[key])} -> (gone)")
            elif key not in old:
                lines.append(f"{place}: (new) -> {_short(new[key])}")
            else:
                lines += differences(old[key], new[key], place)
        return lines
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _restore(kind: Any, value: Any) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _restore(_fitting(args, value), value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{f.name: _restore(hints[f.name], value[f.name]) for f in _given(kind, value)})
    if origin is tuple:
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else args
        return tuple(_restore(k, v) for k, v in zip(kinds, value, strict=True))
    if origin in (list, Sequence):
        return [_restore(args[0], v) for v in value]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {_restore(args[0], k): _restore(args[1], v) for k, v in value.items()}
    return kind(value) if kind in (float, int, str, bool) and value is not None else value


def _given(kind: Any, value: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(kind) if f.init and f.name in value]


def _fitting(kinds: Sequence[Any], value: Any) -> Any:
    """The member of a union that a plain value is: numbers and texts as themselves, else a record."""
    simple = [k for k in kinds if k is type(value)]
    compound = [k for k in kinds if k not in (float, int, str, bool, type(None))]
    if isinstance(value, list | Mapping) and compound:
        return compound[0]
    return simple[0] if simple else next(k for k in kinds if k is not type(None))
