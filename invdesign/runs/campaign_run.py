"""A durable campaign in a folder: suggest, tell, run, export, report. The command line and notebooks use it."""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, cast

import numpy as np

from invdesign import __version__
from invdesign.campaign import (
    BatchSelected,
    Campaign,
    DesignsAdded,
    Engine,
    OutcomeRecorded,
    State,
    Steered,
    active_changes,
    add_designs,
    apply,
    ask,
    check_named_units,
    check_properties,
    check_seed_properties,
    close_round,
    initialize,
    make_engine,
    rank_shortlist,
    recorded_outcome,
    run,
    score,
    start,
    steer_campaign,
    steer_engine,
    validate_candidates,
)
from invdesign.campaign.loop import finetune_if_due
from invdesign.campaign.placement import place
from invdesign.campaign.stall import explain_no_candidates, explain_stall
from invdesign.config.instantiate import bind
from invdesign.core import (
    FAILED,
    B,
    Candidate,
    Corpus,
    D,
    InvdesignError,
    MakeExecutor,
    Outcome,
    ValueSource,
    admissible_utilities,
    guarded,
    improved_columns,
    pareto_front,
    rank,
)
from invdesign.core.capabilities import label, prepare_oracle, value_sources
from invdesign.core.steering import Change
from invdesign.core.value_source import sources_from_json, sources_to_json
from invdesign.execution.unavailable import WITHOUT_ORACLE
from invdesign.export import Exported, export
from invdesign.io.atomic import probe, remove_unfinished
from invdesign.io.json_values import to_plain
from invdesign.io.repeats import as_outcome, measured_values
from invdesign.io.tables import write_table
from invdesign.latent.diagnosis import warn_of_reconstruction
from invdesign.ledger import Ledger, Recorded
from invdesign.report import write_pareto_plots
from invdesign.runs import folders, latent_spaces
from invdesign.runs.audits import anomaly_p_values, with_anomalies
from invdesign.runs.baseline import baseline_history, run_baseline
from invdesign.runs.batch_files import BatchFiles, identifiers, write_batch
from invdesign.runs.folders import RunConfig
from invdesign.runs.measurements import log_usage
from invdesign.runs.neighbors import find_neighbors, neighbors_to_json, with_neighbors
from invdesign.runs.outcome_events import Value, outcome_event, outcomes_by_key, to_outcome
from invdesign.runs.reporting import report_data, write_report
from invdesign.runs.resources import Resources
from invdesign.runs.results import Shortlist, Status
from invdesign.runs.results_file import Added, Designs, Results, read_results
from invdesign.runs.shared_baselines import baseline_key, share
from invdesign.runs.stored_campaign import stored_campaign
from invdesign.runs.value_sources import with_sources

REPORT = "report.html"
REJECTED = "rejected.csv"
REJECTED_SEEDS = "rejected_seeds.csv"
NOT_MEASURED = Outcome((), "pending")
"""Outcome of a design that waits for its measurement."""
MAX_NAME = 100
"""Characters of the name under which something is recorded."""

logger = logging.getLogger(__name__)


