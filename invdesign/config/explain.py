"""Every setting of a configuration with its value and origin, and the options of every group."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from invdesign.config.compose import Composed, groups
from invdesign.config.instantiate import COMBINE_ORACLES, root_signature
from invdesign.config.shipped_paths import shipped
from invdesign.config.signatures import DefaultPart, Parameter, signature
from invdesign.core.errors import InvdesignError

META = ("_target_", "_partial_")
CALL_ARGUMENTS = ("d", "progress", "n_outputs")
"""Keyword arguments that the program gives when it calls a bound function."""


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
    elif isinstance(value, list) and (_names(raw) or any(isinstance(item, dict) for item in value)):
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
    for name in [*parameters, *(key for key in node if key not in parameters and key not in META)]:
        parameter = parameters.get(name)
        is_given = name in node
        if parameter is not None and not is_given and not is_settable(parameter):
            continue
        if name == "name" and keys[-1] == node.get("name") and not isinstance(_below(raw, name), str):
            continue
        yield from _settings((*keys, name), node.get(name), _below(raw, name), is_given, parameter, composed)


def _below(raw: Any, key: Any) -> Any:
    return raw.get(key) if isinstance(raw, Mapping) else None


def is_settable(parameter: Parameter) -> bool:
    """Return whether a configuration can set a parameter, so that it is no argument of the later call."""
    if parameter.name in CALL_ARGUMENTS:
        return False
    return parameter.is_keyword_only or not parameter.is_required


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
    text = _file(group, choice, config_dirs).read_text(encoding="utf-8-sig")
    node = yaml.safe_load(text) or {}
    if text.lstrip().startswith("# @package _global_"):
        found: list[Option] = []
        for key, value in node.items():
            if key != "defaults":
                found += _options((key,), value, root_signature().parameters.get(key))
        return found
    own = {key: value for key, value in node.items() if key != "defaults"}
    return list(_options(tuple(group.split("/")), own, root_signature().parameters.get(group)))


def top_level() -> list[Option]:
    """Return the settings of a campaign that belong to no group."""
    known = groups()
    return [
        Option(name, p.annotation, p.default or "(required)", p.summary)
        for name, p in root_signature().parameters.items()
        if name not in known and name not in ("objectives", "executor")
    ]


def _options(keys: tuple[str, ...], value: Any, parameter: Parameter | None) -> Iterator[Option]:
    if isinstance(value, dict) and "_target_" not in value and (parameter is None or not parameter.record):
        for key, item in value.items():
            yield from _options((*keys, str(key)), item, None)
        return
    if not isinstance(value, dict):
        yield Option(
            ".".join(keys),
            parameter.annotation if parameter else "",
            _short(value),
            parameter.summary if parameter else "",
        )
        return
    target = value.get("_target_") or (parameter.record if parameter else "")
    known = signature(str(target))
    for name, own in (known.parameters if known else {}).items():
        if name not in value and not is_settable(own):
            continue
        path = (*keys, name)
        given = value.get(name)
        if isinstance(given, dict):
            yield from _options(path, given, own)
            continue
        yield Option(".".join(path), own.annotation, _default(own, name in value, given), own.summary)
        if name not in value and own.part is not None and len(path) < 4:
            yield from _options(path, _node(own.part), None)


def _node(part: DefaultPart) -> dict[str, Any]:
    return {"_target_": part.target, **dict(part.settings)}


def _default(parameter: Parameter, is_given: bool, given: Any) -> str:
    if is_given:
        return "(required)" if given == "???" else _short(given)
    return parameter.default if parameter.default is not None else "(required)"


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
    return text.removesuffix("\n...").removesuffix("...").strip()
