"""The commands: each reads its arguments, calls the application, and prints; heavy modules are imported when needed."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.cli import terminal
from invdesign.config import compose, explain, instantiate
from invdesign.core.errors import InvdesignError
from invdesign.runs import folders

if TYPE_CHECKING:
    from invdesign.campaign import Campaign, Engine
    from invdesign.config.signatures import Signature
    from invdesign.core import Corpus, Domain
    from invdesign.latent.space import LatentSpace
    from invdesign.runs import CampaignRun, Resources


MAX_STEPS = 10_000
MAX_AROUND = 1_000
MAX_DRAWN = 1_000_000


@dataclass(frozen=True)
class _Loaded:
    """A composed and instantiated configuration."""

    composed: compose.Composed
    parts: instantiate.Parts
    name: str

    @property
    def campaign(self) -> Campaign[Any, Any]:
        campaign: Campaign[Any, Any] = self.parts.campaign
        return campaign


def run(arguments: argparse.Namespace) -> int:
    """Run one campaign, or every run of a sweep."""
    if arguments.multirun or arguments.seeds is not None:
        from invdesign.cli.sweep_commands import run_sweep

        return run_sweep(arguments)
    summary = _run_one(arguments, arguments.overrides)
    if summary is None:
        return 0
    if arguments.json:
        terminal.print_json(summary)
    _raise_if_deliverables_failed({summary["run"]: summary["failures"]} if summary["failures"] else {})
    return 0


def train(arguments: argparse.Namespace) -> int:
    """Train the VAE of a campaign, or load it from the cache, and print its diagnosis."""
    from invdesign.core import silent
    from invdesign.runs import latent_spaces
    from invdesign.vae.processes import join_processes

    loaded = load_campaign(arguments, arguments.overrides)
    if arguments.rate_sweep:
        return _sweep_rates(arguments, loaded)
    processes = join_processes()
    with terminal.progress() as progress:
        resources = make_resources(arguments, loaded.parts.executor, silent if processes.rank else progress)
        corpus, latent_space = _latent_space(loaded.campaign, resources)
    if processes.rank:
        return 0
    copied = None
    if arguments.out:
        copied = latent_spaces.copy_model(loaded.campaign, corpus, resources.cache, Path(arguments.out))
    if arguments.json:
        terminal.print_json({**latent_space.card, "folder": str(copied) if copied else None})
    else:
        terminal.print_model_card(latent_space.card)
        if copied:
            print(f"saved in {copied}; use it with vae=folder vae.folder={copied}")
    return 0


def _sweep_rates(arguments: argparse.Namespace, loaded: _Loaded) -> int:
    """Print the rate-distortion curve of a campaign's VAE."""
    from invdesign.runs.latent_spaces import sweep_rates

    rates = _parse_rates(arguments.rate_sweep)
    with terminal.progress() as progress:
        resources = make_resources(arguments, loaded.parts.executor, progress)
        corpus = load_corpus(loaded.campaign, resources)
        curve = sweep_rates(loaded.campaign, corpus, rates, resources.cache, progress)
    if arguments.json:
        facts = {"points": [vars(point) for point in curve.points], "information": curve.information}
        terminal.print_json({**facts, "chosen": curve.chosen, "reason": curve.reason})
        return 0
    terminal.table("rate-distortion curve on held-out designs", curve.rows())
    if curve.information is not None:
        print(f"information content {curve.information:.1f} nats")
    print(f"chosen: vae.target_rate={curve.points[curve.chosen].target_rate:g}, {curve.reason}")
    return 0


def _parse_rates(text: str) -> list[float]:
    try:
        return [float(rate) for rate in text.split(",")]
    except ValueError:
        raise InvdesignError(f"--rate-sweep: expected numbers separated by commas [nats], got {text!r}") from None


