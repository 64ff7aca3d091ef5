"""Commands of the closed loop: suggest designs, record what was measured elsewhere, and look at what is known.

Every command prints one JSON object with `--json`. Its keys are stable: those that a release prints are printed by the
next ones, which may add others.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.cli import terminal
from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from invdesign.campaign import Campaign
    from invdesign.core import Candidate, Corpus, Outcome
    from invdesign.latent.space import LatentSpace
    from invdesign.report.latent_map import LatentMap
    from invdesign.runs import CampaignRun, Status
    from invdesign.runs.latent_map import MapSettings
    from invdesign.runs.results_file import Results, RowResult

MAX_ROWS = 20
"""Rows that are printed; tables on disk and `--json` have all of them."""
ACTIONS = ("measured", "repeat", "failed", "added")
"""What can become of a row of a file of results, besides being known already."""
MAX_BATCH = 100_000
MAX_MAPPED = 20_000


def begin(arguments: argparse.Namespace) -> int:
    """Make the run folder of a campaign, train or load its latent space, and select nothing."""
    from invdesign.cli.commands import open_campaign

    with terminal.progress() as progress, open_campaign(arguments, progress) as opened:
        status = opened.begin()
        warnings = opened.latent_space_warnings()
    facts = {**_status_facts(status), "warnings": warnings}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    for warning in warnings:
        print(warning, file=sys.stderr)
    _print_status(status)
    print(f"next: invdesign suggest {status.folder}")
    return 0


def suggest(arguments: argparse.Namespace) -> int:
    """Write the open batch, or select one and write it."""
    for option, number in (("-n", arguments.n), ("--more", arguments.more)):
        if number is not None and not 1 <= number <= MAX_BATCH:
            raise InvdesignError(f"suggest: {option} must be from 1 to {MAX_BATCH:,}, got {number}")
    with _open(arguments) as opened:
        n_open = len(opened.state.open)
        if n_open and arguments.more:
            opened.suggest(n_open + arguments.more)
        elif not n_open:
            opened.suggest(arguments.n or arguments.more)
        files = opened.write_batch()
        facts = {**_batch_facts(opened), "is_new": not n_open or bool(arguments.more)}
        notes = list(opened.state.records[-1].notes) if opened.state.records else []
    facts |= {"files": [str(path) for path in files.files], "warnings": list(files.warnings), "notes": notes}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    if not facts["designs"]:
        print(f"no designs: {facts['why']}")
        return 0
    title = "new batch" if facts["is_new"] else "the open batch, suggested before"
    _print_designs(f"{title}: {len(facts['designs'])} designs", facts["designs"])
    for note in (*notes, *files.warnings):
        print(f"note: {note}", file=sys.stderr)
    for path in facts["files"]:
        print(path)
    print(f"next: write results into {facts['files'][0]}, then: invdesign tell {facts['run']} {facts['files'][0]}")
    return 0


def tell(arguments: argparse.Namespace) -> int:
    """Record the results in a file."""
    with _open(arguments, read_only=arguments.dry_run) as opened:
        results = opened.tell_file(
            arguments.file, dry_run=arguments.dry_run, allow_repeats=arguments.replicates, allow_new=arguments.add
        )
        names = [objective.name for objective in opened.campaign.objectives]
        status = opened.status()
    facts = {**_status_facts(status), **_told_facts(arguments, results)}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    if arguments.dry_run and results.rows:
        terminal.table("what would be recorded", [_row_facts(row, names) for row in results.rows[:MAX_ROWS]])
    print(_describe_told(arguments, facts))
    for note in results.notes:
        print(f"note: {note}")
    if not arguments.dry_run:
        _print_status(status)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Print the state of a run, from its files alone."""
    from invdesign.runs.quick_status import read_status

    found = read_status(arguments.run)
    if arguments.json:
        terminal.print_json(_status_facts(found))
    else:
        _print_status(found)
    return 0


def score(arguments: argparse.Namespace) -> int:
    """Print what the surrogate predicts of the designs of a file."""
    from invdesign.export.result_table import candidate_table
    from invdesign.io.design_files import read_designs
    from invdesign.io.tables import write_table

    with _open(arguments) as opened:
        given = read_designs(opened.campaign.domain, Path(arguments.file))
        candidates = opened.score(given.designs)
        rows = [_candidate_facts(opened, c) for c in candidates]
        if arguments.out:
            columns = candidate_table(candidates, opened.campaign.domain, opened.campaign.objectives, name="design")
            write_table(columns, Path(arguments.out))
        facts = {"run": str(opened.folder), "designs": rows, "rejected": [vars(r) for r in given.rejected]}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    _print_designs(f"{len(rows)} designs", rows)
    n_lost = sum(not r.is_kept for r in given.rejected)
    if n_lost:
        print(f"{n_lost} rows were not read: invdesign check-data {arguments.file}")
    if arguments.out:
        print(arguments.out)
    return 0


