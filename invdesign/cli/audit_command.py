"""The command that audits a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.cli import terminal
from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from invdesign.atlas.audit import Auditor
    from invdesign.core import Corpus, Domain
    from invdesign.report.audit_page import Audit
    from invdesign.runs import CampaignRun

MAX_ROWS = 20


def audit(arguments: argparse.Namespace) -> int:
    """Rank the designs of a file among real ones; write a page and a table."""
    from invdesign.atlas.audit_files import AUDIT_FILE, write_auditor
    from invdesign.io.tables import write_table
    from invdesign.report.audit_page import Audit, facts_of, rows_of, write_audit

    if not 0 < arguments.level < 1:
        raise InvdesignError(f"audit: --level must lie between 0 and 1, got {arguments.level}")
    if bool(arguments.run) + bool(arguments.model) + bool(arguments.campaign or arguments.overrides) > 1:
        raise InvdesignError("audit: expected --run, --model or a campaign with its settings, got several. Give one")
    if not arguments.file and not arguments.run:
        raise InvdesignError("audit: expected a FILE of designs, or --run for those of a run, got neither. Give one")
    with terminal.progress() as progress:
        auditor, given, folder = _prepare(arguments, progress)
        findings = auditor.audit(given.designs, progress=progress)
    if not findings:
        raise InvdesignError(
            f"audit: expected designs in {arguments.file or arguments.run}, got none that can be read. See invdesign "
            "check-data"
        )
    if arguments.store:
        write_auditor(auditor, folder / AUDIT_FILE)
    names = [name or str(i) for i, name in enumerate(given.names or [""] * len(given), start=1)]
    domain = auditor.measures.latent_space.domain
    n_real = len(auditor.evidence)
    found = Audit(Path(arguments.file or arguments.run).name, domain, findings, names, arguments.level, n_real)
    out = Path(arguments.out) if arguments.out else Path()
    files = [write_audit(found, out / "audit.html"), write_table(rows_of(found), out / "audit.csv")]
    if arguments.json:
        facts = {"designs": len(findings), "rejected": len(given.rejected), "flagged": len(found.flagged)}
        terminal.print_json({**facts, "findings": facts_of(found), "files": [str(path) for path in files]})
    else:
        _print(found, [str(path) for path in files], len(given.rejected))
    return 0


def _print(found: Audit, files: Sequence[str], n_rejected: int) -> None:
    from invdesign.report.audit_page import explain

    rows = [
        {"name": found.names[i], "p": f"{found.findings[i].p_value:.2g}", "why": explain(found.findings[i])}
        for i in found.flagged[:MAX_ROWS]
    ]
    if rows:
        terminal.table(f"the {len(rows)} least real designs of {len(found.flagged):,} flagged ones", rows)
    print(found.sentence)
    if n_rejected:
        print(f"{n_rejected:,} rows cannot be read; invdesign check-data lists them")
    for path in files:
        print(path)


def _prepare(arguments: argparse.Namespace, progress: Any) -> tuple[Auditor[Any, Any], Corpus[Any], Path]:
    """Return the auditor, the designs of the file, and the folder of the model."""
    from invdesign.atlas.audit_files import prepare_auditor
    from invdesign.cli import commands
    from invdesign.io.design_files import read_designs
    from invdesign.runs import latent_spaces
    from invdesign.runs.audits import align_to_corpus, read_as_corpus, with_labels_of

    opened: Any = None
    if arguments.model:
        return _from_model(arguments, progress)
    if arguments.run:
        opened = commands.open_run(arguments, progress)
        campaign, resources = opened.campaign, opened.resources
        corpus, latent_space = opened.corpus, opened.engine.latent_space
    else:
        campaign, resources, corpus, latent_space = commands.open_campaign_space(arguments, progress)
    domain, cache = campaign.domain, resources.cache
    auditor = prepare_auditor(domain, corpus, campaign.vae, latent_space, cache=cache, progress=progress)
    folder = latent_spaces.model_folder(campaign, corpus, resources.cache)
    if not arguments.file:
        return auditor, _designs_of(opened), folder
    path = Path(arguments.file)
    given = read_as_corpus(campaign, path) if arguments.as_corpus else read_designs(domain, path)
    given = align_to_corpus(domain, given, corpus) if arguments.align else given
    return with_labels_of(auditor, given), given, folder


def _designs_of(opened: CampaignRun[Any, Any]) -> Corpus[Any]:
    """Return the candidates, seed designs and measured designs of a run, named by identifier and kind."""
    from invdesign.io.corpora import make_corpus
    from invdesign.runs.audits import kinds_of

    kinds, names = kinds_of(opened.state.evaluated, opened.shortlist().candidates), opened.identifiers()
    found = {c.key: (c.design, f"{names.get(c.key, '')} ({kind})") for kind, group in kinds.items() for c in group}
    designs, labels = (tuple(column) for column in zip(*found.values(), strict=True)) if found else ((), ())
    return make_corpus(designs, names=labels, name=str(opened.folder), to_text=opened.campaign.domain.to_text)


def _from_model(arguments: argparse.Namespace, progress: Any) -> tuple[Auditor[Any, Any], Corpus[Any], Path]:
    """Return the auditor that is stored beside a model, and the designs of the file."""
    from invdesign.atlas.audit_files import AUDIT_FILE, read_auditor
    from invdesign.io.design_files import read_designs
    from invdesign.latent.prepare import find_model, load_latent_space

    folder = find_model(arguments.model)
    card = json.loads((folder / "model.json").read_text("utf-8"))
    domain = _domain_of(arguments, card)
    latent_space = load_latent_space(folder, domain)
    if not (folder / AUDIT_FILE).is_file():
        raise InvdesignError(
            f"{folder}: expected a stored audit ({AUDIT_FILE}), got none. Audit a file with the campaign of the model "
            "and --store first"
        )
    auditor = read_auditor(folder / AUDIT_FILE, latent_space)
    return auditor, read_designs(domain, Path(arguments.file)), folder


def _domain_of(arguments: argparse.Namespace, card: dict[str, Any]) -> Domain[Any, Any]:
    """Return the domain that a model was trained with."""
    from invdesign.cli.commands import compose_domain

    state = card["encoding"]
    choice = str(card["domain"])
    if choice == "sequences":
        choice = state["kind"] if state["kind"] in ("protein", "dna", "rna") else "protein"
    domain = compose_domain(choice, [], arguments.config_dir)
    settings = [f"domain.{key}={json.dumps(state[key])}" for key in domain.settings() if key in state]
    return compose_domain(choice, settings, arguments.config_dir)
