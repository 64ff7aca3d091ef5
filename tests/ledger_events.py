"""Events of a campaign of words, for tests of the ledger, and the ledger that the golden files hold.

`PYTHONPATH=tests python tests/ledger_events.py FILE` writes it. A new version of the ledger adds its file as
`tests/ledger/golden/version-N.sqlite`; the earlier ones are never written again.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import reduce
from pathlib import Path
from types import SimpleNamespace

import torch

from invdesign.campaign import (
    BatchSelected,
    CallsLeased,
    CallsReleased,
    Funnel,
    OutcomeRecorded,
    Region,
    Retrained,
    RoundEnded,
    RoundRecord,
    State,
    apply,
)
from invdesign.core import Candidate, Check, Outcome
from invdesign.ledger import Ledger
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import SurrogateReport

WORDS = SimpleNamespace(name="words", to_text=lambda design: design, from_text=lambda text: text, key=lambda d: d)


def candidate(word: str, **known) -> Candidate[str]:
    torch.manual_seed(len(word))
    return Candidate(word, word.upper(), torch.randn(3, dtype=torch.float64), **known)


def batch(*words: str) -> BatchSelected[str]:
    """Return a round with three pending designs."""
    pending = tuple(
        candidate(
            word,
            round=1,
            origin="sobol",
            parents=("SEED",),
            region=1,
            mean=(0.1, 1 / 3),
            sd=(math.inf, 0.2),
            acquisition=-0.5,
            checks=(Check("length", True, "4 <= 10"), Check("novel", False, "known")),
        )
        for word in words or ("alpha", "beta", "γ-end")
    )
    record = RoundRecord(
        1,
        funnel=Funnel(100, 90, 80, 70, 60, 3),
        fallback_level="jitter",
        surrogate=SurrogateReport("leave-one-out", 2, (0.5, math.nan), (0.1, 0.1)),
        seconds={"fit": 0.25},
        notes=("an outlier: SEED",),
    )
    return BatchSelected(pending, record)


SEEDS: BatchSelected[str] = BatchSelected(
    (
        candidate("seed", y=(1.5, math.nan), status="measured", log_density=-3.25, percentile=12.5),
        candidate("sad", y=(math.nan, math.nan), status="failed", reason="ValueError: no"),
    ),
    RoundRecord(0),
)
REGIONS = (Region(replace(TrustRegion(), length=0.4), "SEED", 0, n_failures=2), Region(TrustRegion(), "SAD", 1))
FIRST_END = RoundEnded(REGIONS, RoundRecord(0, best=math.nan, lengths=(0.4, 0.8), is_improved=()))
EVENTS = (SEEDS, FIRST_END, batch())
STATE: State[str] = reduce(apply, EVENTS, State())
LEASES = (
    CallsLeased((("C00001", "ALPHA"), ("C00002", "BETA"), ("C00003", "Γ-END")), "process_pool"),
    CallsReleased(("BETA", "Γ-END"), "its process ended"),
    CallsLeased((("C00004", "BETA"),), "slurm_array"),
)
"""Events of ledgers from version 4 on."""
LATER = (
    OutcomeRecorded("ALPHA", Outcome((100.0, 1 / 3), seconds=0.25)),
    OutcomeRecorded("ALPHA", Outcome((1.0, 0.5)), "correction", "wrong dilution"),
    OutcomeRecorded("ALPHA", Outcome((2.0, math.nan)), "repeat"),
    OutcomeRecorded(
        "BETA",
        Outcome((3.0, 4.0)),
        "substitute",
        "made instead",
        candidate("betamax", round=1, origin="substitute", parents=("BETA",)),
    ),
    OutcomeRecorded("Γ-END", Outcome((math.nan, math.nan), "failed", "insoluble"), "abandoned", "insoluble"),
    RoundEnded(REGIONS, RoundRecord(1, n_measured=2, n_failed=1, best=3.0)),
    Retrained({c.key: (c.z + 1, -1.0, 50.0) for c in STATE.history}, "latent-space-round-0001"),
)


def golden_state(version: int) -> State[str]:
    """Return the state that the golden ledger of a version describes."""
    return reduce(apply, (*EVENTS, *(LEASES if version >= 4 else ()), *LATER), State())


def main(path: Path) -> None:
    """Write the ledger."""
    names = ("activity", "selectivity")
    with Ledger.open(path, WORDS, objectives=names, save_latent_space=lambda _, folder: folder.mkdir()) as ledger:
        for event in (*EVENTS, *LEASES, *LATER):
            if isinstance(event, Retrained):
                ledger.on_retrain(replace(event, folder=""), None)
            else:
                ledger.record(event)
        ledger.note("versions", {"written by": "a golden file"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