def encode(arguments: argparse.Namespace) -> int:
    """Write the latents and densities of the designs of a file into a table."""
    from invdesign.io.design_files import read_designs
    from invdesign.io.tables import write_table

    loaded = load_campaign(arguments, arguments.overrides)
    with terminal.progress() as progress:
        _, latent_space = _latent_space(loaded.campaign, make_resources(arguments, loaded.parts.executor, progress))
        given = read_designs(loaded.campaign.domain, Path(arguments.input))
        Z = latent_space.encode(given.designs)
        log_density = latent_space.log_density(Z)
    columns: dict[str, Any] = {"design": [latent_space.domain.to_text(design) for design in given.designs]}
    columns["log_density"] = log_density.tolist()
    columns["percentile"] = latent_space.percentile(latent_space.plausibility(given.designs, Z)).tolist()
    columns |= {f"z{j}": Z[:, j].tolist() for j in range(latent_space.d)}
    path = write_table(columns, Path(arguments.out))
    facts = {"file": str(path), "designs": len(given), "rejected": len(given.rejected), "d": latent_space.d}
    _print_facts(arguments, facts)
    return 0


def sample(arguments: argparse.Namespace) -> int:
    """Print or write designs decoded from draws of the prior, of the density or of real designs' posteriors."""
    from invdesign.io.design_files import write_designs
    from invdesign.runs.latent_spaces import draw_designs

    if not 1 <= arguments.n <= MAX_DRAWN:
        raise InvdesignError(f"sample: -n must be from 1 to {MAX_DRAWN:,}, got {arguments.n}")
    loaded = load_campaign(arguments, arguments.overrides)
    with terminal.progress() as progress:
        _, latent_space = _latent_space(loaded.campaign, make_resources(arguments, loaded.parts.executor, progress))
        designs = draw_designs(latent_space, arguments.n, source=arguments.source, seed=loaded.campaign.seed)
    if arguments.out:
        write_designs(latent_space.domain, designs, Path(arguments.out))
        facts = {"file": arguments.out, "source": arguments.source, "drawn": arguments.n, "distinct": len(designs)}
        _print_facts(arguments, facts)
        return 0
    texts = [latent_space.domain.to_text(design) for design in designs]
    if arguments.json:
        terminal.print_json(texts)
    else:
        print("\n".join(texts))
    return 0


def interpolate(arguments: argparse.Namespace) -> int:
    """Print and write the designs on a path through latent space between two designs."""
    if not 2 <= arguments.steps <= MAX_STEPS:
        raise InvdesignError(f"interpolate: --steps must be from 2 to {MAX_STEPS:,}, got {arguments.steps}")
    if not 1 <= arguments.around <= MAX_AROUND:
        raise InvdesignError(
            f"interpolate --around: expected a number from 1 to {MAX_AROUND:,}, got {arguments.around}. Give 1 for the "
            "points of the path alone"
        )
    if arguments.run and (arguments.campaign or arguments.overrides):
        raise InvdesignError("interpolate: --run uses the campaign of the run. Leave CAMPAIGN and KEY=VALUE out")
    from invdesign.atlas.audit_files import stored_auditor
    from invdesign.campaign import interpolate as between
    from invdesign.runs import interpolation as paths

    with terminal.progress() as progress:
        if arguments.run:
            opened = open_run(arguments, progress)
            resources, home, settings = opened.resources, opened.folder, opened.config.config
            surroundings = paths.of_run(opened)
        else:
            loaded = load_campaign(arguments, arguments.overrides)
            resources = make_resources(arguments, loaded.parts.executor, progress)
            home, settings = Path(arguments.results) / loaded.name, loaded.composed.values
            surroundings = paths.of_campaign(loaded.campaign, resources)
        engine = surroundings.engine
        domain = engine.campaign.domain
        folder = Path(arguments.out) if arguments.out else home / f"path-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        populations = paths.read_populations(domain, arguments.first, arguments.last)
        if populations is not None:
            return _interpolate_populations(arguments, engine, populations, folder, resources)
        if arguments.others:
            raise InvdesignError("interpolate: --and needs files of several designs. Give files for A and B, too")
        found = between(
            engine,
            paths.read_design(domain, arguments.first),
            paths.read_design(domain, arguments.last),
            shape=arguments.path or "density",
            n=arguments.steps,
            history=surroundings.history,
            executor=resources.executor if arguments.measure else None,
            until=arguments.until,
            n_around=arguments.around,
        )
    facts = paths.write_interpolation(
        found,
        engine,
        folder,
        settings=settings,
        command=_command_line(),
        auditor=stored_auditor(domain, engine.campaign.vae, engine.latent_space, cache=resources.cache),
    )
    if arguments.json:
        terminal.print_json(facts)
    else:
        terminal.print_interpolation(facts, engine.campaign.objectives)
    return 0


