"""Every setting of a configuration with its value and origin, and the options of every group."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from invdesign.config.compose import PRESETS, Composed, groups, package
from invdesign.config.instantiate import COMBINE_ORACLES, root_signature
from invdesign.config.shipped_paths import shipped
from invdesign.config.signatures import DefaultPart, Parameter, Signature, signature
from invdesign.core.errors import InvdesignError

META = ("_target_", "_partial_")
CALL_ARGUMENTS = ("progress",)
"""Keyword arguments that the program gives when it calls a bound function."""
MAX_LEVELS = 5
"""Length of the path below which the parameters of default parts are listed."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a configuration."""

    key: str
    """Dotted path, as it is overridden."""
    value: Any
    """Its value; the function or class of a part."""
    origin: str
    """`file:line`, the override, or `default`."""
    doc: str = ""
    """Its documentation."""


@dataclass(frozen=True)
class Option:
    """One parameter of a choice of a group."""

    key: str
    """Dotted path, as it is overridden."""
    type: str
    """Type as written in the source."""
    default: str
    """Default, or what the choice sets."""
    doc: str
    """One line of documentation."""


def explain(checked: Mapping[str, Any], composed: Composed) -> list[Setting]:
    """Return every parameter of a configuration, those of default parts included, with its value and origin.

    Args:
        checked: What `instantiate.check` returned.
        composed: The composition that it was made from.
    """
    settings: list[Setting] = []
    for name, parameter in root_signature().parameters.items():
        raw = composed.values.get(name)
        if name == "oracle" and name in checked:
            settings += _oracles(checked[name], raw, composed)
        else:
            settings += _settings((name,), checked.get(name), raw, name in checked, parameter, composed)
    return settings


def _oracles(oracle: Any, raw: Any, composed: Composed) -> Iterator[Setting]:
    """Yield the settings of the oracle, or of each of several by its name."""
    names = _names(raw)
    if not names or "function" in names:
        yield from _settings(("oracle",), oracle, raw, True, None, composed)
        return
    made = oracle["oracles"] if oracle.get("_target_") == COMBINE_ORACLES else [oracle]
    yield from _settings(("oracle",), made, raw, True, None, composed)


def _names(raw: Any) -> list[str]:
    """Return the names of the items of a mapping that a list was made from; none where it is a part or a list."""
    if not isinstance(raw, Mapping) or "_target_" in raw:
        return []
    return [str(key) for key, item in raw.items() if item is not None]


def _settings(
    keys: tuple[str, ...], value: Any, raw: Any, is_given: bool, parameter: Parameter | None, composed: Composed
) -> Iterator[Setting]:
    """Yield a parameter and, where its value is a part, the parameters of the part.

    Args:
        keys: Its path.
        value: Its value, with targets and defaults written out.
        raw: Its value as the files and the command line state it.
        is_given: Whether anything states it.
        parameter: Its parameter in the signature of the part that it belongs to.
        composed: The composition.
    """
    if not is_given and parameter is not None:
        value = parameter.value
        if parameter.part is not None:
            value = _node(parameter.part)
        elif parameter.named_parts:
            value = {name: _node(part) for name, part in parameter.named_parts}
    if isinstance(value, dict) and "_target_" in value:
        yield from _part(keys, value, raw, composed, parameter.summary if parameter else "")
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _settings((*keys, str(key)), item, _below(raw, key), True, None, composed)
    elif isinstance(value, list | tuple) and (_names(raw) or any(isinstance(item, dict) for item in value)):
        for name, item in zip(_names(raw) or map(str, range(len(value))), value, strict=False):
            yield from _settings((*keys, name), item, _below(raw, name), True, None, composed)
    else:
        origin = composed.origin(keys) or "default"
        yield Setting(".".join(keys), value, origin, parameter.summary if parameter else "")


