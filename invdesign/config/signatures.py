"""Signatures of parts, read from source text: parameters, defaults and documentation, without importing anything.

Importing torch takes seconds; a wrong key is refused, and options are listed, before that.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKAGE = "invdesign"
ROOT = Path(__file__).resolve().parent.parent
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
"""Operators of constants that defaults are written with."""


@dataclass(frozen=True)
class DefaultPart:
    """A default value that is itself a part: a function, a bound function, or a record."""

    target: str
    """Dotted path of the function or class."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Arguments that the default binds."""
    is_function: bool = True
    """Whether it is bound (a function), not made (a record)."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, or a field of a record."""

    name: str
    """Its name."""
    annotation: str
    """Type as written in the source."""
    default: str | None
    """Default, with constants replaced by their values; None where it is required."""
    doc: str = ""
    """Documentation."""
    part: DefaultPart | None = None
    """The part that is the default, if any."""
    record: str = ""
    """Dotted path of the record that the type names, if any."""
    container: str = ""
    """`"mapping"` or `"sequence"` where the type is one."""
    takes_part: bool = False
    """Whether the value may be a part of any kind: a callable, a protocol, or an unknown type."""
    plain_type: str = "Any"
    """Type with aliases written out, records by name, callables as `Callable`, others as `Any`."""
    named_parts: tuple[tuple[str, DefaultPart], ...] = ()
    """Items of a default that is a mapping of parts."""
    is_keyword_only: bool = True
    """Whether it can only be given by name; the others may be arguments of a later call."""

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is None

    @property
    def value(self) -> Any:
        """Default as a plain value; its source text where it is no literal."""
        if self.default is None:
            return None
        if self.default in ("inf", "-inf"):
            return float(self.default)
        try:
            return ast.literal_eval(self.default)
        except (ValueError, SyntaxError):
            return self.default

    @property
    def summary(self) -> str:
        """First sentence of the documentation."""
        text = " ".join(self.doc.split())
        for end in re.finditer(r"(?<!e\.g)(?<!i\.e)[.;:](?=\s|$)", text):
            is_in_code = text[: end.start()].count("`") % 2
            if not is_in_code:
                return text[: end.start()]
        return text


@dataclass(frozen=True)
class Signature:
    """Parameters of a function, or fields of a record."""

    target: str
    """Dotted path."""
    doc: str
    """Summary line of the docstring."""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    """Parameters by name, without those that a configuration cannot set."""
    is_class: bool = False
    """Whether it is a class."""
    takes_any: bool = False
    """Whether it takes any keyword."""


@lru_cache(maxsize=512)
def signature(target: str) -> Signature | None:
    """Return the signature of a dotted path; None where its source cannot be found."""
    found = definition(target)
    if found is None:
        return None
    module, node = found
    doc = (ast.get_docstring(node) or "").strip().split("\n")[0]
    if isinstance(node, ast.ClassDef):
        initializer = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if initializer is not None:
            docs = _documented_arguments(ast.get_docstring(node) or "")
            return Signature(target, doc, _of_function(module, initializer, docs), True)
        return Signature(target, doc, _of_fields(module, node), True)
    docs = _documented_arguments(ast.get_docstring(node) or "")
    return Signature(target, doc, _of_function(module, node, docs), False, node.args.kwarg is not None)


@lru_cache(maxsize=1024)
def definition(target: str) -> tuple[str, ast.ClassDef | ast.FunctionDef] | None:
    """Return the module that defines a dotted path, with the definition; imports are followed."""
    module, _, name = target.rpartition(".")
    for _ in range(8):
        tree = source_tree(module)
        if tree is None:
            return None
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return module, node
        imported = _imports(module).get(name)
        if imported is None:
            return None
        module, _, name = imported.rpartition(".")
    return None


@lru_cache(maxsize=512)
def source_tree(module: str) -> ast.Module | None:
    """Return the syntax tree of a module of this package, or of a user's module beside the campaign."""
    path = module_path(module)
    return None if path is None else ast.parse(path.read_text(encoding="utf-8"))


def module_path(module: str) -> Path | None:
    """Return the file of a module of this package or of a user's module; None where there is none."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return _user_module(module)
    place = ROOT.joinpath(*parts[1:])
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file() and path.is_relative_to(ROOT):
            return path
    return None


def _user_module(module: str) -> Path | None:
    """Return the source file of a user's module on the import path; parent packages are imported, it is not."""
    try:
        spec = importlib.util.find_spec(module) if module else None
    except (ImportError, ValueError):
        return None
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


@lru_cache(maxsize=512)
def _imports(module: str) -> dict[str, str]:
    """Return the dotted path of every name that a module imports from this package, also for type checkers only."""
    tree = source_tree(module)
    names: dict[str, str] = {}
    for node in _statements(tree.body if tree else []):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements(node.body)