def _interpolate_populations(
    arguments: argparse.Namespace,
    engine: Engine[Any, Any],
    given: tuple[Sequence[Any], Sequence[Any]],
    folder: Path,
    resources: Resources,
) -> int:
    """Print and write the populations between those of two files."""
    from invdesign.runs.populations import interpolate_populations, write_populations

    if arguments.path == "density" or arguments.until is not None:
        raise InvdesignError(
            "interpolate: expected --path straight or spherical and no --until between files of several designs. Leave "
            "them out, or give single designs (FILE:1)"
        )
    if arguments.others:
        return _blend_populations(arguments, engine, given, folder, resources)
    found = interpolate_populations(
        engine,
        *given,
        n=arguments.steps,
        shape=arguments.path or "straight",
        outliers=arguments.outliers,
        executor=resources.executor if arguments.measure else None,
        progress=resources.progress,
    )
    names = (Path(arguments.first).name, Path(arguments.last).name)
    facts = write_populations(found, engine, folder, names=names, command=_command_line())
    if arguments.json:
        terminal.print_json(facts)
    else:
        terminal.print_populations(facts)
    return 0


def _blend_populations(
    arguments: argparse.Namespace,
    engine: Engine[Any, Any],
    given: tuple[Sequence[Any], Sequence[Any]],
    folder: Path,
    resources: Resources,
) -> int:
    """Print and write the population between those of three or more files."""
    from invdesign.io.design_files import read_designs
    from invdesign.runs.barycentres import blend_populations, write_barycentre

    try:
        weights = [float(word) for word in arguments.weights.split(",")] if arguments.weights else None
    except ValueError as error:
        raise InvdesignError(f"interpolate: expected --weights as numbers, got {arguments.weights!r}") from error
    others = [read_designs(engine.campaign.domain, Path(path)).designs for path in arguments.others]
    executor = resources.executor if arguments.measure else None
    found = blend_populations(engine, [*given, *others], weights=weights, executor=executor)
    names = [Path(path).name for path in (arguments.first, arguments.last, *arguments.others)]
    facts = write_barycentre(found, engine, folder, names=names)
    if arguments.json:
        terminal.print_json(facts)
    else:
        terminal.print_barycentre(facts)
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the lists of a run."""
    with open_run(arguments) as opened:
        written = opened.export(arguments.out)
        n_candidates = len(opened.shortlist())
        folder = str(opened.folder)
    for warning in written.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    files = [str(path) for path in (*written.files, *written.folders)]
    _print_facts(arguments, {"candidates": n_candidates, "files": files})
    _raise_if_deliverables_failed({folder: written.failures} if written.failures else {})
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run."""
    with open_run(arguments) as opened:
        path = opened.report(arguments.out)
    _print_facts(arguments, {"file": str(path)})
    return 0


def options(arguments: argparse.Namespace) -> int:
    """Print groups, the choices of a group, or the parameters of a choice."""
    from invdesign.config.reference import markdown

    if arguments.markdown:
        print(markdown(), end="")
        return 0
    given = arguments.group or ""
    groups = compose.groups(arguments.config_dir)
    if not given and arguments.json:
        terminal.print_json({"groups": groups, "settings": [vars(option) for option in explain.top_level()]})
        return 0
    if not given:
        rows = [{"group": group, "choices": ", ".join(names)} for group, names in groups.items()]
        _print_rows(arguments, "groups: invdesign options GROUP lists their choices", rows)
        _print_settings(arguments, "settings of a campaign that belong to no group", explain.top_level())
        return 0
    group = next((name for name in sorted(groups, key=len, reverse=True) if f"{given}/".startswith(f"{name}/")), given)
    choice = given[len(group) + 1 :]
    if not choice or choice in compose.DOMAINS:
        found = explain.choices(group, arguments.config_dir)
        rows = [{"choice": name, "what it is": text} for name, text in found.items() if name.startswith(choice)]
        _print_rows(arguments, f"choices of {group}", rows)
        return 0
    _print_settings(arguments, f"settings of {group}={choice}", explain.options(group, choice, arguments.config_dir))
    return 0