def pareto(arguments: argparse.Namespace) -> int:
    """Print the measured designs that no other one surpasses in all objectives."""
    with _open(arguments, read_only=True) as opened:
        rows = [_candidate_facts(opened, c) for c in opened.pareto()]
        plots = [str(path) for path in opened.plot_pareto(arguments.plot)] if arguments.plot else []
        facts = {"run": str(opened.folder), "designs": rows, "plots": plots}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    if rows:
        terminal.table(
            f"Pareto set: {len(rows)} designs",
            [{"id": row["id"], "design": row["design"], **row["measured"]} for row in rows],
        )
    else:
        print("no design is measured yet, or none keeps the constraints")
    for path in plots:
        print(path)
    return 0


def steer(arguments: argparse.Namespace) -> int:
    """Change settings of a running campaign, or list what was changed."""
    from invdesign.runs.steering import describe_steering

    with _open(arguments, read_only=not arguments.changes) as opened:
        active = opened.steer(arguments.changes, reason=arguments.reason, n_rounds=arguments.rounds)
        numbers = [number for number, _ in opened.state.steering]
        lines = [describe_steering(n, recorded) for n, recorded in zip(numbers, opened.steering(), strict=True)]
        facts = {"run": str(opened.folder), "active": [str(change) for change in active], "recorded": lines}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    for line in lines or ["nothing was changed"]:
        print(line)
    if arguments.changes:
        print(f"from the next batch on: {', '.join(facts['active'])}")
    return 0


def reject(arguments: argparse.Namespace) -> int:
    """Give up an open suggestion, and select another design in its place."""
    with _open(arguments) as opened:
        replacement = opened.reject(arguments.id, reason=arguments.reason)
        files = opened.write_batch()
        rows = [_candidate_facts(opened, c) for c in replacement]
        facts = {"run": str(opened.folder), "rejected": arguments.id, "designs": rows}
    facts |= {"files": [str(path) for path in files.files], "warnings": list(files.warnings)}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    if rows:
        _print_designs(f"in the place of {arguments.id}", rows)
    else:
        print(f"{arguments.id} is rejected; no other design was found, or the budget is spent")
    for line in (*files.warnings, *facts["files"]):
        print(line)
    return 0


def abandon(arguments: argparse.Namespace) -> int:
    """Give up an open suggestion."""
    return _change(arguments, lambda opened: opened.abandon(arguments.id, reason=arguments.reason))


def correct(arguments: argparse.Namespace) -> int:
    """Replace values of a design; the values of other objectives stay."""

    def change(opened: CampaignRun[Any, Any]) -> None:
        opened.correct(arguments.id, _values(opened, arguments.values), note=arguments.note)

    return _change(arguments, change)


def replicate(arguments: argparse.Namespace) -> int:
    """Record a repeated measurement of a design."""
    return _change(
        arguments,
        lambda opened: opened.replicate(arguments.id, _values(opened, arguments.values), note=arguments.note),
    )


def substitute(arguments: argparse.Namespace) -> int:
    """Record that another design was made; it is open in the place of the suggested one, or has the given values."""

    def change(opened: CampaignRun[Any, Any]) -> None:
        if arguments.values:
            values = _values(opened, arguments.values)
            opened.substitute(arguments.id, arguments.design, values, note=arguments.note)
        else:
            opened.substitute(arguments.id, arguments.design, note=arguments.note)
        opened.write_batch()

    return _change(arguments, change)


