"""Safety of YAML files: files that could exhaust memory, run code or read the environment are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from invdesign.core import InvdesignError

MAX_BYTES = 1_000_000
MAX_ALIASES = 100
MAX_NODES = 50_000
MAX_DEPTH = 50
MAX_DIGITS = 300
MAX_EXPANDED = 100_000
"""Characters of a configuration after its references are written out."""
LONG_NUMBER = re.compile(rf"\d{{{MAX_DIGITS + 1},}}")
SURPRISING_NUMBER = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?|[-+]?0[0-7_]+")
REFERENCE = re.compile(r"\$\{([^${}]*)\}")


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
            if event.implicit[0]:
                _check_number(event.value, where)
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
        InvdesignError: It does, or it has a number of too many digits.
    """
    if LONG_NUMBER.search(text):
        raise InvdesignError(f"{where}: expected numbers of at most {MAX_DIGITS} digits, got more. Shorten it")
    if "${" in text and ":" in text.split("${", 1)[1]:
        raise InvdesignError(
            f"{where}: resolvers are refused ({text[:60]!r}): a configuration neither computes nor reads the "
            "environment. Write the value, or refer to another key as ${key}"
        )


def _check_number(text: str, where: str) -> None:
    """Refuse numbers that YAML 1.1 reads in a base that few people expect.

    Raises:
        InvdesignError: It is one.
    """
    if SURPRISING_NUMBER.fullmatch(text):
        raise InvdesignError(
            f"{where}: {text} is a number in base 60 or 8 in YAML 1.1. Write a decimal number, or quote it to make it "
            f'text: "{text}"'
        )


def has_content(text: str) -> bool:
    """Return whether a YAML text has anything but comments."""
    return yaml.compose(text, Loader=yaml.SafeLoader) is not None


def check_expansion(values: Any) -> None:
    """Check that references to other keys do not multiply a configuration.

    Args:
        values: The composed configuration, its references not written out.

    Raises:
        InvdesignError: It would have more than `MAX_EXPANDED` characters.
    """
    sizes: dict[str, int] = {}

    def size(node: Any, path: tuple[str, ...]) -> int:
        if isinstance(node, dict):
            return sum(len(str(key)) + size(value, (*path, str(key))) for key, value in node.items())
        if isinstance(node, list):
            return sum(size(value, (*path, str(i))) for i, value in enumerate(node))
        text = str(node)
        total = len(text)
        for reference in REFERENCE.findall(text):
            total += size_of(_absolute(reference, path))
        if total > MAX_EXPANDED:
            raise InvdesignError(
                f"configuration: {'.'.join(path)}: references expand to more than {MAX_EXPANDED:,} characters. Write "
                "the values"
            )
        return total

    def size_of(path: tuple[str, ...]) -> int:
        name = ".".join(path)
        if name not in sizes:
            sizes[name] = 0  # A reference to itself is reported when it is resolved.
            sizes[name] = size(_at(values, path), path)
        return sizes[name]

    if size(values, ()) > MAX_EXPANDED * 10:
        raise InvdesignError(
            f"configuration: references expand to more than {MAX_EXPANDED * 10:,} characters. Write the values"
        )


def _absolute(reference: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key path that a reference names; one dot is the mapping that holds it, each more the one above."""
    words = reference.replace("[", ".").replace("]", "")
    name = words.lstrip(".")
    n_up = len(words) - len(name)
    return (*(path[:-n_up] if n_up else ()), *name.split("."))


def _at(values: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a key path; an empty text where there is none."""
    for key in path:
        if isinstance(values, dict):
            values = next((value for own, value in values.items() if str(own) == key), "")
        elif isinstance(values, list) and key.isdigit() and int(key) < len(values):
            values = values[int(key)]
        else:
            return ""
    return values


def line_with(path: Path, word: str) -> int | None:
    """Return the number of the first line of a file that contains a word, from 1; None where none does."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return next((i for i, line in enumerate(lines, 1) if word in line), None)


def names_itself(path: Path) -> bool:
    """Return whether the defaults of a file name the file itself."""
    content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    defaults = content.get("defaults") if isinstance(content, dict) else None
    return isinstance(defaults, list) and any(str(entry).removesuffix(".yaml") == path.stem for entry in defaults)


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """Return the line of a key path in a YAML text, from 1; None where it has none.

    Args:
        text: The YAML.
        keys: Keys from the outermost to the innermost; the number of an item of a list.
    """
    node = _composed(text)
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


@lru_cache(maxsize=64)
def _composed(text: str) -> yaml.Node | None:
    """Return the nodes of a YAML text; the same text is asked for the lines of all of its keys."""
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _check_tag(tag: str | None, where: str) -> None:
    if tag is not None and tag != "!":
        raise InvdesignError(f"{where}: explicit tags ({tag}) are refused. Write plain values")
