"""The command that finds crystals from a powder pattern and a formula."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.cli import terminal
from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from invdesign.core import Corpus
    from invdesign.runs.solutions import DecodeFormula

PRESET = "base=crystals"
"""Campaign whose corpus is used where none is given."""
COLUMNS = ("label", "agreement", "score", "origin")
MAX_SOLUTIONS, MAX_LATENTS = 100, 1_000


def solve(arguments: argparse.Namespace) -> int:
    """Rank crystals of a formula by the agreement of their patterns with a measured one; write a page and CIFs."""
    from invdesign.runs.solutions import solve_pattern, write_solutions

    if not 1 <= arguments.n <= MAX_SOLUTIONS:
        raise InvdesignError(f"solve: -n must be from 1 to {MAX_SOLUTIONS}, got {arguments.n}")
    if not 0 <= arguments.latents <= MAX_LATENTS:
        raise InvdesignError(f"solve: --latents must be from 0 to {MAX_LATENTS}, got {arguments.latents}")
    if not arguments.campaign and not any(word.startswith("base=") for word in arguments.overrides):
        arguments.overrides = [PRESET, *arguments.overrides]
    with terminal.progress() as progress:
        corpus, decode = _read_corpus(arguments, progress)
        solved = solve_pattern(
            Path(arguments.pattern),
            arguments.formula,
            arguments.wavelength,
            corpus,
            n=arguments.n,
            decode=decode,
            progress=progress,
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


def _read_corpus(arguments: argparse.Namespace, progress: Any) -> tuple[Corpus[Any], DecodeFormula | None]:
    """Return the corpus of a campaign, and where latents are asked for, the decoder of its latent space."""
    from invdesign.cli import commands
    from invdesign.domains.crystals import Crystals
    from invdesign.runs import latent_spaces
    from invdesign.runs.solutions import latent_decoder

    loaded = commands.load_campaign(arguments, arguments.overrides)
    campaign = loaded.campaign
    resources = commands.make_resources(arguments, loaded.parts.executor, progress)
    if not isinstance(campaign.domain, Crystals) or campaign.domain.frameworks:
        raise InvdesignError("solve: expected a campaign of crystals, got another domain. Use base=crystals")
    corpus = commands.load_corpus(campaign, resources)
    if corpus is None:
        raise InvdesignError(
            "solve: expected a campaign with a corpus of crystals, got none. Set corpus=crystals/mp_20"
        )
    if not arguments.latents:
        return corpus, None
    latent_space = latent_spaces.prepare_latent_space(campaign, corpus, resources.cache, progress)
    folder = latent_spaces.model_folder(campaign, corpus, resources.cache) / "pattern-view"
    return corpus, latent_decoder(latent_space, corpus, folder, arguments.latents, progress=progress)
