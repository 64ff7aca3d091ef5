"""Safety of YAML files: files that could exhaust memory, run code or read the environment are refused."""

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
    """Return the text of a YAML file that is safe to parse.

    Raises:
        InvdesignError: The file is missing, too long, too deep, no YAML, an alias bomb, or has a tag or a resolver.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvdesignError(f"{path}: cannot be read ({error.strerror or error}). Check the path") from error
    if len(raw) > MAX_BYTES:
        raise InvdesignError(f"{path}: expected at most {MAX_BYTES:,} bytes, got more. Shorten the configuration")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvdesignError(f"{path}: expected UTF-8 text ({error}). Save it as UTF-8") from error
    check(text, path)
    return text


def check(text: str, path: Path | str) -> None:
    """Check that YAML is safe to load.

    Events are counted before anything is built from them, so neither depth nor aliases can exhaust this process.

    Args:
        text: The YAML.
        path: Its file, for messages.

    Raises:
        InvdesignError: It is not; the message says why and in which line.
    """
    counter = _Counter()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            counter.count(event, f"{path}:{event.start_mark.line + 1}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InvdesignError(
            f"{path}{line}: expected valid YAML: {getattr(error, 'problem', None) or error}"
        ) from error


class _Counter:
    """Counts of nodes and aliases of a YAML document."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.open_anchors: list[tuple[str | None, int]] = []
        self.n_nodes = self.n_aliases = 0

    def count(self, event: yaml.Event, where: str) -> None:
        """Count an event, and refuse what is dangerous."""
        if isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, where)
        elif isinstance(event, yaml.ScalarEvent):
            self.n_nodes += 1
            _check_tag(event.tag, where)
            check_text(event.value, where)
            if event.anchor:
                self.sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event.tag, where)
            self.open_anchors.append((event.anchor, self.n_nodes))
            self.n_nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open_anchors.pop()
            if anchor:
                self.sizes[anchor] = self.n_nodes - before
        if self.n_aliases > MAX_ALIASES or self.n_nodes > MAX_NODES or len(self.open_anchors) > MAX_DEPTH:
            raise InvdesignError(
                f"{where}: expected at most {MAX_NODES:,} values, {MAX_ALIASES} aliases and {MAX_DEPTH} levels, got "
                "more (an alias bomb?). Write it without aliases"
            )

    def _alias(self, anchor: str, where: str) -> None:
        self.n_aliases += 1
        if anchor in [name for name, _ in self.open_anchors]:
            raise InvdesignError(f"{where}: alias *{anchor} contains itself. Write it without the alias")
        self.n_nodes += self.sizes.get(anchor, 1)


def check_text(text: str, where: str) -> None:
    """Check that a value contains no resolver.

    Raises:
        InvdesignError: It does.
    """
    if "${" in text and ":" in text.split("${", 1)[1]:
        raise InvdesignError(
            f"{where}: resolvers are refused ({text[:60]!r}): a configuration neither computes nor reads the "
            "environment. Write the value, or refer to another key as ${key}"
        )


def has_content(text: str) -> bool:
    """Return whether a YAML text has anything but comments."""
    return yaml.compose(text, Loader=yaml.SafeLoader) is not None


def line_with(path: Path, word: str) -> int | None:
    """Return the number of the first line of a file that contains a word, from 1; None where none does."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return next((i for i, line in enumerate(lines, 1) if word in line), None)


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """Return the line of a key path in a YAML text, from 1; None where it has none.

    Args:
        text: The YAML.
        keys: Keys from the outermost to the innermost; the number of an item of a list.
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
        raise InvdesignError(f"{where}: explicit tags ({tag}) are refused. Write plain values")