def check_data(arguments: argparse.Namespace) -> int:
    """Print which rows and measured values of a file can be used; return 1 where some cannot."""
    from invdesign.core import describe_usage
    from invdesign.io.json_values import to_plain

    found = _read(arguments)
    n_values = {name: int((values == values).sum()) for name, values in found.properties.items()}
    rows = [vars(rejection) for rejection in found.rejected]
    n_repaired = sum(row["reason"].startswith("repaired") for row in rows if row["is_kept"])
    n_lost = sum(not row["is_kept"] for row in rows)
    questions = _open_units(arguments, found)
    is_complete = not n_lost and all(usage.n_used == usage.n_values for usage in found.usage)
    models = _describe_models(arguments, found)
    if arguments.rejected:
        from invdesign.io.tables import write_table

        names = ("row", "text", "reason", "remedy")
        write_table({name: [row[name] for row in rows] for name in names}, Path(arguments.rejected))
    if arguments.json:
        facts = {"file": arguments.file, "designs": len(found), "properties": n_values, "sha256": found.sha256}
        facts |= {"measured_values": to_plain(found.usage), "models": models, "questions": questions}
        terminal.print_json({**facts, "rejected": rows})
        return 0 if is_complete else 1
    repaired = f"; {n_repaired:,} were repaired" if n_repaired else ""
    print(f"{arguments.file}: {len(found):,} designs can be used, {n_lost:,} rows cannot{repaired}")
    for name, n in n_values.items():
        print(f"  {name}: {n:,} value{'' if n == 1 else 's'}")
    for line in describe_usage(found.usage):
        print(line)
    for line in models.values():
        print(f"  {line}")
    for question in questions:
        print(f"warning: {question}")
    for row in rows[:20]:
        print(f"  row {row['row']}: {row['reason']}: {row['text'][:60]}  ({row['remedy']})")
    if len(rows) > 20:
        print(f"  ... and {len(rows) - 20:,} more; all of them with --rejected FILE")
    return 0 if is_complete else 1


def _run_one(arguments: argparse.Namespace, overrides: list[str]) -> dict[str, Any] | None:
    """Run or resume one campaign and print its summary; with --show-config print the configuration instead."""
    if arguments.resume and arguments.campaign is None and not overrides:
        with terminal.progress() as progress:
            opened = open_run(arguments, progress, folder=arguments.resume, read_only=False)
            return _carry_out(arguments, opened, is_resumed=True)
    if arguments.show_config:
        show_config(arguments, overrides)
        return None
    composed = compose.compose(arguments.campaign, overrides, config_dirs=arguments.config_dir)
    checked = _check(arguments, composed)
    if instantiate.is_laboratory(checked):
        from invdesign.execution.unavailable import refuse_to_run

        refuse_to_run()
    with terminal.progress() as progress:
        opened, is_resumed = _open_composed(arguments, composed, checked, progress)
        return _carry_out(arguments, opened, is_resumed=is_resumed)


def show_config(arguments: argparse.Namespace, overrides: list[str]) -> None:
    """Print every setting of a campaign with its origin."""
    composed = compose.compose(arguments.campaign, overrides, config_dirs=arguments.config_dir)
    settings = explain.explain(_check(arguments, composed), composed)
    if arguments.json:
        terminal.print_json(explain.settings_json(settings))
    else:
        print(explain.settings_text(settings))


def open_campaign(arguments: argparse.Namespace, progress: Any) -> CampaignRun[Any, Any]:
    """Return the newest unfinished run of the campaign of a command, or a new one."""
    composed = compose.compose(arguments.campaign, arguments.overrides, config_dirs=arguments.config_dir)
    return _open_composed(arguments, composed, _check(arguments, composed), progress)[0]


def open_campaign_space(
    arguments: argparse.Namespace, progress: Any
) -> tuple[Campaign[Any, Any], Resources, Corpus[Any] | None, LatentSpace[Any, Any]]:
    """Return the campaign of a command, what it runs with, its corpus, and its latent space."""
    loaded = load_campaign(arguments, arguments.overrides)
    resources = make_resources(arguments, loaded.parts.executor, progress)
    return loaded.campaign, resources, *_latent_space(loaded.campaign, resources)


def _check(arguments: argparse.Namespace, composed: compose.Composed) -> dict[str, Any]:
    """Return a configuration with every target and default part written out."""
    folders.check_name(composed.values.get("name") or composed.name)
    user_folders = _user_folders(arguments.campaign)
    return instantiate.check(composed.values, composed.where, allowed=arguments.allow, folders=user_folders)


