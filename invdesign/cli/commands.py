"""What each command does; the heavy rooms are imported when a command needs them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from invdesign.cli import terminal
from invdesign.config import compose, instantiate, targets, validation
from invdesign.core import Corpus, InvdesignError
from invdesign.runs import folders


def run(arguments: argparse.Namespace) -> int:
    """`invdesign run`: one campaign, or every job of a sweep."""
    if arguments.multirun and arguments.resume:
        raise InvdesignError("-m and --resume exclude each other: resume one run at a time")
    jobs = compose.sweep(arguments.overrides) if arguments.multirun else [arguments.overrides]
    summaries = []
    for number, job in enumerate(jobs, start=1):
        if len(jobs) > 1:
            print(f"job {number} of {len(jobs)}: {' '.join(job)}", file=sys.stderr)
        summaries.append(_run_one(arguments, job))
    if arguments.json:
        print(json.dumps(summaries if arguments.multirun else summaries[0], indent=1))
    raise_if_deliverables_failed(
        {summary["run"]: summary["failures"] for summary in summaries if summary.get("failures")}
    )
    return 0


def train(arguments: argparse.Namespace) -> int:
    """`invdesign train`: the map only."""
    from invdesign.runs import latent_spaces, stages

    parts, _ = _parts(arguments, arguments.overrides)
    cache = stages.cache_folder(arguments.cache)
    with terminal.progress() as progress:
        corpus = stages.load_corpus(parts.campaign, cache, progress)
        space = latent_spaces.make(parts.campaign, corpus, cache, progress)
    copied = latent_spaces.copy(parts.campaign, corpus, cache, Path(arguments.out)) if arguments.out else None
    if arguments.json:
        print(json.dumps({**space.card, "folder": str(copied) if copied else None}, indent=1))
    else:
        terminal.card(space.card)
        if copied:
            print(f"saved in {copied}; use it with vae=folder vae.folder={copied}")
    return 0


def encode(arguments: argparse.Namespace) -> int:
    """`invdesign encode`: a table of latents."""
    from invdesign.io.tables import write_table
    from invdesign.runs import latent_spaces, stages

    parts, _ = _parts(arguments, arguments.overrides)
    cache = stages.cache_folder(arguments.cache)
    with terminal.progress() as progress:
        corpus = stages.load_corpus(parts.campaign, cache, progress)
        space = latent_spaces.make(parts.campaign, corpus, cache, progress)
        given = space.domain.read(Path(arguments.input))
        Z = space.encode(given.designs)
        log_density = space.log_density(Z)
    columns: dict[str, Any] = {"design": [space.domain.to_text(design) for design in given.designs]}
    columns["log_density"] = log_density.tolist()
    columns["percentile"] = space.percentile(log_density).tolist()
    columns |= {f"z{j}": Z[:, j].tolist() for j in range(space.d)}
    path = write_table(columns, Path(arguments.out))
    _say(arguments, {"file": str(path), "designs": len(given), "rejected": len(given.rejected), "d": space.d})
    return 0


def sample(arguments: argparse.Namespace) -> int:
    """`invdesign sample`: draws from where real designs lie on the map, decoded."""
    from invdesign.runs import latent_spaces, stages

    if arguments.n < 1:
        raise InvdesignError(f"sample: -n must be at least 1, got {arguments.n}")
    parts, _ = _parts(arguments, arguments.overrides)
    cache = stages.cache_folder(arguments.cache)
    with terminal.progress() as progress:
        corpus = stages.load_corpus(parts.campaign, cache, progress)
        space = latent_spaces.make(parts.campaign, corpus, cache, progress)
        designs = latent_spaces.draw(space, arguments.n, seed=parts.campaign.seed)
    texts = [space.domain.to_text(design) for design in designs]
    if arguments.out:
        space.domain.write(designs, Path(arguments.out))
        _say(arguments, {"file": arguments.out, "drawn": arguments.n, "distinct": len(designs)})
    else:
        print(json.dumps(texts, indent=1) if arguments.json else "\n".join(texts))
    return 0


def interpolate(arguments: argparse.Namespace) -> int:
    """`invdesign interpolate`: the designs on a path through latent space between two."""
    if arguments.steps < 2:
        raise InvdesignError(f"interpolate: --steps must be at least 2, for the two ends, got {arguments.steps}")
    if arguments.run and (arguments.campaign or arguments.overrides):
        raise InvdesignError("interpolate: --run takes the campaign of the run; leave CAMPAIGN and KEY=VALUE out")
    from invdesign.campaign import interpolate as walk_between
    from invdesign.runs import interpolation, stages

    plan = _plan_of(arguments) if arguments.run else None
    if plan:
        parts, settings, home = plan.parts, plan.settings, plan.run.folder
    else:
        parts, composed = _parts(arguments, arguments.overrides)
        settings, home = composed.values, Path(arguments.results) / parts.campaign.name
    first, last = (interpolation.design_of(parts.campaign.domain, text) for text in (arguments.first, arguments.last))
    with terminal.progress() as progress:
        known = interpolation.known(
            parts.campaign, stages.cache_folder(arguments.cache), progress, run=plan and plan.run
        )
        options = {"n_outputs": len(parts.campaign.objectives), "progress": progress}
        walk = walk_between(
            parts.campaign,
            known.space,
            first,
            last,
            shape=arguments.path,
            n=arguments.steps,
            history=known.history,
            evaluate=instantiate.bound(parts.evaluate, options) if arguments.measure else None,
            until=arguments.until,
        )
    folder = Path(arguments.out) if arguments.out else home / f"path-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    answer = interpolation.write(walk, parts.campaign, known.space, folder, settings=settings)
    if arguments.json:
        print(json.dumps(answer, indent=1, allow_nan=False))
    else:
        terminal.print_interpolation(answer, parts.campaign)
    return 0


def export(arguments: argparse.Namespace) -> int:
    """`invdesign export`: the lists of a run, from its ledger."""
    from invdesign.campaign import rank_shortlist
    from invdesign.ledger import Ledger
    from invdesign.runs import stages

    plan = _plan_of(arguments)
    with Ledger.open(plan.run.folder / folders.LEDGER, plan.campaign.domain, read_only=True) as ledger:
        found = stages.judged(plan, ledger)
        folder = Path(arguments.out) if arguments.out else plan.run.folder
        written = stages.write_lists(plan, ledger, found, folder)
    for warning in written.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    files = [str(path) for path in (*written.files, *written.folders)]
    _say(arguments, {"candidates": len(rank_shortlist(plan.campaign, found)), "files": files})
    raise_if_deliverables_failed({str(plan.run.folder): written.failures} if written.failures else {})
    return 0


def report(arguments: argparse.Namespace) -> int:
    """`invdesign report`: the page of a run, from its ledger."""
    from invdesign.ledger import Ledger
    from invdesign.runs import stages

    plan = _plan_of(arguments)
    with Ledger.open(plan.run.folder / folders.LEDGER, plan.campaign.domain, read_only=True) as ledger:
        found = stages.judged(plan, ledger)
        out = Path(arguments.out) if arguments.out else None
        path = stages.write_report(plan, ledger, found, out=out)
    _say(arguments, {"file": str(path)})
    return 0


def check_data(arguments: argparse.Namespace) -> int:
    """`invdesign check-data`: which rows of a file can be used; 1 where some cannot."""
    found = _read(arguments)
    values_known = {name: int(np.isfinite(values).sum()) for name, values in found.properties.items()}
    rows = [vars(rejection) for rejection in found.rejected]
    n_kept = sum(row["remedy"].startswith("kept") for row in rows)
    n_lost, repaired = len(rows) - n_kept, f"; {n_kept:,} were repaired" if n_kept else ""
    if arguments.rejected:
        from invdesign.io.tables import write_table

        names = ("row", "text", "reason", "remedy")
        write_table({name: [row[name] for row in rows] for name in names}, Path(arguments.rejected))
    if arguments.json:
        print(
            json.dumps(
                {
                    "file": arguments.file,
                    "designs": len(found),
                    "properties": values_known,
                    "sha256": found.sha256,
                    "rejected": rows,
                },
                indent=1,
            )
        )
    else:
        print(f"{arguments.file}: {len(found):,} designs can be used, {n_lost:,} rows cannot{repaired}")
        for name, n_known in values_known.items():
            print(f"  {name}: {n_known:,} values known")
        for row in rows[:20]:
            print(f"  row {row['row']}: {row['reason']}: {row['text'][:60]}  ({row['remedy']})")
        if len(rows) > 20:
            print(f"  ... and {len(rows) - 20:,} more; all of them with --rejected FILE")
    return 1 if n_lost else 0


def _read(arguments: argparse.Namespace) -> Corpus[Any]:
    """The designs of a file; where columns are named, as corpus=<domain>/table reads them.

    Raises:
        InvdesignError: the domain reads no such columns.
    """
    composed = compose.compose(None, [f"domain={arguments.domain}"], config_dirs=arguments.config_dir)
    values = instantiate.refuse({"domain": composed.values["domain"]}, composed.where)
    domain = instantiate.part(values["domain"], composed.where, ("domain",))
    if not (arguments.column or arguments.property or arguments.weight_column):
        return cast("Corpus[Any]", domain.read(Path(arguments.file)))
    target = f"{values['domain']['_target_'].rpartition('.')[0]}.corpus.table"
    known, _ = validation.parameters(targets.resolve(target))
    own = [name for name in known if name.endswith("_column") and name != "weight_column"]
    pairs = [text.partition("=") for text in arguments.property]
    asked = {
        "--column": (own[0] if len(own) == 1 else "column", arguments.column),
        "--property": ("properties", {name: column or name for name, _, column in pairs}),
        "--weight-column": ("weight_column", arguments.weight_column),
    }
    for option, (name, value) in asked.items():
        if value and name not in known:
            raise InvdesignError(f"check-data: {domain.name} have no {option}; leave it out")
    settings = {name: value for name, value in asked.values() if value}
    node = {"_target_": target, "_partial_": True, "path": arguments.file, **settings}
    return cast("Corpus[Any]", instantiate.part(node, lambda keys: "command line", ("corpus",))())


def _run_one(arguments: argparse.Namespace, overrides: list[str]) -> dict[str, Any]:
    if arguments.resume:
        begun = folders.existing(arguments.resume)
        if arguments.campaign is None and not overrides:
            return _carry_out(arguments, _plan_of(argparse.Namespace(**{**vars(arguments), "run": arguments.resume})))
    composed = compose.compose(arguments.campaign, overrides, config_dirs=arguments.config_dir)
    if arguments.show_config:
        print(compose.to_yaml(composed.values), end="")
        return {"config": composed.values}
    name = str(composed.values.get("name", composed.name))
    parts = instantiate.build(
        composed.values, composed.where, name=name, allowed=arguments.allow, folders=_folders(arguments.campaign)
    )
    results = Path(arguments.results)
    chosen = begun if arguments.resume else folders.find_or_make(results, name, composed.values, fresh=arguments.fresh)
    folders.write_config(chosen, name, composed.values, campaign=arguments.campaign, allow=arguments.allow)
    return _carry_out(arguments, _plan(arguments, chosen, parts, composed.values))


def _carry_out(arguments: argparse.Namespace, plan: Any) -> dict[str, Any]:
    from invdesign.runs import stages

    print(f"{'resuming' if plan.run.is_resumed else 'run'} {plan.run.folder}", file=sys.stderr)
    with terminal.progress() as progress:
        summary = stages.carry_out(plan, progress=progress, accept_changes=arguments.accept_changes)
    if not arguments.json:
        terminal.summary(summary)
    return summary


def _parts(arguments: argparse.Namespace, overrides: list[str]) -> tuple[instantiate.Parts, compose.Composed]:
    composed = compose.compose(arguments.campaign, overrides, config_dirs=arguments.config_dir)
    folders = _folders(arguments.campaign)
    name = str(composed.values.get("name", composed.name))
    return instantiate.build(
        composed.values, composed.where, name=name, allowed=arguments.allow, folders=folders
    ), composed


def _plan_of(arguments: argparse.Namespace) -> Any:
    """The plan of a run that was begun before, from what it wrote down first."""
    begun = folders.existing(arguments.run)
    content = folders.read_config(begun)
    place = str(begun.folder / folders.CONFIG)
    parts = instantiate.build(
        content["config"],
        lambda keys: f"{place}: {'.'.join(keys)}",
        name=content["name"],
        allowed=arguments.allow,
        folders=_folders(content.get("campaign")),
    )
    return _plan(arguments, begun, parts, content["config"])


def _plan(
    arguments: argparse.Namespace, chosen: folders.Run, parts: instantiate.Parts, settings: dict[str, Any]
) -> Any:
    from invdesign.runs import stages

    command = str(folders.read_config(chosen).get("command", ""))
    return stages.Plan(chosen, parts, settings, command, stages.cache_folder(arguments.cache))


def _folders(campaign: str | None) -> list[Path]:
    """Where the user's own modules are looked for: beside the campaign's file, then where the command was typed."""
    beside = [compose.campaign_file(campaign).parent] if campaign else []
    return [*beside, Path.cwd()]


def raise_if_deliverables_failed(failed: Mapping[str, Sequence[str]]) -> None:
    """End badly where deliverables of runs failed, by the runs' folders; all else was written before.

    Raises:
        InvdesignError: some failed; the message names each.
    """
    if failed:
        raise InvdesignError(
            "; ".join(
                f"{folder}: all is written but these deliverables: {'; '.join(reasons)}; mend what they name, then: "
                f"invdesign export {folder} (to change a setting of theirs run the campaign with --resume {folder} "
                "deliverables.NAME.SETTING=... --accept-changes)"
                for folder, reasons in failed.items()
            )
        )


def _say(arguments: argparse.Namespace, answer: dict[str, Any]) -> None:
    if arguments.json:
        print(json.dumps(answer, indent=1))
        return
    for key, value in answer.items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "train": train,
    "encode": encode,
    "sample": sample,
    "interpolate": interpolate,
    "export": export,
    "report": report,
    "check-data": check_data,
}
