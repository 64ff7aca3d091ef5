"""Functions and records as JSON that names them, so that another process can import and rebuild them.

Nothing is pickled: a file that is read again holds names of modules and plain settings.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

from invdesign.core import InvdesignError


def describe(value: Any) -> Any:
    """Return a function, a bound function, a record or a plain value as JSON; `restore` reads it.

    Args:
        value: An importable function, class or record (a dataclass), a `functools.partial` of one, a path, or a number,
            text, list, tuple or mapping of such values.

    Raises:
        InvdesignError: The value, or one in it, cannot be named.

    Example:
        >>> describe(partial(math.copysign, 1.0))
        {'bound': {'name': 'math:copysign'}, 'arguments': [1.0], 'settings': {}}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Path):
        return {"path": str(value.resolve())}
    if isinstance(value, list):
        return [describe(item) for item in value]
    if isinstance(value, tuple | frozenset):
        return {type(value).__name__: [describe(item) for item in value]}
    if isinstance(value, Mapping):
        return {"mapping": {str(key): describe(item) for key, item in value.items()}}
    if isinstance(value, partial):
        return {
            "bound": describe(value.func),
            "arguments": [describe(item) for item in value.args],
            "settings": {key: describe(item) for key, item in value.keywords.items()},
        }
    if isinstance(value, FunctionType | BuiltinFunctionType | type):
        return {"name": _name(value)}
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return {"record": _name(type(value)), "fields": {name: describe(getattr(value, name)) for name in fields}}
    raise _refusal(value, f"an object of {type(value).__name__}")


def restore(described: Any) -> Any:
    """Return the value that `describe` described; the modules that it names are imported.

    Raises:
        InvdesignError: A name does not exist.
    """
    if isinstance(described, list):
        return [restore(item) for item in described]
    if not isinstance(described, Mapping):
        return described
    match described:
        case {"float": text}:
            return float(text)
        case {"path": text}:
            return Path(text)
        case {"tuple": items}:
            return tuple(restore(item) for item in items)
        case {"frozenset": items}:
            return frozenset(restore(item) for item in items)
        case {"mapping": items}:
            return {key: restore(item) for key, item in items.items()}
        case {"name": name}:
            return _import(name)
        case {"bound": function, "arguments": arguments, "settings": settings}:
            given = {key: restore(item) for key, item in settings.items()}
            return partial(restore(function), *(restore(item) for item in arguments), **given)
        case {"record": name, "fields": fields}:
            return _import(name)(**{key: restore(item) for key, item in fields.items()})
    raise InvdesignError(f"expected a value that was described as JSON, got {str(described)[:80]!r}. Write it again")


def _name(value: Any) -> str:
    """Return `module:name` of a function or class.

    Raises:
        InvdesignError: It cannot be imported under that name.
    """
    name = f"{value.__module__}:{value.__qualname__}"
    if value.__module__ == "__main__" or "<" in value.__qualname__ or _import(name) is not value:
        raise _refusal(value, name)
    return name


def _import(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvdesignError(
            f"{name}: cannot be imported ({error}). Put it into a module on the Python path"
        ) from error
    return found


def _refusal(value: Any, what: str) -> InvdesignError:
    return InvdesignError(
        f"executor: expected an oracle and a domain that another process can import by name, got {what}. Move it into "
        "a module, give it plain settings, or choose executor=process_pool"
    )