def _open_composed(
    arguments: argparse.Namespace, composed: compose.Composed, checked: Mapping[str, Any], progress: Any
) -> tuple[CampaignRun[Any, Any], bool]:
    """Return the run of a composed campaign, and whether it existed before."""
    from invdesign.runs import CampaignRun

    name = str(composed.values.get("name") or composed.name)
    folder = _run_folder(arguments, name, composed.values)
    config = folders.RunConfig(
        name,
        composed.values,
        _command_line(),
        _campaign_path(arguments.campaign),
        tuple(arguments.allow),
        explain.settings_json(explain.explain(dict(checked), composed)),
    )
    user_folders = _user_folders(arguments.campaign)
    parts = instantiate.build(composed.values, composed.where, name=name, allowed=arguments.allow, folders=user_folders)
    opened = CampaignRun.open(
        folder.path,
        parts.campaign,
        config=config,
        resources=make_resources(arguments, parts.executor, progress),
        accept_changes=arguments.accept_changes,
    )
    return opened, folder.is_resumed


def _run_folder(arguments: argparse.Namespace, name: str, values: Mapping[str, Any]) -> folders.RunFolder:
    if arguments.resume:
        return folders.existing(arguments.resume)
    if getattr(arguments, "folder", None):
        return folders.at(Path(arguments.folder))
    return folders.find_or_make(Path(arguments.results), name, values, fresh=arguments.fresh)


def _carry_out(arguments: argparse.Namespace, opened: CampaignRun[Any, Any], *, is_resumed: bool) -> dict[str, Any]:
    """Run a campaign to its end, then write its lists and its report; after Ctrl-C too."""
    with opened:
        print(f"{'resuming' if is_resumed else 'run'} {opened.folder}", file=sys.stderr)
        try:
            opened.run()
        except BaseException:
            if opened.state.history:
                so_far = _write_out(opened)
                print(f"so far: {', '.join(so_far['files'])}", file=sys.stderr)
            raise
        summary = _write_out(opened)
        folders.finish(opened.folder, summary)
    if not arguments.json:
        terminal.print_summary(summary)
    return summary


def _write_out(opened: CampaignRun[Any, Any]) -> dict[str, Any]:
    """Write lists and report; a report that fails is a warning. Return the summary as JSON."""
    from invdesign.campaign import count_failures
    from invdesign.core.value_source import describe_predicted
    from invdesign.runs.shortlist_quality import shortlist_quality

    opened.note_corpus_designs()
    written = opened.export()
    page = None
    try:
        page = opened.report()
    except Exception as error:  # the lists and the ledger are complete without it
        print(
            f"warning: no report ({type(error).__name__}: {error}). Try: invdesign report {opened.folder}",
            file=sys.stderr,
        )
    status = opened.status()
    shortlist, stall = opened.shortlist(), opened.explain_stall()
    files = [*written.files, *written.folders, *([page] if page else [])]
    return {
        "run": str(opened.folder),
        "rounds": status.round,
        "calls": status.n_calls,
        "baseline_calls": opened.n_baseline_calls(),
        "values": [source.kind for source in opened.sources()],
        "notes": [*describe_predicted(opened.campaign.objectives, opened.sources()), *([stall] if stall else [])],
        "no_candidates": opened.explain_empty_shortlist(),
        "best": opened.best_utility(),
        "shortlist": shortlist.rows(),
        "quality": shortlist_quality(opened.validated(), shortlist.candidates, opened.campaign.domain),
        "failed_checks": count_failures(opened.validated()),
        "files": [str(path) for path in files],
        "warnings": [*opened.latent_space_warnings(), *written.warnings],
        "failures": list(written.failures),
    }


def _domain(arguments: argparse.Namespace) -> Domain[Any, Any]:
    """Return the domain that --domain names."""
    return compose_domain(arguments.domain, [], arguments.config_dir)


def compose_domain(choice: str, settings: Sequence[str], config_dirs: Sequence[str]) -> Domain[Any, Any]:
    """Return a choice of the group `domain` with other settings."""
    composed = compose.compose(None, [f"domain={choice}", *settings], config_dirs=config_dirs)
    values = instantiate.refuse({"domain": composed.values["domain"]}, composed.where)
    domain: Domain[Any, Any] = instantiate.instantiate(instantiate.part(values["domain"], composed.where, ("domain",)))
    return domain


