"""The reference of all options, which is a generated file."""

from __future__ import annotations

from invdesign.config import compose
from invdesign.config.reference import markdown


def test_the_reference_is_current() -> None:
    path = compose.shipped("conf") / "README.md"
    assert path.is_file() and path.read_text(encoding="utf-8") == markdown(), (
        "conf/README.md is outdated. Regenerate it: invdesign options --markdown > conf/README.md"
    )


def test_the_reference_lists_every_choice() -> None:
    text = markdown()
    missing = [f"{g}={c}" for g, names in compose.groups().items() for c in names if f"### `{g}={c}`" not in text]
    assert missing == []
