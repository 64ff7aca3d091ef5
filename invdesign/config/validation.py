"""Validation of a configuration against the signatures of the parts that it names, without importing them."""

from __future__ import annotations

import ast
import collections.abc
import difflib
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from invdesign.config.ranges import out_of_range
from invdesign.config.signatures import Parameter, Signature, signature
from invdesign.core.errors import InvdesignError

META = ("_target_", "_partial_")
Where = Callable[[Sequence[str]], str]
TYPE_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    type(None): "null",
}
PLAIN_TYPES: dict[str, Any] = {
    "Any": Any,
    "Callable": Callable[..., Any],
    "Literal": Literal,
    "Mapping": Mapping,
    "Path": Path,
    "Sequence": Sequence,
    "bool": bool,
    "dict": dict,
    "float": float,
    "int": int,
    "list": list,
    "str": str,
    "tuple": tuple,
}


def complete(
    node: Mapping[str, Any], where: Where, keys: tuple[str, ...] = (), parameter: Parameter | None = None
) -> dict[str, Any]:
    """Return a part of a configuration with what the signatures imply written out.

    A mapping for a record takes its type from the signature; a mapping for a default part takes the function and the
    settings of the default; a mapping for a sequence names its items, where null leaves one out.

    Args:
        node: A mapping with a `_target_` that `targets.problem` accepted, or one for a record or a default part.
        where: Returns for people where a key path was set.
        keys: The path of this node.
        parameter: The parameter that it is the value of.

    Raises:
        InvdesignError: An unknown key, a missing one, or a value of the wrong type.
    """
    settings = {str(key): value for key, value in node.items() if key not in META}
    target, is_partial = node.get("_target_"), bool(node.get("_partial_"))
    if target is None and parameter is not None:
        target, is_partial, settings = _implied(parameter, settings)
    if target is None:
        return {key: value(setting, None, where, (*keys, key)) for key, setting in settings.items()}
    known = signature(target)
    if known is None:
        done = {key: value(setting, None, where, (*keys, key)) for key, setting in settings.items()}
    else:
        _check_keys(known, settings, is_partial, where, keys)
        if str(target).startswith("invdesign."):
            check_ranges(known, settings, where, keys)
        done = {
            key: value(setting, known.parameters.get(key), where, (*keys, key)) for key, setting in settings.items()
        }
    return {"_target_": target, **({"_partial_": True} if is_partial else {}), **done}


def _implied(parameter: Parameter, settings: dict[str, Any]) -> tuple[str | None, bool, dict[str, Any]]:
    """Return target, kind and settings of a mapping that names no target, from the parameter's type and default."""
    if parameter.container:
        return None, False, settings
    part = parameter.part
    if part is not None and (part.is_function or not parameter.record or part.target == parameter.record):
        return part.target, part.is_function, {**dict(part.settings), **settings}
    return parameter.record or None, False, settings


def _check_keys(
    known: Signature, settings: Mapping[str, Any], is_partial: bool, where: Where, keys: tuple[str, ...]
) -> None:
    """Check that a part has all keys that it needs, and no others."""
    settable = [
        name for name, p in known.parameters.items() if known.is_class or p.is_keyword_only or not p.is_required
    ]
    for key in settings:
        if key not in known.parameters and not known.takes_any:
            hint = nearest(key, settable)
            if key == "function":
                group = "/".join(keys)
                hint = f". To replace it by a function, leave the shipped choice out: `override {group}: null`"
            elif keys in (("corpus",), ("seeds",)) and key == "path":
                hint = f". Choose how the file is read first: {keys[0]}=molecules/table, or that of another domain"
            # Hydra removes no settings within lists.
            elif find_close(key, settable) is None and not any(part.isdigit() for part in keys):
                hint += f". If it belongs to another choice, remove it: '~{'.'.join((*keys, key))}'"
            raise InvdesignError(f"{where((*keys, key))}: {known.target} has no setting {key!r}{hint}")
    if is_partial:
        return
    for name, parameter in known.parameters.items():
        if parameter.is_required and name not in settings:
            raise InvdesignError(f"{where(keys)}: {known.target} needs {name!r}. Add {'.'.join((*keys, name))}=...")


