"""The result of tuning as a campaign file: the original one with other settings, which `invdesign run` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from invdesign.config import compose
from invdesign.io.atomic import write_bytes
from invdesign.sweep.plan import Source

SELF = "_self_"


def write_tuned(source: Source, overrides: Sequence[str], path: Path, *, comment: Sequence[str] = ()) -> Path:
    """Write a campaign file that composes to a campaign with overrides.

    Args:
        source: The campaign.
        overrides: Changes, each with one value.
        path: File to write.
        comment: Lines of text above it.

    Raises:
        InvdesignError: The file cannot be written.
    """
    content: dict[str, Any] = {"defaults": [compose.DEFAULT, SELF]}
    if source.campaign:
        file = compose.campaign_file(source.campaign)
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig")) or {}
        content.setdefault("name", file.stem)
    content.pop("tune", None)
    known = compose.groups(source.config_dirs)
    for override in compose.parse_overrides(overrides):
        key, value = override.key_or_group, override.value()
        if key in known and isinstance(value, str):
            _choose(content, key, value)
        else:
            _set(content, key.split("."), value)
    text = "".join(f"# {line}\n" for line in comment) + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return write_bytes(path, text.encode())


def _choose(content: dict[str, Any], group: str, choice: str) -> None:
    """Choose a file of a group in the list of defaults."""
    defaults = [item for item in content.get("defaults", [SELF]) if not _names(item, group)]
    position = defaults.index(SELF) if SELF in defaults else len(defaults)
    content["defaults"] = [*defaults[:position], {f"override {group}": choice}, *defaults[position:]]


def _names(item: Any, group: str) -> bool:
    return isinstance(item, Mapping) and any(str(key).removeprefix("override ").strip() == group for key in item)


def _set(content: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set a value at a path of keys."""
    place = content
    for key in keys[:-1]:
        below = place.get(key)
        place[key] = dict(below) if isinstance(below, Mapping) else {}
        place = place[key]
    place[keys[-1]] = value