def _part(keys: tuple[str, ...], node: Mapping[str, Any], raw: Any, composed: Composed, doc: str) -> Iterator[Setting]:
    """Yield a part, which is named by its function or class, and its parameters."""
    target = str(node["_target_"])
    origins = (composed.origin((*keys, key)) for key in ("_target_", "function"))
    yield Setting(".".join(keys), target, next(filter(None, origins), composed.origin(keys) or "default"), doc)
    known = signature(target)
    parameters = known.parameters if known else {}
    is_bound = known is None or _is_bound(node, known)
    for name in [*parameters, *(key for key in node if key not in parameters and key not in META)]:
        parameter = parameters.get(name)
        is_given = name in node
        if parameter is not None and not is_given and not is_settable(parameter, is_bound=is_bound):
            continue
        yield from _settings((*keys, name), node.get(name), _below(raw, name), is_given, parameter, composed)


def _below(raw: Any, key: Any) -> Any:
    return raw.get(key) if isinstance(raw, Mapping) else None


def _is_bound(node: Mapping[str, Any], known: Signature) -> bool:
    """Return whether a part is bound, to be called later with further arguments: a function, or a class that is."""
    return not known.is_class or bool(node.get("_partial_"))


def is_settable(parameter: Parameter, *, is_bound: bool = True) -> bool:
    """Return whether a configuration can set a parameter, so that it is no argument of the later call.

    Args:
        parameter: A parameter that the choice does not set.
        is_bound: Whether it belongs to a function or class that is bound, not to a class that is made. A choice states
            what must be set of it as `???`, so a required parameter that it does not state is given at the call.
    """
    if parameter.name in CALL_ARGUMENTS:
        return False
    return not (is_bound and parameter.is_required)


def settings_text(settings: Sequence[Setting]) -> str:
    """Return settings as lines `key: value  # origin`."""
    lines = [(f"{s.key}: {_short(s.value)}", s.origin) for s in settings]
    width = min(72, max((len(text) for text, _ in lines), default=0))
    return "\n".join(f"{text:<{width}}  # {origin}" for text, origin in lines)


def settings_json(settings: Sequence[Setting]) -> dict[str, dict[str, Any]]:
    """Return settings as JSON: value and origin by key."""
    return {s.key: {"value": s.value, "origin": s.origin} for s in settings}


def choices(group: str, config_dirs: Sequence[str] = ()) -> dict[str, str]:
    """Return the choices of a group, each with its description: the first comment of its file.

    Raises:
        InvdesignError: There is no such group.
    """
    known = groups(config_dirs)
    if group not in known:
        raise InvdesignError(f"options: no group {group!r}. The groups are {', '.join(known)}")
    return {choice: description(_file(group, choice, config_dirs)) for choice in known[group]}


def options(group: str, choice: str, config_dirs: Sequence[str] = ()) -> list[Option]:
    """Return the parameters of a choice, those of its default parts included.

    Raises:
        InvdesignError: There is no such group or choice.
    """
    if choice not in choices(group, config_dirs):
        raise InvdesignError(
            f"options: no choice {choice!r} in {group}. Choices: {', '.join(groups(config_dirs)[group])}"
        )
    found: list[Option] = []
    for key, value in _content(group, choice, config_dirs).items():
        parameter = root_signature().parameters.get(key)
        is_record = isinstance(value, dict) and (parameter is None or not parameter.container)
        found += _options((key,), value, None if is_record and "_target_" not in value else parameter)
    return found


def _content(group: str, choice: str, config_dirs: Sequence[str]) -> dict[str, Any]:
    """Return what a choice sets, by the key of the top level, with the choices that its `defaults:` include."""
    path = _file(group, choice, config_dirs)
    node = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    content: dict[str, Any] = {}
    for item in node.pop("defaults", []):
        if isinstance(item, dict) and group != PRESETS:
            for name, inner in item.items():
                _merge(content, _content(f"{group}/{name}", inner, config_dirs) if inner else {})
        elif isinstance(item, str) and item.startswith("/"):
            _merge(content, _content(*_split(item.removesuffix("@_here_").strip("/"), config_dirs), config_dirs))
    for key in reversed(package(group, path).split(".") if package(group, path) else []):
        node = {key: node}
    _merge(content, node)
    return content