@lru_cache(maxsize=512)
def _constants(module: str) -> dict[str, ast.expr]:
    """Return the values of the module-level assignments of a module."""
    tree = source_tree(module)
    found: dict[str, ast.expr] = {}
    for node in tree.body if tree else []:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _of_fields(module: str, node: ast.ClassDef) -> dict[str, Parameter]:
    """Return the fields of a dataclass; the documentation of a field is the string below it."""
    parameters: dict[str, Parameter] = {}
    documented = _documented_arguments(ast.get_docstring(node) or "")
    for i, statement in enumerate(node.body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        below = node.body[i + 1] if i + 1 < len(node.body) else None
        doc = documented.get(name, "")
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            doc = below.value.value
        if not name.startswith("_"):
            parameters[name] = _parameter(module, name, statement.annotation, statement.value, doc)
    return parameters


def _of_function(module: str, node: ast.FunctionDef, docs: dict[str, str]) -> dict[str, Parameter]:
    arguments = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(node.args.defaults))
    pairs = [*zip(arguments, [*defaults, *node.args.defaults], strict=True)]
    pairs += [*zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
    keyword_only = {argument.arg for argument in node.args.kwonlyargs}
    parameters = {}
    for argument, default in pairs:
        name = argument.arg
        if name not in ("self", "cls"):
            parameter = _parameter(module, name, argument.annotation, default, docs.get(name, ""))
            parameters[name] = replace(parameter, is_keyword_only=name in keyword_only)
    return parameters


def _parameter(module: str, name: str, annotation: ast.expr | None, default: ast.expr | None, doc: str) -> Parameter:
    text = "" if annotation is None else ast.unparse(annotation).strip("'\"")
    record, container, takes_part = _kind(module, annotation)
    part = _default_part(module, default)
    shown = None if default is None else _shown_default(module, default)
    plain = "Any" if annotation is None else _plain_type(module, annotation)
    items = _named_parts(module, default)
    return Parameter(name, text, shown, doc, part, record, container, takes_part, plain, items)


PLAIN_NAMES = ("int", "float", "str", "bool", "None", "Path", "Literal", "Sequence", "Mapping", "dict", "list", "tuple")


def _plain_type(module: str, annotation: ast.expr, depth: int = 0) -> str:
    """Return a type of plain names: aliases written out, records by name, callables as `Callable`, others as `Any`."""
    if isinstance(annotation, ast.Constant):
        if isinstance(annotation.value, str):
            return _plain_type(module, ast.parse(annotation.value, mode="eval").body, depth)
        return ast.unparse(annotation)
    if isinstance(annotation, ast.BinOp):
        sides = (annotation.left, annotation.right)
        return " | ".join(_plain_type(module, side, depth) for side in sides)
    if isinstance(annotation, ast.Subscript):
        head = ast.unparse(annotation.value)
        if head == "Literal":
            return ast.unparse(annotation)
        if head == "Callable":
            return "Callable"
        if head not in PLAIN_NAMES:
            return "Any"
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return f"{head}[{', '.join(_plain_type(module, item, depth) for item in inner)}]"
    if isinstance(annotation, ast.Name):
        if annotation.id in PLAIN_NAMES:
            return annotation.id
        home, alias = _alias(module, annotation.id)
        if alias is not None and depth <= 5:
            return _plain_type(home, alias, depth + 1)
        return annotation.id if _is_record(_resolve(module, annotation.id)) else "Any"
    return ast.unparse(annotation) if isinstance(annotation, ast.Tuple) else "Any"


def _alias(module: str, name: str) -> tuple[str, ast.expr | None]:
    """Return the module that defines a type alias, and its value; None where the name is no alias."""
    for _ in range(8):
        if name in _constants(module):
            return module, _constants(module)[name]
        imported = _imports(module).get(name)
        if imported is None:
            return module, None
        module, _, name = imported.rpartition(".")
    return module, None


def _shown_default(module: str, default: ast.expr) -> str:
    """Return a default as people read it: constants by their values, and the factory of a dataclass field called."""
    if isinstance(default, ast.Call) and ast.unparse(default.func) in ("field", "dataclasses.field"):
        for keyword in default.keywords:
            if keyword.arg == "default":
                return _shown_default(module, keyword.value)
            if keyword.arg == "default_factory":
                factory = ast.unparse(keyword.value)
                return {"dict": "{}", "list": "[]", "tuple": "()"}.get(factory, f"{factory}()")
    try:
        return repr(_constant(module, default))
    except ValueError:
        return ast.unparse(default)


def _constant(module: str, node: ast.expr, depth: int = 0) -> Any:
    """Return the value of an expression of literals, named constants and arithmetic.

    Raises:
        ValueError: The expression is another one.
    """
    if depth > 20:
        raise ValueError("too deep")
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        items = [_constant(module, item, depth + 1) for item in node.elts]
        return tuple(items) if isinstance(node, ast.Tuple) else items
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_constant(module, key, depth + 1) for key in node.keys if key is not None]
        return dict(zip(keys, (_constant(module, item, depth + 1) for item in node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_constant(module, node.operand, depth + 1)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        left, right = (_constant(module, side, depth + 1) for side in (node.left, node.right))
        if not all(isinstance(side, int | float) and abs(side) < 1e6 for side in (left, right)):
            raise ValueError("no small numbers")
        return ARITHMETIC[type(node.op)](left, right)
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "math.inf":
        return math.inf
    if isinstance(node, ast.Name):
        home, value = _alias(module, node.id)
        if value is not None:
            return _constant(home, value, depth + 1)
    raise ValueError(f"no constant: {ast.unparse(node)}")


def _named_parts(module: str, default: ast.expr | None) -> tuple[tuple[str, DefaultPart], ...]:
    """Return the items of a default that `field(default_factory=f)` makes, where `f` returns a dictionary of parts."""
    if not isinstance(default, ast.Call) or ast.unparse(default.func) not in ("field", "dataclasses.field"):
        return ()
    factory = next((k.value for k in default.keywords if k.arg == "default_factory"), None)
    found = definition(_resolve(module, factory.id)) if isinstance(factory, ast.Name) else None
    if found is None or isinstance(found[1], ast.ClassDef):
        return ()
    home, function = found
    last = function.body[-1]
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Dict):
        return ()
    items = []
    for key, item in zip(last.value.keys, last.value.values, strict=True):
        part = _default_part(home, item)
        if isinstance(key, ast.Constant) and part is not None:
            items.append((str(key.value), part))
    return tuple(items)


def _kind(module: str, annotation: ast.expr | None) -> tuple[str, str, bool]:
    """Return the record that a type names, whether it is a container, and whether it takes any part."""
    if annotation is None:
        return "", "", True
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _kind(module, ast.parse(annotation.value, mode="eval").body)
    container = ""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript):
            head = ast.unparse(node.value)
            if head in ("Mapping", "dict"):
                container = "mapping"
            elif head in ("Sequence", "list") or (head == "tuple" and "..." in ast.unparse(node.slice)):
                container = container or "sequence"
    names = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)]
    plain = {"int", "float", "str", "bool", "None", "Path", "Literal", "Sequence", "Mapping", "dict", "list", "tuple"}
    record = ""
    takes_part = False
    for name in names:
        if name in plain or name == "Generic":
            continue
        path = _resolve(module, name)
        if path and _is_record(path):
            record = record or path
        else:
            takes_part = True
    return record, container, takes_part


