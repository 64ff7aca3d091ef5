"""YAML from strangers: refused where it could grow, run code or read the environment, and found again by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from invdesign.core import InvdesignError

MAX_BYTES = 1_000_000
MAX_ALIASES = 100
MAX_NODES = 50_000
MAX_DEPTH = 50


def read(path: Path) -> str:
    """The text of a YAML file that is safe to be given to a parser.

    Raises:
        InvdesignError: the file is missing, too long, too deep, no YAML, an alias bomb, or holds a tag or a resolver.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvdesignError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    if len(raw) > MAX_BYTES:
        raise InvdesignError(f"{path}: longer than {MAX_BYTES:,} bytes, which no configuration needs; refused")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvdesignError(f"{path}: expected UTF-8 text ({error}); save it as UTF-8") from error
    check(text, path)
    return text


def check(text: str, path: Path | str) -> None:
    """Refuse YAML that is dangerous to load.

    Events are counted before anything is built of them, so that neither depth nor aliases can exhaust this process.

    Raises:
        InvdesignError: saying which, in which line.
    """
    sizes: dict[str, int] = {}
    open_anchors: list[tuple[str | None, int]] = []
    n_nodes = n_aliases = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            where = f"{path}:{event.start_mark.line + 1}"
            if isinstance(event, yaml.AliasEvent):
                n_aliases += 1
                if event.anchor in [name for name, _ in open_anchors]:
                    raise InvdesignError(f"{where}: alias *{event.anchor} stands inside itself; write it out")
                n_nodes += sizes.get(event.anchor, 1)
            elif isinstance(event, yaml.ScalarEvent):
                n_nodes += 1
                _check_tag(event.tag, where)
                check_text(event.value, where)
                if event.anchor:
                    sizes[event.anchor] = 1
            elif isinstance(event, yaml.CollectionStartEvent):
                _check_tag(event.tag, where)
                open_anchors.append((event.anchor, n_nodes))
                n_nodes += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = open_anchors.pop()
                if anchor:
                    sizes[anchor] = n_nodes - before
            if n_aliases > MAX_ALIASES or n_nodes > MAX_NODES or len(open_anchors) > MAX_DEPTH:
                raise InvdesignError(
                    f"{where}: refused, for this YAML unfolds beyond {MAX_NODES:,} values, {MAX_ALIASES} aliases or "
                    f"{MAX_DEPTH} levels (an alias bomb?); write it out plainly"
                )
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InvdesignError(f"{path}{line}: no valid YAML: {getattr(error, 'problem', None) or error}") from error


def check_text(text: str, where: str) -> None:
    """Refuse a resolver in a value.

    Raises:
        InvdesignError: there is one.
    """
    if "${" in text and ":" in text.split("${", 1)[1]:
        raise InvdesignError(
            f"{where}: resolvers are refused ({text[:60]!r}): a configuration neither computes nor reads the "
            "environment; write the value, or refer to another key as ${key}"
        )


def has_content(text: str) -> bool:
    """Whether a YAML text holds anything but comments."""
    return yaml.compose(text, Loader=yaml.SafeLoader) is not None


def line_with(path: Path, word: str) -> int | None:
    """The first line (from 1) of a file in which a word stands."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return next((i for i, line in enumerate(lines, 1) if word in line), None)


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line (from 1) in which a key path of a YAML text stands; None where it does not.

    Args:
        text: the YAML.
        keys: from the outermost to the innermost; the number of an item in a list.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for key in keys:
        step = None
        if isinstance(node, yaml.MappingNode):
            step = next(((k.start_mark.line, v) for k, v in node.value if k.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            step = (node.value[int(key)].start_mark.line, node.value[int(key)])
        if step is None:
            return None
        line, node = step[0] + 1, step[1]
    return line


def _check_tag(tag: str | None, where: str) -> None:
    if tag is not None and tag != "!":
        raise InvdesignError(f"{where}: explicit tags ({tag}) are refused; plain values are enough")
