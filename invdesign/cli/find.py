"""`invdesign find TEXT`: designs that are described in words."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invdesign.cli import terminal
from invdesign.cli.atlas_commands import labelled_space
from invdesign.core.errors import InvdesignError
from invdesign.runs.finding import find_designs, words_of, write_finding

MAX_FOUND = 1_000
MAX_SHOWN = 10
LABEL_WIDTH = 60


def find(arguments: argparse.Namespace) -> int:
    """Print and write the designs that a text describes, and the region of the latent space where they lie."""
    if not 1 <= arguments.n <= MAX_FOUND:
        raise InvdesignError(f"find: -n must be from 1 to {MAX_FOUND:,}, got {arguments.n}")
    if arguments.words:  # there is no text: the first words are a campaign and settings
        given = [word for word in (arguments.text, arguments.campaign) if word]
        arguments.campaign = next((word for word in given if "=" not in word), None)
        arguments.overrides = [*(word for word in given if "=" in word), *arguments.overrides]
    elif not arguments.text:
        raise InvdesignError("find: expected a description in quotes, got none. Give one, or --words to list the words")
    with terminal.progress() as progress:
        labelled, home = labelled_space(arguments, progress)
        space = labelled.latent_space
        if arguments.words:
            statements = words_of(labelled, labelled.designs).statements
            terminal.print_json(list(statements)) if arguments.json else print(", ".join(statements))
            return 0
        found = find_designs(labelled, arguments.text, n=arguments.n, seed=labelled.campaign.seed, progress=progress)
    folder = Path(arguments.out) if arguments.out else home / f"find-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    facts = write_finding(found, space, folder)
    if arguments.json:
        terminal.print_json(facts)
    else:
        _print(facts)
    return 0


def _print(facts: Mapping[str, Any]) -> None:
    for is_known, title in ((True, "known designs"), (False, "new designs, decoded from their region")):
        rows = [
            {"design": _short(row["label"]), "missing": row["missing"], "score": row["score"]}
            for row in facts["designs"]
            if row["known"] == is_known
        ]
        if rows:
            terminal.table(f"best {min(len(rows), MAX_SHOWN)} {title}", rows[:MAX_SHOWN])
    for word, close in facts["unknown"].items():
        hint = f" Spelled alike: {', '.join(close)}." if close else ""
        print(f"{word!r} is not known and was left out.{hint}")
    stated = ", ".join(f"{name} ({rate:.1%} of the corpus)" for name, rate in facts["rates"].items())
    print(
        f"Conditions: {stated}. {facts['meeting']:,} of {facts['designs looked at']:,} known designs meet all of them."
    )
    print(
        f"The complete text of a design finds it among {facts['retrieval among']} in {facts['retrieval']:.0%} of cases."
    )
    if not facts["seeds meet all conditions"]:
        print(
            f"No design, known or new, meets all conditions: the seeds file has the {facts['seeds']} known designs "
            "that meet most of them."
        )
    for path in facts["files"]:
        print(path)


def _short(text: str) -> str:
    return text if len(text) <= LABEL_WIDTH else f"{text[: LABEL_WIDTH - 3]}..."
