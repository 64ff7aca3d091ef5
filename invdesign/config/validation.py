"""Configurations held against the signatures of what they name: wrong keys, types, gaps, and the nearest right."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from invdesign.config.targets import META, resolve
from invdesign.core import InvdesignError

Where = Callable[[Sequence[str]], str]
WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    type(None): "null",
}


def completed(node: dict[str, Any], where: Where, keys: tuple[str, ...] = (), expected: Any = None) -> dict[str, Any]:
    """A part of a configuration with what the signatures imply written out.

    A mapping in the place of a record takes its type from the signature; in the place of a sequence its values are the
    items, their names the items' names, null leaves one out; so it does in a mapping of functions.

    Args:
        node: a mapping with a `_target_` that `targets.problem` accepted, or one in the place of a record.
        where: says for people where a key path was set.
        keys: the path of this node.
        expected: what the signature above says of it.

    Raises:
        InvdesignError: an unknown key, a missing one, or a value of the wrong type.
    """
    record = _record(expected)
    target = node.get("_target_") or (f"{record.__module__}.{record.__qualname__}" if record else None)
    if target is None:
        return {key: _value(value, Any, where, (*keys, str(key))) for key, value in node.items()}
    function = record if record and "_target_" not in node else resolve(target)
    known, takes_any = parameters(function)
    given = {str(key): value for key, value in node.items() if key not in META}
    for key in given:
        if key not in known and not takes_any:
            raise InvdesignError(
                f"{where((*keys, key))}: {_name(function)} has no setting {key!r}{nearest(key, known)}"
            )
    if not node.get("_partial_"):
        _check_complete(function, known, given, where, keys)
    hints = _hints(function)
    done = {key: _value(value, hints.get(key, Any), where, (*keys, key)) for key, value in given.items()}
    partial = {"_partial_": True} if node.get("_partial_") else {}
    return {"_target_": target, **partial, **done}


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean ...?`, or the choices where none is near."""
    known = [choice for choice in choices if not choice.startswith("_")]
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; it has {', '.join(known)}" if known else "; it has none"


def mismatch(value: Any, expected: Any) -> str:
    """Why a plain value does not fit a type, or an empty string; types that say nothing of plain values fit all."""
    origin, args = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        reasons = [mismatch(value, option) for option in args]
        return "" if "" in reasons else f"expected {show(expected)}, got {value!r}"
    if origin is Literal:
        if value in args:
            return ""
        hint = nearest(str(value), map(str, args)) if isinstance(value, str) else ""
        return f"expected one of {', '.join(map(repr, args))}, got {value!r}{hint if 'mean' in hint else ''}"
    fits = True
    if expected is None or expected is type(None):
        fits = value is None
    elif expected is bool:
        fits = isinstance(value, bool)
    elif expected is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif expected is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    elif expected in (str, Path):
        fits = isinstance(value, str)
    elif origin is tuple and args and args[-1] is not Ellipsis:
        fits = isinstance(value, list) and len(value) == len(args)
        fits = fits and not any(mismatch(v, a) for v, a in zip(value, args, strict=True))
    elif _item(expected) is not None:
        items = value if isinstance(value, list) else None
        fits = items is not None and not any(mismatch(v, _item(expected)) for v in items)
    elif origin in (dict, Mapping):
        fits = isinstance(value, dict) and not any(mismatch(v, args[1]) for v in value.values())
    elif dataclasses.is_dataclass(expected) or origin is not None or _is_callable(expected):
        fits = not isinstance(value, str | int | float | list)
    return "" if fits else f"expected {show(expected)}, got {value!r}"


def show(expected: Any) -> str:
    """A type in words that a writer of YAML knows."""
    if expected in WORDS:
        return WORDS[expected]
    origin, args = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(show(a) for a in args)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple and args[-1:] != (Ellipsis,):
        return f"[{', '.join(show(a) for a in args)}]"
    if _item(expected) is not None:
        return f"a list of {show(_item(expected))}"
    if _is_callable(expected):
        return "a function (_target_ with _partial_: true)"
    return getattr(expected, "__name__", str(expected))