def _describe_models(arguments: argparse.Namespace, found: Corpus[Any]) -> dict[str, str]:
    """Return for each model that ships with a domain what it writes, and which designs of a file it cannot write."""
    from invdesign.campaign.placement import describe_errors
    from invdesign.core.capabilities import describe_alphabet, placement_errors
    from invdesign.latent.prepare import shipped_encodings

    lines = {}
    for name, encoding in shipped_encodings(_domain(arguments)).items():
        problems = describe_errors(placement_errors(encoding, found.designs)) or "all designs can be written"
        lines[name] = f"the shipped model {name} writes {describe_alphabet(encoding)}: {problems}"
    return lines


def _read(arguments: argparse.Namespace) -> Corpus[Any]:
    """Return the designs of a file; where columns are named, as `corpus=<domain>/table` reads them.

    Where no property is named, every column of a table with measured values is read as one.

    Raises:
        InvdesignError: The domain reads no such columns.
    """
    from invdesign.config.parts import functions_of
    from invdesign.config.signatures import signature
    from invdesign.io.design_files import read_designs
    from invdesign.io.design_tables import TABLES, measured_columns

    domain = _domain(arguments)
    path = Path(arguments.file)
    pairs = [text.partition("=") for text in arguments.property]
    properties = {name: column or name for name, _, column in pairs}
    reader = signature(functions_of("corpus", domain.name).get("table", ""))
    is_table = path.name.lower().removesuffix(".gz").endswith(TABLES)
    if not properties and is_table and reader is not None and "properties" in reader.parameters:
        own = (arguments.column, arguments.weight_column)
        properties = {name: name for name in measured_columns(path)[1] if name not in own}
    options = ("column", "per_atom", "weight_column", "mutations", "wild_type", "first", "chain")
    if reader is None or not (properties or any(getattr(arguments, option) for option in options)):
        return read_designs(domain, path)
    return _read_columns(arguments, reader, domain, properties)


def _open_units(arguments: argparse.Namespace, corpus: Corpus[Any]) -> list[str]:
    """Return questions for the units of properties that mean nothing without one."""
    from invdesign.core.capabilities import ask_for_unit, possible_units

    domain = _domain(arguments)
    units = {usage.name: possible_units(domain, usage.name) for usage in corpus.usage if not usage.unit}
    return [ask_for_unit(name, possible) for name, possible in units.items() if possible]


def _wild_type(arguments: argparse.Namespace, domain: Domain[Any, Any]) -> dict[str, Any] | None:
    """Return the node of the wild type that --wild-type and --first describe."""
    from invdesign.runs.interpolation import read_design

    if not arguments.wild_type:
        if arguments.first is not None or arguments.mutations:
            raise InvdesignError("check-data: expected --wild-type with --first and --mutations, got none. Add it")
        return None
    first = 1 if arguments.first is None else arguments.first
    return {"sequence": read_design(domain, arguments.wild_type), "first": first}


def _read_columns(
    arguments: argparse.Namespace, known: Signature, domain: Domain[Any, Any], properties: Mapping[str, str]
) -> Corpus[Any]:
    """Return the designs of named columns of a table."""
    kind = getattr(domain, "kind", None) if "kind" in known.parameters else None
    chain = int(arguments.chain) if str(arguments.chain).isdigit() else arguments.chain
    own = [name for name in known.parameters if name.endswith("_column") and name != "weight_column"]
    given = {
        "--column": (own[0] if len(own) == 1 else "column", arguments.column),
        "--property": ("properties", properties),
        "--per-atom": ("per_atom", arguments.per_atom),
        "--weight-column": ("weight_column", arguments.weight_column),
        "--mutations": ("mutations", arguments.mutations),
        "--wild-type": ("wild_type", _wild_type(arguments, domain)),
        "--chain": ("chain", chain),
        "the kind": ("kind", kind),
    }
    for option, (name, value) in given.items():
        if value and name not in known.parameters:
            raise InvdesignError(f"check-data: {domain.name} have no {option}. Leave it out")
    settings = {name: value for name, value in given.values() if value}
    node = {"_target_": known.target, "_partial_": True, "path": arguments.file, **settings}
    load = instantiate.instantiate(instantiate.part(node, lambda keys: "command line", ("corpus",)))
    corpus: Corpus[Any] = load()
    return corpus