def map_latents(arguments: argparse.Namespace) -> int:
    """Write the map of the latent space of a run, or of a campaign that was not run."""
    from invdesign.report.map_page import write_map
    from invdesign.runs.latent_map import MapSettings, map_run

    if not 8 <= arguments.n <= MAX_MAPPED:
        raise InvdesignError(f"map: -n must be from 8 to {MAX_MAPPED:,}, got {arguments.n}")
    settings = MapSettings(arguments.n, arguments.method, max_pictures=arguments.pictures)
    is_run = not arguments.overrides and Path(arguments.run).is_dir()
    if is_run:
        with _open(arguments, read_only=True) as opened:
            drawn = map_run(opened, settings)
            if arguments.audit:
                space, cache = opened.engine.latent_space, opened.resources.cache
                drawn = _audited(drawn, opened.campaign, opened.corpus, space, cache)
            path = write_map(drawn, Path(arguments.out) if arguments.out else opened.folder / "map.html")
    else:
        drawn = _map_campaign(arguments, settings)
        path = write_map(drawn, Path(arguments.out or "map.html"))
    facts = {
        "run" if is_run else "campaign": arguments.run,
        "file": str(path),
        "designs": len(drawn.designs),
        "trustworthiness": drawn.projection.trustworthiness,
        "continuity": drawn.projection.continuity,
        "clusters": [{"designs": len(cluster.members), "name": cluster.name} for cluster in drawn.clusters],
        "voids": 0 if drawn.grid is None else len(drawn.grid.voids),
    }
    if arguments.json:
        terminal.print_json(facts)
    else:
        print(drawn.sentence)
        for i, cluster in enumerate(drawn.clusters, 1):
            print(f"  cluster {i}: {len(cluster.members):,} designs, {cluster.name}")
        print(path)
    return 0


def serve(arguments: argparse.Namespace) -> int:
    """Serve the page of a run on the loopback address until it is interrupted."""
    try:
        from invdesign import serve as service
    except ModuleNotFoundError as error:
        raise InvdesignError(f"serve: expected the package {error.name}. Install invdesign[serve]") from error

    def announce(address: str) -> None:
        if arguments.json:
            terminal.print_json({"run": arguments.run, "address": address})
        else:
            print(
                f"{address}\nCtrl-C ends the service. The token in the address lets its holder read and write the run."
            )

    with _open(arguments) as opened:
        service.serve(opened, port=arguments.port, announce=announce)
    return 0


def _change(arguments: argparse.Namespace, change: Callable[[CampaignRun[Any, Any]], object]) -> int:
    """Change what is known of one design, and print the design and the status."""
    with _open(arguments) as opened:
        change(opened)
        design = _candidate_facts(opened, opened.find(arguments.id))
        status = opened.status()
    facts = {**_status_facts(status), "design": design}
    if arguments.json:
        terminal.print_json(facts)
        return 0
    values = ", ".join(f"{name} {value:.6g}" for name, value in design["measured"].items() if not math.isnan(value))
    print(f"{design['id']}: {design['status']}{f', {values}' if values else ''}: {design['design']}")
    _print_status(status)
    return 0


def _values(opened: CampaignRun[Any, Any], words: Sequence[str]) -> Outcome:
    from invdesign.runs.results_file import parse_values

    return parse_values(words, opened.campaign.objectives)


def _map_campaign(arguments: argparse.Namespace, settings: MapSettings) -> LatentMap:
    """Return the map of the corpus and the model of a campaign."""
    from invdesign.cli.commands import open_campaign_space
    from invdesign.runs.latent_map import map_corpus

    arguments.campaign = arguments.run
    if "=" in arguments.run:
        arguments.campaign, arguments.overrides = None, [arguments.run, *arguments.overrides]
    with terminal.progress() as progress:
        campaign, resources, corpus, latent_space = open_campaign_space(arguments, progress)
        drawn = map_corpus(latent_space, corpus, settings, name=campaign.name, cache=resources.cache)
        if not arguments.audit:
            return drawn
        return _audited(drawn, campaign, corpus, latent_space, resources.cache)


def _audited(
    drawn: LatentMap,
    campaign: Campaign[Any, Any],
    corpus: Corpus[Any] | None,
    latent_space: LatentSpace[Any, Any],
    cache: Path,
) -> LatentMap:
    """Return a map with the p-value of the audit of each design."""
    from invdesign.atlas.audit_files import prepare_auditor
    from invdesign.runs.audits import color_by_anomaly

    return color_by_anomaly(drawn, prepare_auditor(campaign.domain, corpus, campaign.vae, latent_space, cache=cache))


@contextmanager
def _open(arguments: argparse.Namespace, *, read_only: bool = False) -> Iterator[CampaignRun[Any, Any]]:
    """Open the run of a command, and show its progress."""
    from invdesign.cli.commands import open_run

    with terminal.progress() as progress, open_run(arguments, progress, read_only=read_only) as opened:
        yield opened


def _status_facts(status: Status) -> dict[str, Any]:
    return {
        "run": str(status.folder),
        "campaign": status.name,
        "round": status.round,
        "calls": status.n_calls,
        "budget": status.budget,
        "open": status.n_open,
        "measured": status.n_measured,
        "failed": status.n_failed,
        "best": dict(status.best),
        "best_design": status.best_design,
    }


