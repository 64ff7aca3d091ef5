"""A run from its first write to its lists: corpus, map, search, baseline, export, report; each stage resumable."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from invdesign import __version__
from invdesign.campaign import (
    Campaign,
    RoundRecord,
    State,
    count_failures,
    initialize,
    rank_shortlist,
    run,
    tell,
    validate_candidates,
)
from invdesign.config import instantiate
from invdesign.core import Candidate, Corpus, Outcome, Progress, round_seed
from invdesign.export import Exported, export, provenance
from invdesign.io.tables import write_table
from invdesign.latent.space import LatentSpace
from invdesign.ledger import Ledger
from invdesign.report import ReportData, report
from invdesign.runs import folders, latent_spaces
from invdesign.search.search import Search

REPORT = "report.html"
REJECTED = "rejected.csv"


@dataclass(frozen=True)
class Plan:
    """What a command works on: a run folder with the parts that its configuration makes."""

    run: folders.Run
    parts: instantiate.Parts
    settings: dict[str, Any]
    command: str
    cache: Path

    @property
    def campaign(self) -> Campaign[Any, Any]:
        return self.parts.campaign


def cache_folder(given: str | None) -> Path:
    """Where models and encoded corpora are kept."""
    return Path(given) if given else platformdirs.user_cache_path("invdesign")


def load_corpus(campaign: Campaign[Any, Any], cache: Path, progress: Progress) -> Corpus[Any] | None:
    """The corpus of a campaign, None where it has none."""
    if campaign.corpus is None:
        return None
    return instantiate.bound(campaign.corpus, {"cache": cache, "progress": progress})()


def carry_out(plan: Plan, *, progress: Progress, accept_changes: bool = False) -> dict[str, Any]:
    """Run or resume a campaign, then write its lists and its report; on Ctrl-C too.

    Returns:
        A summary that JSON can hold.

    Raises:
        InvdesignError: another process owns the run, its settings differ, or a stage fails.
    """
    campaign, folder = plan.campaign, plan.run.folder
    with Ledger.open(folder / folders.LEDGER, campaign.domain, save_map=latent_spaces.save) as ledger:
        corpus = load_corpus(campaign, plan.cache, progress)
        if campaign.seeds is not None:
            seeds = instantiate.bound(campaign.seeds, {"cache": plan.cache, "progress": progress})()
            campaign = replace(campaign, seeds=lambda: seeds)
            _write_rejected(seeds, folder / "rejected_seeds.csv")
        if corpus is not None:
            _write_rejected(corpus, folder / REJECTED)
        changes = ledger.agree(_identity(plan, campaign, corpus), accept_changes=accept_changes)
        if ledger.state().n_calls < campaign.budget and (problem := instantiate.ready(campaign.oracle)):
            print(f"warning: {problem}", file=sys.stderr)
        space = latent_spaces.tuned(ledger, campaign, folder) or latent_spaces.make(
            campaign, corpus, plan.cache, progress
        )
        ledger.note("map", space.card)
        latent_spaces.write_sample(space, folder)
        known = frozenset(campaign.domain.key(design) for design in corpus.designs) if corpus else frozenset[str]()
        try:
            state = ledger.state()
            if not state.records:
                state = initialize(campaign, space, corpus=corpus)
                ledger.asked(state)
            state = run(
                campaign,
                space,
                state,
                evaluate=_evaluate(plan, progress),
                memory=ledger,
                known=known,
                progress=progress,
            )
            if campaign.baseline:
                _run_baseline(plan, space, corpus, state, known, progress)
        except BaseException:
            so_far = _close(plan, ledger, known, changes)
            print(f"so far: {', '.join(so_far['files'])}", file=sys.stderr)
            raise
        summary = _close(plan, ledger, known, changes)
        folders.finish(plan.run, summary)
    return summary


def _close(plan: Plan, ledger: Ledger[Any, Any], known: frozenset[str], changes: Sequence[str]) -> dict[str, Any]:
    """Note which designs existed before, for later exports need not load the corpus; then write what is known."""
    ledger.note("in_corpus", [c.key for c in ledger.state().history if c.key in known])
    return write_out(plan, ledger, changes=changes)


def write_out(
    plan: Plan, ledger: Ledger[Any, Any], *, out: Path | None = None, changes: Sequence[str] = ()
) -> dict[str, Any]:
    """Write lists and report of what is known; a report that fails costs a warning, never the run."""
    campaign, state = plan.campaign, ledger.state()
    found = judged(plan, ledger)
    candidates = rank_shortlist(campaign, found)
    written = write_lists(plan, ledger, found, out or plan.run.folder)
    page = None
    try:
        page = write_report(plan, ledger, found, notes=changes)
    except Exception as error:  # the lists and the ledger are whole without it
        print(
            f"warning: no report ({type(error).__name__}: {error}); try: invdesign report {plan.run.folder}",
            file=sys.stderr,
        )
    U = campaign.utilities(state.history)
    return {
        "run": str(plan.run.folder),
        "rounds": state.round,
        "calls": state.n_calls,
        "best": float(np.nanmax(U[:, 0])) if np.isfinite(U[:, 0]).any() else None,
        "shortlist": [
            {
                "design": campaign.domain.label(c.design),
                **{o.name: y for o, y in zip(campaign.objectives, c.y, strict=True)},
            }
            for c in candidates
        ],
        "refused": count_failures(found),
        "files": [str(path) for path in (*written.files, *written.folders, *([page] if page else []))],
        "warnings": list(written.warnings),
        "failures": list(written.failures),
    }


def judged(plan: Plan, ledger: Ledger[Any, Any]) -> list[Candidate[Any]]:
    """The measured designs of a run that are its own, with the findings of all validators."""
    return validate_candidates(plan.campaign, ledger.state(), known=_in_corpus(ledger))


def write_lists(plan: Plan, ledger: Ledger[Any, Any], found: Sequence[Candidate[Any]], folder: Path) -> Exported:
    """Candidate lists in every format of the domain, all evaluated designs, deliverables, and the manifest."""
    told = {c.key: c for c in found}
    about = {
        "command": plan.command,
        "config": plan.settings,
        "seed": plan.campaign.seed,
        **(ledger.meta("settings") or {}),
    }
    return export(
        rank_shortlist(plan.campaign, found),
        plan.campaign.domain,
        plan.campaign.objectives,
        folder,
        history=[told.get(c.key, c) for c in ledger.state().history if c.status != "pending"],
        run=about,
        deliverables=plan.campaign.deliverables,
    )


def write_report(
    plan: Plan,
    ledger: Ledger[Any, Any],
    found: Sequence[Candidate[Any]],
    *,
    out: Path | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """The HTML report of what is known."""
    campaign, state = plan.campaign, ledger.state()
    latents, log_density = latent_spaces.read_sample(plan.run.folder)
    story = ReportData(
        name=campaign.name,
        domain=campaign.domain,
        objectives=campaign.objectives,
        state=state,
        shortlist=rank_shortlist(campaign, found),
        n_valid=sum(c.is_valid for c in found),
        refused=count_failures(found),
        combine=campaign.combine,
        baseline=_baseline(plan),
        corpus_latents=latents,
        corpus_log_density=log_density,
        illustrate=campaign.figures,
        map_facts=ledger.meta("map") or {},
        settings=plan.settings,
        versions=provenance(),
        command=plan.command,
        notes=notes,
    )
    path = out or plan.run.folder / REPORT
    report(story, path)
    return path


def _evaluate(plan: Plan, progress: Progress) -> Any:
    return instantiate.bound(plan.parts.evaluate, {"n_outputs": len(plan.campaign.objectives), "progress": progress})


def _identity(plan: Plan, campaign: Campaign[Any, Any], corpus: Corpus[Any] | None) -> dict[str, Any]:
    """What a resumed run must have in common with what it goes on from."""
    return {
        "config": plan.settings,
        "version": __version__,
        "corpus_sha256": corpus.sha256 if corpus else "",
        "seeds_sha256": campaign.seeds().sha256 if campaign.seeds else "",
    }


def _run_baseline(
    plan: Plan,
    space: LatentSpace[Any, Any],
    corpus: Corpus[Any] | None,
    state: State[Any],
    known: frozenset[str],
    progress: Progress,
) -> None:
    """Measure draws from the map at the same budget; seeds are taken over, for they were measured already."""
    campaign = replace(
        plan.campaign,
        search=Search(acquire=None, trust_region=None, oversample=20),
        finetune=None,
        seed=round_seed(plan.campaign.seed, 0, "baseline") % 2**31,
        name=f"{plan.campaign.name} (random)",
    )

    def named(stage: str, done: int, total: int) -> None:
        progress(f"baseline: {stage}", done, total)

    with Ledger.open(plan.run.folder / folders.BASELINE, campaign.domain) as ledger:
        own = ledger.state()
        if not own.records:
            seeds = tuple(c for c in state.history if c.round == 0)
            pending = tuple(replace(c, y=(), status="pending", reason="") for c in seeds)
            own = tell(
                State(pending=pending, records=(RoundRecord(0),)),
                {c.key: Outcome(c.y, c.status, c.reason) for c in seeds},
            )
            ledger.asked(own)
        run(
            campaign,
            space,
            own,
            evaluate=_evaluate(plan, named),
            memory=ledger,
            known=known,
            progress=named,
        )


def _baseline(plan: Plan) -> Sequence[Candidate[Any]]:
    path = plan.run.folder / folders.BASELINE
    if not path.is_file():
        return ()
    with Ledger.open(path, plan.campaign.domain, read_only=True) as ledger:
        return ledger.state().history


def _in_corpus(ledger: Ledger[Any, Any]) -> frozenset[str]:
    return frozenset(ledger.meta("in_corpus") or ())


def _write_rejected(corpus: Corpus[Any], path: Path) -> None:
    if not corpus.rejected:
        return
    columns: dict[str, list[Any]] = {
        "row": [r.row for r in corpus.rejected],
        "text": [r.text for r in corpus.rejected],
        "reason": [r.reason for r in corpus.rejected],
        "remedy": [r.remedy for r in corpus.rejected],
    }
    write_table(columns, path)
    print(f"warning: {len(corpus.rejected):,} rows of {corpus.name} were refused: {path}", file=sys.stderr)
