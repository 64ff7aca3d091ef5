"""What a configuration may name in `_target_`: settled from source text, before anything is imported."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from invdesign.core import InvdesignError

OURS = "invdesign"
OPEN_PARTS = ("campaign", "domains", "execution", "latent", "search", "surrogate", "vae")
"""Sub-packages whose public names a configuration may use."""
META = ("_target_", "_partial_")

Kind = Literal["class", "function"]


def walk(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every mapping of a composed configuration with its key path, outermost first."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from walk(value, (*path, str(key)))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from walk(value, (*path, str(i)))


def problem(node: dict[str, Any], *, allowed: Sequence[str] = ()) -> str:
    """Why a mapping must not be instantiated, or an empty string.

    Our own names must be public and defined where they are said to be, so that no path leads through one of our
    modules into another (`invdesign.execution.executors.pickle.loads`); functions are bound, never called while a
    configuration is built.
    """
    strange = [key for key in node if isinstance(key, str) and key.startswith("_") and key not in META]
    if strange:
        return f"{strange[0]!r} is refused; beside ordinary keys a part may have _target_ and _partial_"
    if "_target_" not in node:
        return "_partial_ without a _target_: name the function to bind" if "_partial_" in node else ""
    target, is_partial = node["_target_"], node.get("_partial_", False)
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        return f"_target_ {target!r} is no dotted name of a Python object"
    if not isinstance(is_partial, bool):
        return f"_partial_ must be true or false, got {is_partial!r}"
    if any(target.startswith(f"{module}.") for module in allowed):
        return ""
    if not target.startswith(f"{OURS}."):
        top = target.split(".")[0]
        return (
            f"_target_ {target!r} lies outside invdesign and the modules that you allowed "
            f"({', '.join(allowed) or 'none'}); if you trust it, add --allow {top}"
        )
    kind = kind_of(target)
    if kind is None:
        return f"_target_ {target!r} names nothing public that invdesign defines{_nearest(target)}"
    if kind == "function" and not is_partial:
        return f"_target_ {target!r} is a function, which a configuration binds but never calls; add _partial_: true"
    return ""


def kind_of(target: str) -> Kind | None:
    """Whether one of our public names is a class or a function, read from source; None where it is neither."""
    module, _, name = target.rpartition(".")
    followed: set[str] = set()
    while module and module not in followed:
        if any(part.startswith("_") for part in (*module.split("."), name)) or module.split(".")[1:2] not in [
            [part] for part in OPEN_PARTS
        ]:
            return None
        followed.add(module)
        defined, imported = names_of(module)
        if name in defined:
            return defined[name]
        module, name = imported.get(name, ("", ""))
    return None


@lru_cache
def names_of(module: str) -> tuple[dict[str, Kind], dict[str, tuple[str, str]]]:
    """The public classes and functions that one of our modules defines, and what it takes from others of ours."""
    path = _source(module)
    defined: dict[str, Kind] = {}
    imported: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body if path else ():
        if isinstance(statement, ast.FunctionDef):
            defined[statement.name] = "function"
        elif isinstance(statement, ast.ClassDef):
            defined[statement.name] = "class"
        elif isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(f"{OURS}."):
            imported |= {alias.asname or alias.name: (statement.module or "", alias.name) for alias in statement.names}
    return defined, imported


def resolve(target: str) -> Any:
    """Import a target that `problem` accepted.

    Raises:
        InvdesignError: there is no such module or name.
    """
    module, _, name = target.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        if module.startswith(f"{OURS}."):
            raise
        raise InvdesignError(
            f"_target_ {target!r}: cannot import {module!r} ({error}); it must lie in the campaign's folder, in the "
            "current one, or be installed"
        ) from error
    if not callable(getattr(found, name, None)):
        close = difflib.get_close_matches(name, [n for n in vars(found) if not n.startswith("_")], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InvdesignError(f"_target_ {target!r}: {module} has no function or class {name!r}{hint}")
    return getattr(found, name)


def _source(module: str) -> Path | None:
    root = Path(__file__).parent.parent
    place = root.joinpath(*module.split(".")[1:])
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file() and path.is_relative_to(root):
            return path
    return None


def _nearest(target: str) -> str:
    module, _, name = target.rpartition(".")
    defined, imported = names_of(module)
    known = [n for n in (*defined, *imported) if kind_of(f"{module}.{n}")]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"; did you mean {module}.{close[0]}?" if close else ""
