"""`invdesign move DESIGN --like CHANGE`: the analogue of a design."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invdesign.cli import terminal
from invdesign.runs.analogues import find_analogue, find_pairs, fit_symmetry, write_analogue
from invdesign.runs.interpolation import read_design
from invdesign.runs.properties import LabelledSpace

ORIGINS = {
    "corpus": "pairs of designs of the corpus",
    "made": "pairs of a design of the corpus and one that was made from it (the corpus has too few real pairs)",
    "file": "pairs of your file",
}
LABEL_WIDTH = 60
SHOWN = ("which", "design", "label", "plausibility percentile")


def analogue(labelled: LabelledSpace, design_text: str, like: str, folder: Path, *, as_json: bool) -> int:
    """Print and write what a change makes of a design, and how far it can be trusted."""
    space = labelled.latent_space
    design = read_design(labelled.campaign.domain, design_text)
    pairs = find_pairs(labelled, like)
    symmetry = fit_symmetry(space, pairs, seed=labelled.campaign.seed)
    facts = write_analogue(find_analogue(space, symmetry, design, change=pairs.change), space, folder)
    if as_json:
        terminal.print_json(facts)
    else:
        _print(facts)
    return 0


def _print(facts: Mapping[str, Any]) -> None:
    rows = [
        {"": row["which"], "design": _short(row["label"]), "plausible %": row["plausibility percentile"]}
        | {name: value for name, value in row.items() if name not in SHOWN}
        for row in facts["designs"]
    ]
    terminal.table(facts["change"], rows)
    for sentence in _sentences(facts):
        print(sentence)
    for path in facts["files"]:
        print(path)


def _sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return how far the analogue can be trusted, in plain sentences."""
    simple = min(facts["residual of no change"], facts["residual of the mean"])
    sentences = [
        f"{facts['change']} is found as a linear map of this latent space (residual {facts['residual']:.3f} on "
        f"{facts['held out']} pairs that were not fitted; without a map {simple:.3f})."
        if facts["found"]
        else f"{facts['change']}: none found. The residual on {facts['held out']} pairs that were not fitted is "
        f"{facts['residual']:.3f}; without a map it is {simple:.3f}. Do not trust the decoded design.",
        f"Fitted to {facts['fitted']} {ORIGINS[facts['pairs']]}. Of {facts['decoded']} held-out designs "
        f"{facts['decoded exactly']:.0%} decode to the changed design itself; no map could exceed "
        f"{facts['decoded exactly at best']:.0%}.",
    ]
    if facts["order error"] is not None:
        sentences.append(f"{facts['order']} times the map returns the design within {facts['order error']:.3f}.")
    if facts["same"] is not None:
        sentences.append(
            "The decoded design is the substituted one."
            if facts["same"]
            else "The decoded design is another one than the substituted one; the substituted one is exact."
        )
    sentences.append(f"The design is nearer to the fitted ones than {facts['nearness']:.0%} of them to each other.")
    return sentences


def _short(text: str) -> str:
    return text if len(text) <= LABEL_WIDTH else f"{text[: LABEL_WIDTH - 3]}..."
