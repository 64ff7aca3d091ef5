"""The reference of all options, which is a generated file."""

from __future__ import annotations

from pathlib import Path

from invdesign.config import compose, instantiate
from invdesign.config.reference import INTRODUCTION, markdown


def test_the_reference_is_current() -> None:
    path = compose.shipped("conf") / "README.md"
    assert path.is_file() and path.read_text(encoding="utf-8") == markdown(), (
        "conf/README.md is outdated. Regenerate it: invdesign options --markdown > conf/README.md"
    )


def test_the_reference_lists_every_choice() -> None:
    text = markdown()
    missing = [f"{g}={c}" for g, names in compose.groups().items() for c in names if f"### `{g}={c}`" not in text]
    assert missing == []


def test_the_example_of_the_introduction_is_a_campaign(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(INTRODUCTION.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    composed = compose.compose(str(file))
    checked = instantiate.check(composed.values, composed.where, allowed=["my_checks"])
    assert checked["search"]["trust_region"]["length"] == 0.4
    names = [screen["_target_"].rpartition(".")[2] for screen in checked["screens"]]
    assert {"bond_valence", "forbidden", "no_iodine"} <= set(names) and "distances" not in names
