"""Commands that look at a latent space and move in it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.cli import terminal
from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from invdesign.runs.properties import LabelledSpace

MAX_STEPS = 1_000
MAX_CHANGES = 8
LABEL_WIDTH = 44
"""Characters of a design in a table."""


def move(arguments: argparse.Namespace) -> int:
    """Print and write the designs on the way from a design to what is asked for."""
    from invdesign.runs.interpolation import read_design
    from invdesign.runs.moves import move_design, parse_request, write_moves

    if not 2 <= arguments.steps <= MAX_STEPS:
        raise InvdesignError(f"move: --steps must be from 2 to {MAX_STEPS:,}, got {arguments.steps}")
    if not 1 <= arguments.hops <= MAX_STEPS:
        raise InvdesignError(f"move: --hops must be from 1 to {MAX_STEPS:,}, got {arguments.hops}")
    requests = [parse_request(word) for word in arguments.requests]
    if arguments.like and requests:
        raise InvdesignError("move: --like needs no +NAME or -NAME. Leave one of both out")
    with terminal.progress() as progress:
        labelled, home = labelled_space(arguments, progress)
        if arguments.like:
            from invdesign.cli.analogue import analogue

            folder = _move_folder(arguments, home)
            return analogue(labelled, arguments.design, arguments.like, folder, as_json=arguments.json)
        moves = move_design(
            labelled,
            read_design(labelled.campaign.domain, arguments.design),
            requests,
            stay=[name for name in arguments.stay.split(",") if name],
            n_steps=arguments.steps,
            n_hops=0 if arguments.straight else arguments.hops,
            seed=labelled.campaign.seed,
            progress=progress,
        )
    facts = write_moves(moves, labelled, _move_folder(arguments, home))
    if arguments.json:
        terminal.print_json(facts)
    else:
        _print_moves(facts)
    return 0


def _move_folder(arguments: argparse.Namespace, home: Path) -> Path:
    return Path(arguments.out) if arguments.out else home / f"move-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def explain(arguments: argparse.Namespace) -> int:
    """Print and draw which places of a design would change a property, and by how much."""
    from invdesign.runs.explanations import explain_design, write_explanation_files
    from invdesign.runs.interpolation import read_design

    with terminal.progress() as progress:
        labelled, home = labelled_space(arguments, progress)
        domain = labelled.campaign.domain
        to = read_design(domain, arguments.to) if arguments.to else None
        found = explain_design(labelled, read_design(domain, arguments.design), arguments.property, to=to)
    folder = Path(arguments.out) if arguments.out else home / f"explain-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    facts = write_explanation_files(found, folder)
    if arguments.json:
        terminal.print_json(facts)
    else:
        _print_explanation(facts)
    return 0


def labelled_space(arguments: argparse.Namespace, progress: Any) -> tuple[LabelledSpace, Path]:
    """Return the latent space of a command with its designs and their values, and the folder for its files."""
    from invdesign.cli.commands import load_campaign, make_resources, open_run
    from invdesign.runs.properties import labelled_space_of_campaign, labelled_space_of_run

    if not arguments.run:
        loaded = load_campaign(arguments, arguments.overrides)
        resources = make_resources(arguments, loaded.parts.executor, progress)
        return labelled_space_of_campaign(loaded.campaign, resources), Path(arguments.results) / loaded.name
    if arguments.campaign or arguments.overrides:
        raise InvdesignError(
            f"{arguments.command}: --run uses the campaign of the run. Leave CAMPAIGN and KEY=VALUE out"
        )
    opened = open_run(arguments, progress)
    return labelled_space_of_run(opened), opened.folder


def _print_moves(facts: Mapping[str, Any]) -> None:
    terminal.table(
        "directions, after decoding: change at one unit more", [_direction_row(d) for d in facts["directions"]]
    )
    names = list(facts["targets"])
    has_scaffolds = any(step["keeps scaffold"] is not None for step in facts["steps"])
    shown = []
    for i, step in enumerate(facts["steps"]):
        if step["repeated"]:
            continue
        text = step["label"] or "nothing decoded"
        row = {"": "*" if i == facts["nearest"] else "", "step": step["length"]}
        row |= {"design": _short(text)}
        row |= {name: step.get(name) for name in names}
        row |= {"plausible %": step.get("plausibility percentile")}
        if has_scaffolds:
            row |= {"scaffold": _yes_no(step["keeps scaffold"])}
        shown.append(row)
    asked = ", ".join(f"{name} {value:.4g}" for name, value in facts["targets"].items())
    terminal.table(f"asked for: {asked} (* is nearest)", shown)
    for path in facts["files"]:
        print(path)


def _print_explanation(facts: Mapping[str, Any]) -> None:
    for design in facts["designs"]:
        changes = [change for place in design["places"] for change in place["changes"]]
        by_name = {change["change"]: change for change in changes}
        best = sorted(by_name.values(), key=lambda change: -change["effect"])[:MAX_CHANGES]
        rows = [
            {"change": c["change"], f"effect on {facts['property']}": c["effect"], "design": _short(c["label"])}
            for c in best
        ]
        terminal.table(f"{_short(design['label'])}: {facts['property']} {design['value']:.4g}", rows)
    print(facts["method"])
    for path in facts["files"]:
        print(path)


def _short(text: str) -> str:
    return text if len(text) <= LABEL_WIDTH else f"{text[: LABEL_WIDTH - 3]}..."


def _direction_row(direction: Mapping[str, Any]) -> dict[str, Any]:
    row = direction["curve"][-1]
    unit = f" {direction['of']}" if direction["of"] else ""
    return {
        "property": direction["name"],
        "one unit": f"{direction['unit']:.3g}{unit}",
        "change": row["change"],
        "90% of designs": f"{row['low']:.3g} to {row['high']:.3g}",
        "right sign": f"{row['right sign']:.0%}",
        "decoded": f"{row['valid']:.0%}",
        "values": direction["kind"],
    }


def _yes_no(value: bool | None) -> str:
    return "" if value is None else "kept" if value else "new"


ATLAS_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"move": move, "explain": explain}