def _batch_facts(opened: CampaignRun[Any, Any]) -> dict[str, Any]:
    state = opened.state
    why = ""
    if not state.open:
        is_spent = state.n_calls >= opened.current.limits.budget
        why = (
            f"the budget of {opened.current.limits.budget:,} designs is spent"
            if is_spent
            else "no new design was found"
        )
    p_values = opened.compute_anomalies()
    rows = [{**_candidate_facts(opened, c), "anomaly_p": p_values.get(c.key, math.nan)} for c in state.open]
    return {"run": str(opened.folder), "round": state.round, "designs": rows, "why": why}


def _candidate_facts(opened: CampaignRun[Any, Any], candidate: Candidate[Any]) -> dict[str, Any]:
    """Return a design as JSON; unknown numbers are NaN, which JSON shows as null."""
    names = [objective.name for objective in opened.campaign.objectives]
    unknown = (math.nan,) * len(names)

    def by_name(values: Sequence[float]) -> dict[str, float]:
        return dict(zip(names, values or unknown, strict=True))

    return {
        "id": opened.identifiers().get(candidate.key, ""),
        "design": opened.campaign.domain.to_text(candidate.design),
        "status": candidate.status,
        "measured": by_name(candidate.y),
        "mean": by_name(candidate.mean),
        "sd": by_name(candidate.sd),
        "interval_90": {name: candidate.interval(j) for j, name in enumerate(names)},
        "acquisition": candidate.acquisition,
        "percentile": candidate.percentile,
        "origin": candidate.origin,
        "parents": list(candidate.parents),
        "checks": {check.name: check.passed for check in candidate.checks},
        "reason": candidate.reason,
    }


def _told_facts(arguments: argparse.Namespace, results: Results[Any]) -> dict[str, Any]:
    counts = {action: sum(row.action == action for row in results.rows) for action in ACTIONS}
    return {
        "file": arguments.file,
        "is_dry_run": arguments.dry_run,
        "recorded": counts,
        "known": sum(row.action == "known" for row in results.rows),
        "empty": results.n_empty,
        "rows": [vars(row) for row in results.rows],
        "notes": list(results.notes),
    }


def _describe_told(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> str:
    counts = facts["recorded"]
    known = f"; {facts['known']} were recorded before" if facts["known"] else ""
    empty = f"; {facts['empty']} rows have no result yet" if facts["empty"] else ""
    added = f", {counts['added']} added" if counts["added"] else ""
    if not any(counts.values()):
        return f"{arguments.file}: nothing new{known}{empty}. Nothing was changed"
    new = f"{counts['measured']} measured, {counts['repeat']} repeated, {counts['failed']} failed{added}"
    return f"{arguments.file}: {'would record' if arguments.dry_run else 'recorded'} {new}{known}{empty}"


def _row_facts(row: RowResult, names: Sequence[str]) -> dict[str, Any]:
    """Return a row of a preview."""
    values = {name: None if math.isnan(y) else y for name, y in zip(names, row.y, strict=True)}
    return {"row": row.row, "id": row.id, "design": row.design, "as": row.action, **values}


def _print_designs(title: str, designs: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for design in designs[:MAX_ROWS]:
        row: dict[str, Any] = {"id": design["id"], "design": design["design"]}
        for name, value in design["mean"].items():
            row |= {f"predicted {name}": value, "sd" if len(design["mean"]) == 1 else f"sd {name}": design["sd"][name]}
        row |= {
            "acquisition": design["acquisition"],
            "percentile [%]": design["percentile"],
            "anomaly_p": design.get("anomaly_p"),
            "origin": design["origin"],
        }
        failed = [name for name, passed in design["checks"].items() if not passed]
        row["failed checks"] = ", ".join(failed)
        rows.append({heading: None if cell != cell else cell for heading, cell in row.items()})
    shown = [heading for heading in rows[0] if any(row[heading] not in (None, "") for row in rows)]
    more = f" (the first {MAX_ROWS})" if len(designs) > MAX_ROWS else ""
    terminal.table(f"{title}{more}", [{heading: row[heading] for heading in shown} for row in rows])


def _print_status(status: Status) -> None:
    print(status)


LOOP_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "begin": begin,
    "suggest": suggest,
    "tell": tell,
    "status": status,
    "score": score,
    "pareto": pareto,
    "steer": steer,
    "reject": reject,
    "abandon": abandon,
    "correct": correct,
    "replicate": replicate,
    "substitute": substitute,
    "serve": serve,
    "map": map_latents,
}
