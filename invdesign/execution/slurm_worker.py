"""The worker of `slurm_array`: measures the designs of one job of an array, and writes each outcome at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from invdesign.core import Call, InvdesignError, OracleSetup, Outcome
from invdesign.execution.process_pool import ProcessPool
from invdesign.execution.references import restore
from invdesign.execution.slurm_array import BATCH, RESULTS, write_result

POLL_SECONDS = 60.0


def work(folder: Path, index: int) -> None:
    """Measure the designs of one job that have no result yet.

    Args:
        folder: Folder of the batch.
        index: Number of the job in the array.
    """
    batch = json.loads((folder / BATCH).read_text(encoding="utf-8"))
    sys.path += [entry for entry in batch["path"] if entry not in sys.path]
    left = {
        call: text for call, text in batch["chunks"][index].items() if not (folder / RESULTS / f"{call}.json").is_file()
    }
    if not left:
        return
    try:
        _measure(folder, batch, left)
    except InvdesignError as error:
        # The oracle cannot be loaded, or returns rows of another width: no design of this job will ever get its values.
        values = (float("nan"),) * (batch["n_outputs"] or 0)
        for call in left:
            write_result(folder / RESULTS / f"{call}.json", Outcome(values, "failed", str(error)))


def _measure(folder: Path, batch: Mapping[str, Any], left: dict[str, str]) -> None:
    domain = restore(batch["domain"])
    setup = OracleSetup(restore(batch["oracle"]), batch["n_outputs"])
    calls = [Call(call, domain.from_text(text)) for call, text in left.items()]
    with closing(
        ProcessPool(setup, workers=1, timeout=batch["timeout"], allow_partial=batch["allow_partial"])
    ) as executor:
        for call in calls:
            # One at a time: the next call starts only when this outcome is on disk, so preemption repeats at most one.
            executor.submit([call])
            while call.id in left:
                for finished, outcome in executor.poll(POLL_SECONDS):
                    write_result(folder / RESULTS / f"{finished}.json", outcome)
                    del left[finished]


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(os.environ["SLURM_ARRAY_TASK_ID"]))