def _value(value: Any, expected: Any, where: Where, keys: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        item = None if "_target_" in value else _sequence_item(expected)
        if item is not None:
            named = {key: part for key, part in value.items() if part is not None}
            return [_named(key, part, item, where, (*keys, str(key))) for key, part in named.items()]
        if "_target_" in value or _record(expected):
            if mismatch({}, expected) and not _takes_part(expected):
                raise InvdesignError(
                    f"{where(keys)}: {'.'.join(keys)}: expected {show(expected)}, got a part (_target_)"
                )
            return completed(value, where, keys, expected)
        arguments = typing.get_args(expected)
        inner = arguments[1] if len(arguments) == 2 and typing.get_origin(expected) in (dict, Mapping) else Any
        given = {key: part for key, part in value.items() if part is not None or not _is_callable(inner)}
        return {key: _value(part, inner, where, (*keys, str(key))) for key, part in given.items()}
    if isinstance(value, list):
        item = _sequence_item(expected)
        inner = Any if item is None else item
        parts = [_value(part, inner, where, (*keys, str(i))) for i, part in enumerate(value)]
        if any(isinstance(part, dict) for part in value):
            return parts
    problem = mismatch(value, expected)
    if problem:
        hint = "; quote it to make it text" if expected is str and isinstance(value, int | float) else ""
        raise InvdesignError(f"{where(keys)}: {'.'.join(keys)}: {problem}{hint}")
    return value


def _named(key: str, part: Any, item: Any, where: Where, keys: tuple[str, ...]) -> Any:
    """An item of a sequence that a configuration gives by name; a record with a name takes it."""
    record = _record(item)
    if record and isinstance(part, dict) and "name" in {f.name for f in dataclasses.fields(record)}:
        part = {"name": key, **part}
    return _value(part, item, where, keys)


def _record(expected: Any) -> Any:
    """The one dataclass that a type asks for, or None."""
    options = _options(expected)
    plain = [typing.get_origin(option) or option for option in options]
    records = [option for option in plain if dataclasses.is_dataclass(option)]
    return records[0] if len(records) == 1 else None


def _item(expected: Any) -> Any:
    """What the items of a sequence type are, or None where it is none."""
    origin, args = typing.get_origin(expected), typing.get_args(expected)
    if origin is tuple:
        return args[0] if len(args) == 2 and args[1] is Ellipsis else None
    return args[0] if origin in (list, Sequence) and args else None


def _sequence_item(expected: Any) -> Any:
    options = _options(expected)
    return next((_item(option) for option in options if _item(option) is not None), None)


def _takes_part(expected: Any) -> bool:
    """Whether a type may be something that a `_target_` makes."""
    options = _options(expected)
    return any(
        option not in (int, float, str, bool, type(None)) and typing.get_origin(option) is not Literal
        for option in options
    )


def _options(expected: Any) -> tuple[Any, ...]:
    """The members of a union; another type by itself."""
    is_union = typing.get_origin(expected) in (typing.Union, types.UnionType)
    return typing.get_args(expected) if is_union else (expected,)


def _is_callable(expected: Any) -> bool:
    return typing.get_origin(expected) in (Callable, typing.get_origin(typing.Callable[..., Any]))


def parameters(function: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """What a function can be given by name, and whether it takes any name at all."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(function).parameters.values()
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found)
    return {p.name: p for p in found if p.kind in named}, takes_any


def _check_complete(
    function: Any,
    parameters: Mapping[str, inspect.Parameter],
    given: Mapping[str, Any],
    where: Where,
    keys: tuple[str, ...],
) -> None:
    """Refuse a part that lacks a setting without a default."""
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            raise InvdesignError(f"{where(keys)}: {_name(function)} needs {name!r}; add {'.'.join((*keys, name))}=...")


def _hints(function: Any) -> dict[str, Any]:
    """The types of a signature; a name that exists for type checkers only leaves its setting unchecked."""
    source = function.__init__ if inspect.isclass(function) else function
    names = getattr(source, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, annotation in getattr(source, "__annotations__", {}).items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        with contextlib.suppress(NameError, TypeError, AttributeError):
            hints |= typing.get_type_hints(one, globalns=names)
    return hints


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"