def check_ranges(known: Signature, settings: Mapping[str, Any], where: Where, keys: tuple[str, ...]) -> None:
    """Check that numbers are in the ranges of their parameters.

    Raises:
        InvdesignError: One is not.
    """
    for name, given in settings.items():
        problem = out_of_range(known.parameters[name], given) if name in known.parameters else ""
        if problem:
            raise InvdesignError(f"{where((*keys, name))}: {'.'.join((*keys, name))}: {problem}")


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `. Did you mean ...?`, or the choices where none is near."""
    known = [choice for choice in choices if not choice.startswith("_")]
    close = find_close(word, known)
    if close is not None:
        return f". Did you mean {close!r}?"
    return f". It has {', '.join(known)}" if known else ". It has none"


def find_close(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is written most alike; None where none is near."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return close[0] if close else None


def value(given: Any, parameter: Parameter | None, where: Where, keys: tuple[str, ...]) -> Any:
    """Return a value of a configuration, validated against its parameter and written out.

    Raises:
        InvdesignError: An unknown key, a missing one, or a value of the wrong type.
    """
    if isinstance(given, dict):
        return _mapping(given, parameter, where, keys)
    if isinstance(given, list) and any(isinstance(item, dict) for item in given):
        items = [_item(str(i), item, parameter, where, (*keys, str(i))) for i, item in enumerate(given)]
        return as_declared(items, _type_of(parameter))
    expected = _type_of(parameter)
    problem = mismatch(given, expected)
    if problem:
        hint = ". Quote it to make it text" if expected is str and isinstance(given, int | float) else ""
        raise InvdesignError(f"{where(keys)}: {'.'.join(keys)}: {problem}{hint}")
    return as_declared(given, expected)


def _mapping(value: dict[str, Any], parameter: Parameter | None, where: Where, keys: tuple[str, ...]) -> Any:
    """Return a mapping: a part, a record, or named items of a sequence or mapping."""
    if "_target_" in value:
        if parameter is not None and not (parameter.takes_part or parameter.record):
            raise InvdesignError(
                f"{where(keys)}: {'.'.join(keys)}: expected {show(_type_of(parameter))}, got a part (_target_)"
            )
        return complete(value, where, keys, parameter)
    if parameter is None:
        return complete(value, where, keys)
    if parameter.container == "sequence":
        named = {str(key): item for key, item in value.items() if item is not None}
        items = [_item(key, item, parameter, where, (*keys, key)) for key, item in named.items()]
        return as_declared(items, _type_of(parameter))
    if parameter.container == "mapping":
        is_part = parameter.takes_part or bool(parameter.record)
        given = {str(key): item for key, item in value.items() if item is not None or not is_part}
        return {key: _item(key, item, parameter, where, (*keys, key)) for key, item in given.items()}
    if not (parameter.record or parameter.part or parameter.takes_part):
        raise InvdesignError(f"{where(keys)}: {'.'.join(keys)}: expected {show(_type_of(parameter))}, got a mapping")
    return complete(value, where, keys, parameter)


def _item(key: str, item: Any, parameter: Parameter | None, where: Where, keys: tuple[str, ...]) -> Any:
    """Return an item of a sequence or mapping; a record with a field `name` takes the key."""
    record = parameter.record if parameter is not None else ""
    if not isinstance(item, dict):
        inner = _item_type(parameter)
        problem = mismatch(item, inner)
        if problem:
            raise InvdesignError(f"{where(keys)}: {'.'.join(keys)}: {problem}")
        return item
    if record and "_target_" not in item:
        known = signature(record)
        if known is not None and "name" in known.parameters and not key.isdigit():
            item = {"name": key, **item}
        return complete({"_target_": record, **item}, where, keys)
    return complete(item, where, keys)


def _type_of(parameter: Parameter | None) -> Any:
    """Return the type of a parameter; `Any` where it says nothing of plain values."""
    if parameter is None:
        return Any
    return _read_type(ast.parse(parameter.plain_type, mode="eval").body)


def _read_type(node: ast.expr) -> Any:
    """Return the type that an expression of plain names denotes."""
    if isinstance(node, ast.Constant):
        return type(None) if node.value is None else node.value
    if isinstance(node, ast.Name):
        return PLAIN_TYPES.get(node.id) or _record_type(node.id)
    if isinstance(node, ast.BinOp):
        return _read_type(node.left) | _read_type(node.right)
    if isinstance(node, ast.Subscript):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        head = _read_type(node.value)
        if head is Literal:
            return Literal[tuple(ast.literal_eval(item) for item in items)]
        inner = tuple(... if ast.unparse(item) == "..." else _read_type(item) for item in items)
        return head[inner if len(inner) > 1 else inner[0]]
    return Any


class _Record:
    """Base of the types that stand for records: no plain value is one."""


@cache
def _record_type(name: str) -> type[_Record]:
    """Return the type that stands for a record in messages."""
    return type(name, (_Record,), {})


def as_declared(given: Any, expected: Any) -> Any:
    """Return a value with its lists as tuples where the type is a tuple; YAML has lists only.

    Args:
        given: A value that fits the type.
        expected: The type.

    Example:
        >>> as_declared([1, 2], float | tuple[float, float])
        (1, 2)
    """
    if not isinstance(given, list):
        return given
    option = next((o for o in _options(expected) if typing.get_origin(o) in (tuple, list, Sequence)), None)
    if option is None:
        return given
    item = _sequence_item(option)
    inner = [item] * len(given) if item is not None else list(typing.get_args(option))
    items = [as_declared(value, kind) for value, kind in zip(given, inner, strict=False)]
    return tuple(items) if typing.get_origin(option) is tuple else items


def _item_type(parameter: Parameter | None) -> Any:
    """Return the type of the items of a sequence or the values of a mapping."""
    for option in _options(_type_of(parameter)):
        arguments = typing.get_args(option)
        if typing.get_origin(option) in (dict, Mapping) and len(arguments) == 2:
            return arguments[1]
        if _sequence_item(option) is not None:
            return _sequence_item(option)
    return Any


def mismatch(value: Any, expected: Any) -> str:
    """Return why a plain value does not fit a type; an empty string where it fits, or the type says nothing of it."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        reasons = [mismatch(value, option) for option in arguments]
        return "" if "" in reasons else f"expected {show(expected)}, got {_shown(value)}"
    if origin is Literal:
        if value in arguments:
            return ""
        hint = nearest(str(value), map(str, arguments)) if isinstance(value, str) else ""
        return f"expected one of {', '.join(map(repr, arguments))}, got {value!r}{hint if 'mean' in hint else ''}"
    return "" if _fits(value, expected, origin, arguments) else f"expected {show(expected)}, got {_shown(value)}"