def load_campaign(arguments: argparse.Namespace, overrides: list[str]) -> _Loaded:
    """Compose and instantiate a campaign."""
    composed = compose.compose(arguments.campaign, overrides, config_dirs=arguments.config_dir)
    name = str(composed.values.get("name", composed.name))
    parts = instantiate.build(
        composed.values,
        composed.where,
        name=name,
        allowed=arguments.allow,
        folders=_user_folders(arguments.campaign),
    )
    return _Loaded(composed, parts, name)


def _latent_space(
    campaign: Campaign[Any, Any], resources: Resources
) -> tuple[Corpus[Any] | None, LatentSpace[Any, Any]]:
    """Load the corpus of a campaign, and train or load its latent space."""
    from invdesign.runs.latent_spaces import prepare_latent_space

    corpus = load_corpus(campaign, resources)
    return corpus, prepare_latent_space(campaign, corpus, resources.cache, resources.progress)


def load_corpus(campaign: Campaign[Any, Any], resources: Resources) -> Corpus[Any] | None:
    """Load the corpus of a campaign; None where it has none."""
    from invdesign.runs.measurements import log_usage

    options = {"cache": resources.cache, "progress": resources.progress}
    corpus = instantiate.bind(campaign.corpus, options)() if campaign.corpus else None
    log_usage(corpus)
    return corpus


def open_run(
    arguments: argparse.Namespace, progress: Any = None, *, folder: str | None = None, read_only: bool = True
) -> CampaignRun[Any, Any]:
    """Open the run of a command with its stored configuration."""
    from invdesign.core import silent
    from invdesign.runs import CampaignRun, Resources

    resources = Resources(progress=progress or silent, by=getattr(arguments, "by", ""))
    if arguments.cache:
        resources = replace(resources, cache=Path(arguments.cache))
    accept = getattr(arguments, "accept_changes", False)
    return CampaignRun.open(
        folder or arguments.run,
        resources=resources,
        allow=arguments.allow,
        accept_changes=accept,
        read_only=read_only,
    )


def make_resources(arguments: argparse.Namespace, executor: Any, progress: Any) -> Resources:
    """Return the resources that the arguments of a command name."""
    from invdesign.runs import Resources

    shared = getattr(arguments, "baselines", None)
    resources = Resources(executor=executor, progress=progress, baselines=Path(shared) if shared else None)
    return replace(resources, cache=Path(arguments.cache)) if arguments.cache else resources


def _campaign_path(campaign: str | None) -> str | None:
    """Return the absolute path of a campaign's file, or the name of a shipped one."""
    return str(Path(campaign).resolve()) if campaign and Path(campaign).is_file() else campaign


def _user_folders(campaign: str | None) -> list[Path]:
    """Return the folders of the user's modules: that of the campaign's file, then the current one."""
    beside = [compose.campaign_file(campaign).parent] if campaign else []
    return [*beside, Path.cwd()]


def _raise_if_deliverables_failed(failed: Mapping[str, Sequence[str]]) -> None:
    """Raise an error where deliverables of runs failed; all else is written.

    Raises:
        InvdesignError: Some failed; the message names each.
    """
    if failed:
        raise InvdesignError(
            "; ".join(
                f"{folder}: all is written but these deliverables: {'; '.join(reasons)}. Correct what they name, then: "
                f"invdesign export {folder} (to change one of their settings run the campaign with --resume {folder} "
                "deliverables.NAME.SETTING=... --accept-changes)"
                for folder, reasons in failed.items()
            )
        )


def _print_facts(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> None:
    if arguments.json:
        terminal.print_json(facts)
        return
    for key, value in facts.items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


def _print_rows(arguments: argparse.Namespace, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if arguments.json:
        terminal.print_json(list(rows))
    elif rows:
        terminal.table(title, rows)


def _print_settings(arguments: argparse.Namespace, title: str, options: Sequence[explain.Option]) -> None:
    if arguments.json:
        terminal.print_json([vars(option) for option in options])
    else:
        terminal.print_settings(title, options)


def _command_line() -> str:
    return shlex.join(["invdesign", *sys.argv[1:]])


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "train": train,
    "encode": encode,
    "sample": sample,
    "interpolate": interpolate,
    "export": export,
    "report": report,
    "options": options,
    "check-data": check_data,
}
