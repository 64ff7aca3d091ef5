"""The random search beside a run: draws from the aggregate posterior at the same budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from invdesign.campaign import BatchSelected, Campaign, Engine, RoundRecord, State, run, start
from invdesign.core import B, Candidate, D, DesignSpace, MakeExecutor, Progress, round_seed
from invdesign.ledger import Ledger
from invdesign.runs import folders
from invdesign.search.search import Search


def random_search(campaign: Campaign[D, B]) -> Campaign[D, B]:
    """Return a campaign that measures draws from the aggregate posterior, with another seed."""
    return replace(
        campaign,
        search=Search(acquire=None, trust_region=None, oversample=20),
        # Mutations of the best measured designs would make it a genetic algorithm.
        mutations=None,
        finetuning=replace(campaign.finetuning, finetune=None),
        seed=round_seed(campaign.seed, 0, "baseline") % 2**31,
        name=f"{campaign.name} (random)",
    )


def run_baseline(
    folder: Path, engine: Engine[D, B], state: State[D], executor: MakeExecutor, progress: Progress
) -> None:
    """Measure the random search of a run, or continue it; the seed designs are not measured again.

    Args:
        folder: Folder of the run, which keeps its ledger.
        engine: The campaign bound to its latent space.
        state: State of the run, for its seed designs.
        executor: Opens the place where the oracle runs.
        progress: Called with `(stage, done, total)`.
    """
    campaign = random_search(engine.campaign)
    engine = replace(engine, campaign=campaign)

    def report_progress(stage: str, done: int, total: int) -> None:
        progress(f"baseline: {stage}", done, total)

    with Ledger.open(folder / folders.BASELINE, campaign.domain) as ledger:
        known = ledger.state()
        if not known.records:
            seeds = tuple(c for c in state.history if c.round == 0)
            known = start(engine, BatchSelected(seeds, RoundRecord(0)), ledger)
        calls = folder / folders.BASELINE_CALLS
        run(engine, known, executor=executor, recorder=ledger, folder=calls, progress=report_progress)


def baseline_history(folder: Path, domain: DesignSpace[D]) -> Sequence[Candidate[D]]:
    """Return the designs of the random search of a run, seed designs included; empty where there is none."""
    path = folder / folders.BASELINE
    if not path.is_file():
        return ()
    with Ledger.open(path, domain, read_only=True) as ledger:
        return ledger.state().history