def _resolve(module: str, name: str) -> str:
    """Return the dotted path of a name in a module; empty where it is not ours."""
    tree = source_tree(module)
    for node in tree.body if tree else []:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return f"{module}.{name}"
    imported = _imports(module).get(name, "")
    found = definition(imported) if imported else None
    return f"{found[0]}.{found[1].name}" if found else ""


@lru_cache(maxsize=512)
def _is_record(target: str) -> bool:
    found = definition(target)
    if found is None or not isinstance(found[1], ast.ClassDef):
        return False
    return any("dataclass" in ast.unparse(decorator) for decorator in found[1].decorator_list)


def _default_part(module: str, default: ast.expr | None) -> DefaultPart | None:
    """Return the part that a default names: a function, `partial(function, ...)`, or a record made by a factory."""
    if isinstance(default, ast.Name):
        path = _resolve(module, default.id)
        if path:
            return DefaultPart(path, is_function=not isinstance(definition(path)[1], ast.ClassDef))  # type: ignore[index]
        constant = _constants(module).get(default.id)
        if constant is not None:
            return _default_part(module, constant)
        imported = _imports(module).get(default.id)
        if imported:
            home, _, name = imported.rpartition(".")
            constant = _constants(home).get(name)
            return None if constant is None else _default_part(home, constant)
        return None
    if not isinstance(default, ast.Call):
        return None
    called = ast.unparse(default.func)
    if called == "partial" and default.args:
        inner = _default_part(module, default.args[0])
        return inner and DefaultPart(inner.target, (*inner.settings, *_literals(default)), True)
    if called in ("field", "dataclasses.field"):
        factory = next((k.value for k in default.keywords if k.arg in ("default_factory", "default")), None)
        inner = _default_part(module, factory)
        return None if inner is None or inner.is_function else inner
    path = _resolve(module, called)
    return DefaultPart(path, _literals(default), False) if path and _is_record(path) else None


def _literals(call: ast.Call) -> tuple[tuple[str, Any], ...]:
    settings = []
    for keyword in call.keywords:
        try:
            settings.append((str(keyword.arg), ast.literal_eval(keyword.value)))
        except ValueError:
            continue
    return tuple(settings)


def _documented_arguments(docstring: str) -> dict[str, str]:
    """Return the texts of an `Args:` section by argument."""
    found: dict[str, str] = {}
    lines = docstring.split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip() == "Args:"), None)
    if start is None:
        return found
    name = ""
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith("    "):
            break
        match = re.match(r"^    (\w+): (.*)$", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += f" {line.strip()}"
    return found
