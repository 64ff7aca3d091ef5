"""Commands that run a shipped campaign, as the campaigns and their guide state them."""

from __future__ import annotations

import re
import shlex

import pytest

from invdesign.config.compose import compose, shipped
from invdesign.config.instantiate import check

FOLDER = shipped("campaigns")
SETTING = re.compile(r"~?[A-Za-z_.\[\]0-9/]+(=|$)")


def stated_commands() -> list[tuple[str, tuple[str, ...]]]:
    """Return campaign and settings of each command that runs a file of the folder, without sweeps."""
    texts = [(FOLDER / "README.md").read_text(encoding="utf-8")]
    for path in sorted(FOLDER.glob("*.yaml")):
        texts.append(re.sub(r"^#", "", path.read_text(encoding="utf-8").split("\ndefaults:")[0], flags=re.MULTILINE))
    lines = "\n".join(texts).replace("\\\n", " ").splitlines()
    found = {}
    for line in lines:
        words = shlex.split(line, comments=True) if re.match(r"\s*invdesign run campaigns/", line) else []
        if words and "-m" not in words:
            options = words[3 : words.index("--allow")] if "--allow" in words else words[3:]
            found[" ".join(words)] = (words[2], tuple(word for word in options if SETTING.match(word)))
    return list(found.values())


def test_the_stated_commands_are_found() -> None:
    assert len(stated_commands()) > 20


@pytest.mark.parametrize(("campaign", "settings"), stated_commands(), ids=lambda value: str(value)[:60])
def test_the_settings_of_a_stated_command_fit_its_campaign(campaign: str, settings: tuple[str, ...]) -> None:
    composed = compose(str(FOLDER / campaign.removeprefix("campaigns/")), settings)
    check(composed.values, composed.where, allowed=("esol",), folders=(FOLDER,))
