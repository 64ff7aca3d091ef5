"""The command that finds crystals from a powder pattern and a formula."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from invdesign.cli import terminal
from invdesign.core.errors import InvdesignError

PRESET = "base=crystals"
"""Campaign whose corpus is used where none is given."""
COLUMNS = ("label", "agreement", "score", "origin")
MAX_SOLUTIONS = 100


def solve(arguments: argparse.Namespace) -> int:
    """Rank crystals of a formula by the agreement of their patterns with a measured one; write a page and CIFs."""
    from invdesign.cli import commands
    from invdesign.runs.solutions import solve_pattern, write_solutions

    if not 1 <= arguments.n <= MAX_SOLUTIONS:
        raise InvdesignError(f"solve: -n must be from 1 to {MAX_SOLUTIONS}, got {arguments.n}")
    if not arguments.campaign and not any(word.startswith("base=") for word in arguments.overrides):
        arguments.overrides = [PRESET, *arguments.overrides]
    with terminal.progress() as progress:
        corpus = _read_corpus(commands, arguments, progress)
        solved = solve_pattern(
            Path(arguments.pattern), arguments.formula, arguments.wavelength, corpus, n=arguments.n, progress=progress
        )
    stem = Path(arguments.pattern).stem
    facts = write_solutions(solved, Path(arguments.out) if arguments.out else Path(f"solve-{stem}"))
    if arguments.json:
        terminal.print_json(facts)
        return 0
    rows = [{"": i, **{name: row[name] for name in COLUMNS}} for i, row in enumerate(facts["candidates"], start=1)]
    terminal.table(f"crystals of {facts['formula']}", rows)
    print(facts["sentence"])
    for path in facts["files"][:2]:
        print(path)
    print(f"{len(facts['files']) - 2} CIF files beside them")
    return 0


def _read_corpus(commands: Any, arguments: argparse.Namespace, progress: Any) -> Any:
    loaded = commands.load_campaign(arguments, arguments.overrides)
    campaign = loaded.campaign
    if campaign.domain.name != "crystals" or campaign.domain.frameworks:
        raise InvdesignError("solve: expected a campaign of crystals, got another domain. Use base=crystals")
    corpus = commands.load_corpus(campaign, commands.make_resources(arguments, loaded.parts.executor, progress))
    if corpus is None:
        raise InvdesignError(
            "solve: expected a campaign with a corpus of crystals, got none. Set corpus=crystals/mp_20"
        )
    return corpus
