"""Rules on what a configuration may name in `_target_`, checked from source text before anything is imported."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from invdesign.core import InvdesignError

OURS = "invdesign"
OPEN_PARTS = ("campaign", "domains", "execution", "latent", "search", "surrogate", "vae")
"""Sub-packages whose public names a configuration may use."""
OPEN_MODULES = ("invdesign.atlas.audit_check", "invdesign.runs.earlier_run")
"""Single modules of other sub-packages that it may use."""
META = ("_target_", "_partial_")
GUARDED = {
    "invdesign.execution.command": "runs any program",
    "invdesign.execution.slurm_array": "submits a script",
    "invdesign.domains.crystals.oracles.ase_calculator": "can start programs",
}
"""Modules of this package that must be allowed like those of the user: a configuration of others could do harm."""
EXTRAS = {
    "rdkit": "molecules",
    "selfies": "molecules",
    "ase": "crystals",
    "monty": "crystals",
    "pymatgen": "crystals",
    "smact": "crystals",
    "spglib": "crystals",
    "Bio": "sequences",
}
"""Extra of this package that installs a package which a domain needs."""

Kind = Literal["class", "function"]


def walk(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every mapping of a composed configuration with its key path, outermost first."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from walk(value, (*path, str(key)))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from walk(value, (*path, str(i)))


def problem(node: dict[str, Any], *, allowed: Sequence[str] = ()) -> str:
    """Return why a mapping must not be instantiated; an empty string where it may.

    Names of this package must be public and defined in the module that the path names, so that no path leads through
    one of its modules into another one (`invdesign.execution.process_pool.pickle.loads`). Functions are bound, never
    called, while a configuration is built.

    Args:
        node: A mapping of a composed configuration.
        allowed: Modules of the user that targets may name.
    """
    strange = [key for key in node if isinstance(key, str) and key.startswith("_") and key not in META]
    if strange:
        return f"expected ordinary keys, _target_ and _partial_, got {strange[0]!r}. Remove it"
    if "_target_" not in node:
        return (
            "expected a _target_ beside _partial_, got none. Name the function to bind" if "_partial_" in node else ""
        )
    target, is_partial = node["_target_"], node.get("_partial_", False)
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        return f"expected _target_ as a dotted name of a Python object, got {target!r}. Write module.name"
    if not isinstance(is_partial, bool):
        return f"expected _partial_ as true or false, got {is_partial!r}. Correct it"
    if any(target.startswith(f"{module}.") for module in allowed):
        return ""
    if not target.startswith(f"{OURS}."):
        top = target.split(".")[0]
        return (
            f"expected a _target_ in invdesign or in a module that you allowed ({', '.join(allowed) or 'none'}), got "
            f"{target!r}, which is outside invdesign. If you trust it, add --allow {top}"
        )
    kind = kind_of(target)
    home = home_of(target)
    if home in GUARDED:
        return f"{target!r} {GUARDED[home]}. If you trust this configuration, add --allow {home}"
    if kind is None:
        return f"expected a public name that invdesign defines as _target_, got {target!r}{_nearest(target)}"
    if kind == "function" and not is_partial:
        return f"expected a class or a bound function, got the function {target!r}. Add _partial_: true"
    return ""


def kind_of(target: str) -> Kind | None:
    """Return whether a public name of this package is a class or a function; None where it is neither."""
    found = _definition(target)
    return found[1] if found else None


def home_of(target: str) -> str:
    """Return the module that defines a public name of this package; an empty string where none does."""
    found = _definition(target)
    return found[0] if found else ""


def _definition(target: str) -> tuple[str, Kind] | None:
    """Return the module that defines a public name of this package, and whether it is a class or a function."""
    module, _, name = target.rpartition(".")
    followed: set[str] = set()
    while module and module not in followed:
        is_open = module.split(".")[1:2] in [[part] for part in OPEN_PARTS] or module in OPEN_MODULES
        if not is_open or any(part.startswith("_") for part in (*module.split("."), name)):
            return None
        followed.add(module)
        defined, imported = names_of(module)
        if name in defined:
            return module, defined[name]
        module, name = imported.get(name, ("", ""))
    return None


@lru_cache
def names_of(module: str) -> tuple[dict[str, Kind], dict[str, tuple[str, str]]]:
    """Return the classes and functions that a module of this package defines, and what it imports from others of it."""
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
        InvdesignError: There is no such module or name.
    """
    module, _, name = target.rpartition(".")
    try:
        with redirect_stdout(sys.stderr):
            found = importlib.import_module(module)
    except ImportError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra:
            raise InvdesignError(
                f"_target_ {target!r}: expected the package {error.name!r}, which is not installed. Run pip install "
                f"'invdesign[{extra}]'"
            ) from error
        if module.startswith(f"{OURS}."):
            raise
        raise InvdesignError(
            f"_target_ {target!r}: cannot import {module!r} ({error}). Put it into the campaign's folder or into "
            "the current one, or install it"
        ) from error
    except (Exception, SystemExit) as error:  # A module of the user may raise any error.
        if module.startswith(f"{OURS}."):
            raise
        raise InvdesignError(
            f"_target_ {target!r}: importing {module!r} failed with {type(error).__name__}: {error}. Correct the module"
        ) from error
    if not callable(getattr(found, name, None)):
        close = difflib.get_close_matches(name, [n for n in vars(found) if not n.startswith("_")], n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Check the name"
        raise InvdesignError(f"_target_ {target!r}: {module} has no function or class {name!r}. {hint}")
    return getattr(found, name)


def check_called(target: str, function: Any) -> None:
    """Check that what is called while a configuration is built is defined in the package that the target names.

    A module that was allowed may import anything; only its own functions and classes may be called.

    Raises:
        InvdesignError: It is imported from elsewhere.
    """
    home = str(getattr(function, "__module__", None) or "")
    if target.split(".")[0] != home.split(".")[0]:
        raise InvdesignError(
            f"_target_ {target!r}: expected a name that the module defines, got one that it imports from "
            f"{home or 'elsewhere'}. Name a function of the module, or bind it with _partial_: true"
        )


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
    return f". Did you mean {module}.{close[0]}?" if close else ". Check the name"