def _split(path: str, config_dirs: Sequence[str]) -> tuple[str, str]:
    """Return the group and the choice that a path such as `validators/sequences/dna` names."""
    group = next(name for name in sorted(groups(config_dirs), key=len, reverse=True) if path.startswith(f"{name}/"))
    return group, path[len(group) + 1 :]


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Merge a mapping into another one, as Hydra does."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def top_level() -> list[Option]:
    """Return the settings of a campaign that belong to no group."""
    known = groups()
    found: list[Option] = []
    for name, parameter in root_signature().parameters.items():
        if name not in known and name not in ("objectives", "executor"):
            found += _option((name,), parameter, {})
    return found


def _options(keys: tuple[str, ...], value: Any, parameter: Parameter | None) -> Iterator[Option]:
    """Yield a parameter of a choice and, where its value is a part, the parameters of the part.

    Args:
        keys: Its path.
        value: What the choice sets; for a part that is not set, the default.
        parameter: Its parameter in the signature of the part that it belongs to.
    """
    if not isinstance(value, dict):
        kind, doc = (parameter.annotation, parameter.summary) if parameter else ("", "")
        yield Option(".".join(keys), kind, "(required)" if value == "???" else _short(value), doc)
        return
    target = str(value.get("_target_", ""))
    if not target and (parameter is None or parameter.container or not parameter.record):
        for name, item in value.items():
            record = {"_target_": parameter.record} if parameter and parameter.record and isinstance(item, dict) else {}
            yield from _options((*keys, str(name)), {**record, **item} if record else item, None)
        return
    known = signature(target or (parameter.record if parameter else ""))
    if known is None:
        return
    for name, own in known.parameters.items():
        if name in value or is_settable(own, is_bound=_is_bound(value, known)):
            yield from _option((*keys, name), own, value)


def _option(keys: tuple[str, ...], parameter: Parameter, part: Mapping[str, Any]) -> Iterator[Option]:
    """Yield a parameter of a part, and those of the part that is its value."""
    is_given = parameter.name in part
    given = part.get(parameter.name)
    if isinstance(given, dict):
        yield from _options(keys, given, parameter)
        return
    default = _default(parameter)
    if is_given:
        default = "(required)" if given == "???" else _short(given)
    elif parameter.name == "name" and parameter.is_required:
        default = keys[-2]
    elif parameter.part is not None:
        default = parameter.part.target.rpartition(".")[2]
    elif parameter.named_parts:
        default = ", ".join(name for name, _ in parameter.named_parts)
    yield Option(".".join(keys), parameter.annotation, default, parameter.summary)
    if not is_given and len(keys) < MAX_LEVELS:
        if parameter.part is not None:
            yield from _options(keys, _node(parameter.part), None)
        for name, inner in parameter.named_parts:
            yield from _options((*keys, name), _node(inner), None)


def _default(parameter: Parameter) -> str:
    """Return a default as it is written in YAML."""
    return "(required)" if parameter.default is None else _short(parameter.value)


def _node(part: DefaultPart) -> dict[str, Any]:
    return {"_target_": part.target, **dict(part.settings)}


def description(path: Path) -> str:
    """Return the first comment of a YAML file in one line, without Hydra's header."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines)


def _file(group: str, choice: str, config_dirs: Sequence[str]) -> Path:
    for folder in [*map(Path, config_dirs), shipped("conf")]:
        path = folder / group / f"{choice}.yaml"
        if path.is_file():
            return path
    raise InvdesignError(f"options: no choice {choice!r} in {group}. Check the name")


def _short(value: Any) -> str:
    """Return a value in one line of YAML."""
    if isinstance(value, str):
        try:
            ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return str(text).removesuffix("\n...").removesuffix("...").strip()