def _fits(value: Any, expected: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    """Return whether a value fits a type that is no union and no literal."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(expected, type) and issubclass(expected, _Record):
        return isinstance(value, dict)
    if expected is bool or expected is type(None):
        return isinstance(value, expected)
    if expected is int:
        return is_number and isinstance(value, int)
    if expected is float:
        return is_number and not math.isnan(value)
    if expected in (str, Path):
        return isinstance(value, str)
    if origin is collections.abc.Callable:
        return not isinstance(value, str | int | float | list)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        is_pair = isinstance(value, list) and len(value) == len(arguments)
        return is_pair and not any(mismatch(v, a) for v, a in zip(value, arguments, strict=True))
    if _sequence_item(expected) is not None:
        return isinstance(value, list) and not any(mismatch(v, _sequence_item(expected)) for v in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and not any(mismatch(v, arguments[1]) for v in value.values())
    return True


def show(expected: Any) -> str:
    """Return a type in words for writers of YAML."""
    if expected in TYPE_NAMES:
        return TYPE_NAMES[expected]
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(show(a) for a in arguments)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        return f"[{', '.join(show(a) for a in arguments)}]"
    if _sequence_item(expected) is not None:
        return f"a list of {show(_sequence_item(expected))}"
    if origin is collections.abc.Callable:
        return "a function (function: module:name)"
    return getattr(expected, "__name__", str(expected))


def _sequence_item(expected: Any) -> Any:
    """Return the type of the items of a sequence type; None where it is no sequence."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is tuple:
        return arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else None
    return arguments[0] if origin in (list, Sequence) and arguments else None


def _options(expected: Any) -> tuple[Any, ...]:
    """Return the members of a union; another type by itself."""
    is_union = typing.get_origin(expected) in (typing.Union, types.UnionType)
    return typing.get_args(expected) if is_union else (expected,)


def _shown(value: Any) -> str:
    """Return a value as it is written in YAML, where that differs from Python."""
    return "null" if value is None else repr(value)