class CampaignRun(Generic[D, B]):
    """A durable campaign in a folder; made by `CampaignRun.open`.

    Every outcome is on disk when a method returns. A run that was stopped, at any moment, continues where it was.

    Example:
        >>> import tempfile
        >>> from invdesign import Campaign, CampaignRun, Limits, Objective, Pretrained, Seeding, Task
        >>> from invdesign.domains.molecules import Molecules
        >>> from invdesign.domains.molecules.corpus import fragments
        >>> from invdesign.domains.molecules.oracles import qed
        >>> campaign = Campaign(
        ...     Molecules(), Task([Objective("qed")], qed), Pretrained("zinc250k"), corpus=lambda: fragments(n=100),
        ...     seeding=Seeding(n_seeds=5), limits=Limits(budget=8, batch=3))
        >>> with tempfile.TemporaryDirectory() as folder, CampaignRun.open(folder, campaign) as run:
        ...     open_designs = run.suggest()
        ...     status = run.tell({c.design: float(qed([c.design])[0]) for c in open_designs})
        ...     status.n_measured, len(run.suggest())
        (5, 3)
    """

    def __init__(
        self,
        folder: Path,
        campaign: Campaign[D, B],
        ledger: Ledger[D],
        config: RunConfig,
        resources: Resources,
    ) -> None:
        self.folder = folder
        self.campaign = campaign
        self.config = config
        self.resources = resources
        self.changes: list[str] = []
        """What differs from the settings that the run started with, where that was accepted."""
        self._ledger = ledger
        self._accept_changes = False
        self._validated: tuple[State[D], list[Candidate[D]]] | None = None

    @classmethod
    def open(
        cls,
        folder: str | Path,
        campaign: Campaign[D, B] | None = None,
        *,
        config: RunConfig | None = None,
        resources: Resources | None = None,
        allow: Sequence[str] = (),
        accept_changes: bool = False,
        read_only: bool = False,
    ) -> CampaignRun[D, B]:
        """Open a run; make it where the folder has none.

        Args:
            folder: Folder of the run, or of a campaign (its newest run) to continue.
            campaign: The campaign; by default that of the folder's stored configuration.
            config: What the run is started with, for its record.
            resources: Cache, execution of the oracle, progress.
            allow: Modules that the stored configuration may name.
            accept_changes: Continue although the settings differ from those that the run started with.
            read_only: Look at a run, also while another process works on it.

        Raises:
            InvdesignError: The folder cannot be written, another process owns the run, there is no campaign, or its
                settings differ.
        """
        folder, resources = Path(folder), resources or Resources()
        resources = replace(resources, progress=guarded(resources.progress))
        if campaign is None:
            folder = folders.existing(folder).path
            config = folders.read_config(folder)
            campaign, executor = stored_campaign(folder, config, allow, read_only=read_only)
            resources = replace(resources, executor=executor)
        config = config or RunConfig(campaign.name, {})
        folders.check_ledger(folder)
        if not read_only:
            check_seed_properties(campaign)
            probe(folder)
            folders.write_config(folder, config)
        save = None if read_only else latent_spaces.save_finetuned
        ledger = Ledger.open(
            folder / folders.LEDGER,
            campaign.domain,
            read_only=read_only,
            save_latent_space=save,
            objectives=[objective.name for objective in campaign.objectives],
            by=resources.by,
        )
        opened = cls(folder, campaign, ledger, config, resources)
        if not read_only:
            try:
                remove_unfinished(folder)
                opened.changes = ledger.agree(opened._identity(), accept_changes=accept_changes)
                opened._accept_changes = accept_changes
                if not opened.state.records:
                    check_named_units(campaign, [each for each in (opened.corpus, opened.seeds) if each is not None])
                opened._note_usage()
            except BaseException:
                ledger.close()
                raise
        return opened

    def close(self) -> None:
        """Release the run."""
        self._ledger.close()

    def __enter__(self) -> CampaignRun[D, B]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> State[D]:
        """What is known, as it follows from the recorded events."""
        return self._ledger.state()

    @property
    def current(self) -> Campaign[D, B]:
        """The campaign with all changes that hold for the next batch (see `steer`)."""
        return steer_campaign(self.campaign, active_changes(self.state))

    @cached_property
    def corpus(self) -> Corpus[D] | None:
        """The corpus of the campaign, loaded on first use; its rejected rows are written into the folder."""
        corpus = self._load(self.campaign.corpus)
        if corpus is not None:
            check_properties(self.campaign, corpus, is_seeds=False)
            self._write_rejected(corpus, REJECTED)
        return corpus

    @cached_property
    def seeds(self) -> Corpus[D] | None:
        """The campaign's own seed designs, loaded on first use."""
        seeds = self._load(self.campaign.seeding.seeds)
        if seeds is not None:
            check_properties(self.campaign, seeds, is_seeds=True)
            self._write_rejected(seeds, REJECTED_SEEDS)
        return seeds

    @cached_property
    def engine(self) -> Engine[D, B]:
        """The campaign bound to its latent space, which is trained or loaded on first use."""
        finetuned = self._ledger.latent_space_folder
        if finetuned:
            latent_space = latent_spaces.load_finetuned(self.campaign, self.folder / finetuned, self.resources.cache)
        else:
            latent_space = latent_spaces.prepare_latent_space(
                self.campaign, self.corpus, self.resources.cache, self.resources.progress
            )
        self._check_latent_space(str(latent_space.card.get("sha256", "")), is_finetuned=bool(finetuned))
        if self._ledger.meta("model_card") is None:
            self._ledger.note("model_card", latent_space.card)
        latent_spaces.write_sample(latent_space, self.folder)
        transfer = self.campaign.surrogates.transfer
        source = None if transfer is None else self._load(transfer.source)
        return make_engine(self.campaign, latent_space, self.corpus, source=source)

    @contextmanager
    def recorded_by(self, name: str) -> Iterator[None]:
        """Record inside the block under the name of a person; an empty name changes nothing."""
        before = self._ledger.by
        self._ledger.by = name.strip()[:MAX_NAME] or before
        try:
            yield
        finally:
            self._ledger.by = before

    # The closed loop.

    def begin(self) -> Status:
        """Train or load the latent space, and record the measurements that the campaign starts from.

        Seed designs that must be measured are selected by the first `suggest`.

        Raises:
            InvdesignError: There is nothing to start from.
        """
        if not self.state.records:
            batch = self._seed_batch()
            if all(c.origin == "given" for c in batch.candidates):
                start(self.engine, batch, self._ledger, state=self.state)
        return self.status()

    def suggest(self, n: int | None = None) -> list[Candidate[D]]:
        """Return designs to measure: open suggestions first, then new ones.

        Calling it again returns the same designs until their outcomes are recorded.

        Args:
            n: Number of designs; by default the open ones, or a batch where none is open. In a new run without
                measurements it replaces the number of seed designs.

        Raises:
            InvdesignError: There is nothing to start from.
        """
        state = self._started(n)
        if not state.open:
            state = self._continue(state)
        n_open = len(state.open)
        n_new = (0 if n_open else self.current.limits.batch) if n is None else max(0, n - n_open)
        if n_new and state.n_calls < self.current.limits.budget:
            batch = ask(self.engine, state, n=n_new, progress=self.resources.progress)
            if batch.candidates or not n_open:
                self._ledger.on_batch(batch)
                state = apply(state, batch)
        opened = list(state.open)
        return opened if n is None else opened[:n]

    def tell(self, results: Mapping[Any, Value] | Iterable[tuple[Any, Value]], *, note: str = "") -> Status:
        """Record outcomes of suggested designs.

        Telling the same value again changes nothing, so a file of results can be read twice.

        Args:
            results: Values by design (or its key, or its text): a number, `m` numbers, an `Outcome`, or None for a
                measurement that failed.
            note: Remark of the laboratory.

        Raises:
            InvdesignError: A design was not suggested, or has another value already; nothing of `results` is recorded.
        """
        pairs = list(results.items() if isinstance(results, Mapping) else results)
        state = self._started()
        designs = Designs(state, self.current.domain)
        events = [outcome_event(state, designs.find(given), self._outcome(value), note) for given, value in pairs]
        self._record(*(event for event in events if event is not None))
        return self.status()

    def tell_file(
        self, path: str | Path, *, dry_run: bool = False, allow_repeats: bool = False, allow_new: bool = False
    ) -> Results[D]:
        """Record the results in a file; see `runs.results_file.read_results`. The same file twice changes nothing.

        Args:
            path: A table (.csv, .tsv or .xlsx) with the identifiers or the designs of a batch.
            dry_run: Read the file and record nothing.
            allow_repeats: Record other values of measured designs as repeated measurements; else they are refused.
            allow_new: Add designs that were not suggested: the surrogate reads them, they spend no calls, and they are
                no candidates of the campaign. Else they are refused.

        Raises:
            InvdesignError: A heading, a cell, a unit or a design is not understood, or a value contradicts a recorded
                one; nothing of the file is recorded.
        """
        if allow_new and not dry_run and not self.state.records and (self.seeds is not None or self.corpus is not None):
            self.begin()
        results = read_results(
            Path(path),
            self.state,
            self.current.domain,
            self.current.objectives,
            earlier=lambda: outcomes_by_key(self._ledger.events()),
            allow_repeats=allow_repeats,
            allow_new=allow_new,
        )
        if not dry_run:
            self._record(*results.events, *self._addition_events(results.added))
        return results

    def replicate(self, design: Any, value: Value, *, note: str = "") -> None:
        """Record a repeated measurement of a design; the mean of the repeats counts.

        Raises:
            InvdesignError: The design was not suggested, or has no measurement yet.
        """
        candidate = self.find(design)
        if candidate.status == "pending":
            raise InvdesignError(f"replicate: {candidate.key} has no measurement yet. Use tell()")
        self._ledger.record(OutcomeRecorded(candidate.key, self._outcome(value), "repeat", note))

    def correct(self, design: Any, value: Value, *, note: str = "") -> None:
        """Replace the values of a design; what was recorded before stays in the ledger.

        Of several properties, one that is NaN in `value` keeps its value.

        Raises:
            InvdesignError: The design was not suggested.
        """
        candidate = self.find(design)
        new = self._outcome(value)
        if new.status == "measured":
            old = measured_values(recorded_outcome(candidate)) if candidate.y else [None] * len(new.y)
            kept = [b if b is not None else a for a, b in zip(old, measured_values(new), strict=True)]
            new = as_outcome(kept)
        self._ledger.record(OutcomeRecorded(candidate.key, new, "correction", note))

    def substitute(self, design: Any, made: Any, value: Value = NOT_MEASURED, *, note: str = "") -> None:
        """Record that another design was made and measured in the place of a suggested one.

        Args:
            design: The suggested design.
            made: The design that was made, or its text.
            value: Its value; `NOT_MEASURED` where it is open in the place of the suggested one.
            note: Remark of the laboratory.

        Raises:
            InvdesignError: The suggested design is not open, or the other one is known already.
        """
        candidate = self.find(design)
        if candidate.status != "pending":
            raise InvdesignError(f"substitute: expected an open suggestion, got {candidate.key}, {candidate.status}")
        other = self.current.domain.from_text(made) if isinstance(made, str) else cast("D", made)
        key = self.current.domain.key(other)
        if any(c.key == key for c in (*self.state.history, *self.state.pending)):
            raise InvdesignError(f"substitute: {key} is in this run already. Use tell() or replicate() for it")
        placement = place(self.engine.latent_space, [other])
        substitute: Candidate[D] = Candidate(
            other,
            key,
            placement.Z[0],
            round=candidate.round,
            origin="substitute",
            parents=(candidate.key,),
            region=candidate.region,
            log_density=float(placement.log_density[0]),
            percentile=float(placement.percentile[0]),
        )
        note = note or f"made instead of {candidate.key}"
        self._record(OutcomeRecorded(candidate.key, self._outcome(value), "substitute", note, substitute))

    def abandon(self, design: Any, *, reason: str = "abandoned") -> None:
        """Give up an open suggestion: it counts as failed and is not suggested again.

        Raises:
            InvdesignError: The design is not open.
        """
        candidate = self.find(design)
        if candidate.status != "pending":
            raise InvdesignError(f"abandon: expected an open suggestion, got {candidate.key}, {candidate.status}")
        outcome = Outcome((math.nan,) * len(self.current.objectives), "failed", reason)
        self._record(OutcomeRecorded(candidate.key, outcome, "abandoned", reason))

    def reject(self, design: Any, *, reason: str) -> list[Candidate[D]]:
        """Replace an open suggestion that will not be made: it counts as failed, and another design is selected.

        Returns:
            The replacement; nothing where the budget is spent or no other design is found.

        Raises:
            InvdesignError: The design is not open.
        """
        before = {c.key for c in self.state.open}
        candidate = self.find(design)
        if candidate.status == "pending":
            self.suggest(len(before) + 1)
        self.abandon(candidate.design, reason=reason)
        return [c for c in self.state.open if c.key not in before]

    def write_batch(self) -> BatchFiles:
        """Write the open suggestions into `batch-NNN.csv` and the formats of the domain; see `runs.batch_files`."""
        return write_batch(self.state, self.current, self.folder, p_values=self.compute_anomalies())

    def compute_anomalies(self, candidates: Iterable[Candidate[D]] = ()) -> dict[str, float]:
        """Compute and record the p-values of the audit that are missing, and return all of this latent space by key.

        New ones are computed where the latent space is loaded and its audit is stored; none is fitted here. An audit
        that fails is logged: the designs remain without a p-value.

        Args:
            candidates: Designs beside the open suggestions.
        """
        known = self._recorded_anomalies()
        missing = {c.key: c for c in (*self.state.open, *candidates) if c.key not in known}
        try:
            found = anomaly_p_values(self, list(missing.values()))
        except InvdesignError as error:
            logger.warning("%s: the audit of %d designs failed: %s", self.folder, len(missing), error)
            return known
        if found:
            known |= found
            self._ledger.note("anomaly_p", {self.latent_space_sha256(): known})
        return known

    def latent_space_sha256(self) -> str:
        """Return the hash of the newest latent space of the run; empty where none was recorded. It is not loaded."""
        finetuned = self._ledger.latent_space_folder
        if finetuned:
            return latent_spaces.stored_sha256(self.folder / finetuned)
        return str(self._ledger.meta("latent_space_sha256") or "")

    def identifiers(self) -> dict[str, str]:
        """Return the identifier of every design of the run by its key."""
        return identifiers(self.state)

    def find(self, design: Any) -> Candidate[D]:
        """Return the candidate that an identifier, a key, a text or a design names.

        Raises:
            InvdesignError: There is none.
        """
        return Designs(self.state, self.current.domain).find(design)

    def score(self, designs: Sequence[D]) -> list[Candidate[D]]:
        """Return designs of your own with the predictions, acquisition, density and checks of the next round."""
        return score(self.engine, self.state, designs)

    def pareto(self) -> list[Candidate[D]]:
        """Return the measured designs that no other one surpasses in all objectives; the best one for one objective.

        Designs that violate an outcome constraint are left out.
        """
        measured = [c for c in self.state.evaluated if c.status == "measured"]
        if not measured:
            return []
        task, Y = self.current.task, self.current.properties(measured)
        U = admissible_utilities(task.objectives, task.limits, Y)
        front = pareto_front(U)
        return [measured[i] for i in sorted(front, key=lambda i: -U[i, 0])]

    def run(self, executor: MakeExecutor | None = None, *, budget: int | None = None) -> Status:
        """Suggest, measure with the oracle and tell, until the budget is spent.

        Before a VAE is trained, the oracle loads what it needs. Every call is leased in the ledger before it is
        submitted; calls of an earlier process that outlive it (see `Executor.is_durable`) are collected.

        Args:
            executor: Opens the place where the oracle runs; by default as the run was opened.
            budget: Oracle calls in all; by default the campaign's.

        Raises:
            InvdesignError: The oracle lacks what it needs or fails too often, or a stage fails. What was measured is
                recorded.
        """
        if budget is not None:
            limits = replace(self.campaign.limits, budget=budget)
            self.campaign = replace(self.campaign, limits=limits)
            if self.is_loaded("engine"):
                self.engine = replace(self.engine, campaign=self.campaign)
        if not callable(self.current.task.oracle):
            raise InvdesignError(
                f"campaign {self.current.name!r}: expected an oracle to run, got {self.current.task.oracle!r}. "
                f"{WITHOUT_ORACLE}"
            )
        if not self.status().is_finished:
            prepare_oracle(self.current.task.oracle)
            sources = value_sources(self.current.task.oracle, len(self.current.objectives))
            self._ledger.note("sources", sources_to_json(sources))
        self._started()
        place = executor or self.resources.executor
        run(
            self.engine,
            self.state,
            executor=place,
            recorder=self._ledger,
            folder=self.folder,
            progress=self.resources.progress,
        )
        if self.current.output.baseline:
            self._measure_baseline(place)
        return self.status()

    def steer(
        self, changes: Mapping[str, Any] | Sequence[Change | str], *, reason: str = "", n_rounds: int | None = None
    ) -> tuple[Change, ...]:
        """Change goals, constraints, limits or parts of the running campaign, from the next batch on.

        Nothing that was selected or measured is lost. The changes are recorded with the person or process and the time.

        Args:
            changes: Values by setting, e.g. `{"budget": 300, "objectives.affinity.goal": "minimize"}`, or texts
                `KEY=VALUE`; `KEY+=VALUE` adds to a list or a number, e.g. `"domain.designable+=42"`.
            reason: Why.
            n_rounds: Number of the next rounds that they hold for; None until they are changed again.

        Returns:
            The changes that hold for the next batch, earlier ones included.

        Raises:
            InvdesignError: A setting cannot be changed while a campaign runs, or a value does not fit; nothing is
                recorded.
        """
        if n_rounds is not None and n_rounds < 1:
            raise InvdesignError(f"steer: expected a number of rounds of at least 1, got {n_rounds}. Leave it out")
        given = [Change(key, "=", value) for key, value in changes.items()] if isinstance(changes, Mapping) else changes
        parsed = tuple(Change.parse(change) if isinstance(change, str) else change for change in given)
        if parsed:
            steer_campaign(self.current, parsed)
            self._ledger.record(Steered(parsed, reason, n_rounds))
        return active_changes(self.state)

    def steering(self) -> list[Recorded[D]]:
        """Return all changes of the running campaign with who recorded them and when, oldest first."""
        return [recorded for recorded in self._ledger.events() if isinstance(recorded.event, Steered)]

    # Results.

    def status(self) -> Status:
        """Return the state of the run in numbers."""
        state = self.state
        evaluated = [c for c in (*state.history, *state.pending) if c.status != "pending"]
        order = rank(self.current.admissible_utilities(evaluated)) if evaluated else []
        best = evaluated[order[0]] if order else None
        names = [o.name for o in self.current.objectives]
        return Status(
            self.current.name,
            self.folder,
            state.round,
            state.n_calls,
            self.current.limits.budget,
            len(state.open),
            sum(c.status == "measured" for c in evaluated),
            sum(c.status in FAILED for c in evaluated),
            {} if best is None else dict(zip(names, best.y, strict=True)),
            "" if best is None else label(self.current.domain, best.design),
        )

    def best_utility(self) -> float | None:
        """Return the best utility of the first objective or of the combination; None where nothing is measured."""
        U = self.current.admissible_utilities(self.state.history)
        return float(np.nanmax(U[:, 0])) if np.isfinite(U[:, 0]).any() else None

    def shortlist(self) -> Shortlist[D]:
        """Return the best measured designs that pass every validator, best first."""
        ranked = rank_shortlist(self.current, self.validated())
        return Shortlist(ranked, self.current.domain, self.current.objectives)

    def explain_empty_shortlist(self) -> str:
        """Return why there are no candidates; an empty text where there are some."""
        return "" if len(self.shortlist()) else explain_no_candidates(self.state, self.current.limits.budget)

    def explain_stall(self) -> str:
        """Return why the last rounds did not improve on the best design; an empty text where they did.

        That of several objectives that are kept apart is not examined: their front can grow while the best value of one
        stays.
        """
        is_pareto = self.current.task.combine == "pareto" and len(improved_columns(self.current.objectives)) > 1
        return "" if is_pareto else explain_stall(self.state.records)

    def sources(self) -> tuple[ValueSource, ...]:
        """Return what the values of the oracle are, for each objective; empty where no oracle was run."""
        return sources_from_json(self._ledger.meta("sources") or [])

    def n_baseline_calls(self) -> int:
        """Return the oracle calls of the random search; those of the seed designs are the campaign's."""
        return sum(c.round > 0 for c in baseline_history(self.folder, self.current.domain))

    def validated(self) -> list[Candidate[D]]:
        """Return the measured designs that the campaign proposed, with the results of all validators."""
        state = self.state
        if self._validated is None or self._validated[0] is not state:
            checked = validate_candidates(self.current, state, excluded=self._in_corpus())
            stated = with_neighbors(with_sources(checked, self.sources()), self._ledger.meta("neighbors") or {})
            stated = with_anomalies(stated, self._recorded_anomalies())
            self._validated = (state, stated)
        return list(self._validated[1])

    def export(self, out: str | Path | None = None) -> Exported:
        """Write candidate lists in every format of the domain, all evaluated designs, deliverables and a manifest.

        Args:
            out: Folder; by default that of the run.

        Raises:
            InvdesignError: The folder cannot be written.
        """
        validated = self.validated()
        checked = {c.key: c for c in validated}
        about = {
            "command": self.config.command,
            "config": self.config.config,
            "settings": self.config.settings,
            "seed": self.current.seed,
            "measured_values": self._ledger.meta("measured_values") or {},
            "values": self._ledger.meta("sources") or [],
            **(self._ledger.meta("settings") or {}),
        }
        return export(
            rank_shortlist(self.current, validated),
            self.current.domain,
            self.current.objectives,
            Path(out) if out else self.folder,
            history=[
                checked.get(c.key, c) for c in with_sources(self.state.history, self.sources()) if c.status != "pending"
            ],
            run=about,
            deliverables=self.current.output.deliverables,
        )

    def report(self, out: str | Path | None = None) -> Path:
        """Write the HTML report and return its path.

        Args:
            out: File; by default `report.html` in the run's folder.

        Raises:
            InvdesignError: The file cannot be written.
        """
        path = Path(out) if out else self.folder / REPORT
        write_report(self, path)
        return path

    def plot_pareto(self, out: str | Path) -> list[Path]:
        """Write plots of the measured designs and their Pareto set, one for each pair of properties (three at most).

        Args:
            out: File of the first plot (.svg); the others have a number before the suffix.

        Raises:
            InvdesignError: There is one property only, nothing is measured, or a file cannot be written.
        """
        return write_pareto_plots(report_data(self), Path(out))

    def note_corpus_designs(self) -> None:
        """Record which designs of the run existed before it, so that later exports need not load the corpus."""
        if self.is_loaded("engine"):
            ranked = rank_shortlist(self.current, self.validated())
            seeds = [c for c in self.state.history if c.round == 0]
            neighbors = find_neighbors(ranked, self.current.domain, self.corpus, seeds)
            self._ledger.note("neighbors", neighbors_to_json(neighbors))
            self.compute_anomalies(ranked)
            self._validated = None
            self._ledger.note("in_corpus", [c.key for c in self.state.history if c.key in self.engine.excluded])

    def is_loaded(self, part: Literal["corpus", "seeds", "engine"]) -> bool:
        """Return whether a part of the run is in memory; it is loaded, or trained, on first use."""
        return part in self.__dict__

    def recorded(self, name: str) -> Any:
        """Return what the run recorded of itself under a name, e.g. `model_card`; None where it did not."""
        return self._ledger.meta(name)

    def latent_space_warnings(self) -> list[str]:
        """Return what a user must know of the latent space that the run started with; empty where nothing is wrong."""
        return warn_of_reconstruction(self._ledger.meta("model_card") or {})

    # Inside.

    def _started(self, n_seeds: int | None = None) -> State[D]:
        """Return the state; select the seed designs of a new run."""
        state = self.state
        if not state.records:
            state = start(self.engine, self._seed_batch(n_seeds), self._ledger, state=state)
        return state

    def _seed_batch(self, n_seeds: int | None = None) -> BatchSelected[D]:
        engine = steer_engine(self.engine, self.state)
        added = self.state.history
        n_measured = sum(c.status == "measured" for c in added)
        if n_seeds is not None and n_measured < engine.campaign.seeding.n_seeds:
            seeding = replace(engine.campaign.seeding, n_seeds=n_seeds + n_measured)
            engine = replace(engine, campaign=replace(engine.campaign, seeding=seeding))
        return initialize(engine, self.corpus, seeds=self.seeds, added=added)

    def _continue(self, state: State[D]) -> State[D]:
        """End a round whose outcomes are all known, and fine-tune where that is due."""
        if state.pending:
            state = close_round(self.engine, state, self._ledger)
        engine, state = finetune_if_due(self.engine, state, self._ledger)
        self.engine = engine
        return state

    def _addition_events(self, added: Sequence[Added[D]]) -> list[DesignsAdded[D] | OutcomeRecorded[D]]:
        """Return the events of designs that were not suggested: the designs with their first outcome, then repeats."""
        if not added:
            return []
        first = add_designs(
            self.engine,
            [item.design for item in added],
            [item.outcomes[0] for item in added],
            [item.name for item in added],
        )
        return [
            first,
            *(OutcomeRecorded(item.key, outcome, "repeat") for item in added for outcome in item.outcomes[1:]),
        ]

    def _record(self, *events: DesignsAdded[D] | OutcomeRecorded[D]) -> None:
        """Record outcomes in one write, and end the round with the last of them."""
        self._ledger.record(*events)
        if not self.state.open and self.state.pending:
            close_round(self.engine, self.state, self._ledger)

    def _recorded_anomalies(self) -> dict[str, float]:
        """Return the recorded p-values of the audit by key; those of an earlier latent space are left out."""
        by_latent_space = self._ledger.meta("anomaly_p") or {}
        return dict(by_latent_space.get(self.latent_space_sha256(), {}))

    def _outcome(self, value: Value) -> Outcome:
        return to_outcome(value, len(self.current.objectives))

    def _load(self, loader: Any) -> Corpus[D] | None:
        if loader is None:
            return None
        options = {
            "cache": self.resources.cache,
            "progress": self.resources.progress,
            "domain": self.campaign.domain,
        }
        return cast("Corpus[D]", bind(loader, options)())

    def _write_rejected(self, corpus: Corpus[D], name: str) -> None:
        log_usage(corpus)
        if not corpus.rejected:
            return
        fields = ("row", "text", "reason", "remedy")
        path = self.folder / name
        write_table({f: [getattr(r, f) for r in corpus.rejected] for f in fields}, path)
        n_rejected = sum(not rejection.is_kept for rejection in corpus.rejected)
        n_kept = len(corpus.rejected) - n_rejected
        noted = f" and {n_kept:,} kept with a note" if n_kept else ""
        logger.warning("%s rows of %s were rejected%s: %s", f"{n_rejected:,}", corpus.name, noted, path)

    def _identity(self) -> dict[str, Any]:
        """Return what a resumed run must have in common with the run that it continues."""
        described = {"objectives": [o.name for o in self.campaign.objectives], "seed": self.campaign.seed}
        return {
            "config": self.config.config or described,
            "version": __version__,
            "corpus_sha256": self.corpus.sha256 if self.corpus else "",
            "seeds_sha256": self.seeds.sha256 if self.seeds else "",
        }

    def _check_latent_space(self, sha256: str, *, is_finetuned: bool) -> None:
        """Check that a run continues in the latent space that it started with; record it where the run is new.

        Raises:
            InvdesignError: It is another one, and changes were not accepted.
        """
        if is_finetuned or not sha256:
            return
        before = self._ledger.meta("latent_space_sha256")
        if before == sha256:
            return
        if before is not None:
            if not self._accept_changes:
                raise InvdesignError(
                    f"{self.folder}: expected the latent space that this run started with (sha256 {before[:12]}), got "
                    f"another one ({sha256[:12]}), in which its designs lie elsewhere. Restore the model, start a new "
                    "run, or accept the change with --accept-changes (it is recorded)"
                )
            self.changes.append(f"latent space: {before[:12]} -> {sha256[:12]}")
        self._ledger.note("latent_space_sha256", sha256)

    def _note_usage(self) -> None:
        """Record what became of the measured values of the corpus and the seed designs."""
        given = {"corpus": self.corpus, "seeds": self.seeds}
        usage = {name: to_plain(source.usage) for name, source in given.items() if source is not None and source.usage}
        if usage != (self._ledger.meta("measured_values") or {}):
            self._ledger.note("measured_values", usage)

    def _in_corpus(self) -> Container[str]:
        if self.is_loaded("engine"):
            return self.engine.excluded
        return frozenset(self._ledger.meta("in_corpus") or ())

    def _measure_baseline(self, executor: MakeExecutor) -> None:
        """Measure the random search, or copy that of a run that differs only in what it does not depend on."""

        def measure() -> None:
            engine = replace(self.engine, campaign=self.current)
            run_baseline(self.folder, engine, self.state, executor, self.resources.progress)

        folder, key = self.resources.baselines, baseline_key(self.config.config)
        if folder is None or not key:
            measure()
        else:
            own = self.folder / folders.BASELINE
            check = partial(baseline_history, self.folder, self.current.domain)
            share(folder, key, own, measure, check, self.resources.progress)
