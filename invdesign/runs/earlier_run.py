"""Measurements of an earlier run: what a new campaign starts from, or reads as another assay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Candidate, Corpus, InvdesignError, first_occurrences
from invdesign.ledger import Ledger
from invdesign.runs import folders


def measurements(path: str | Path, *, domain: Any, properties: Mapping[str, str] | None = None) -> Corpus[Any]:
    """Return the designs that a run measured, with values, standard errors and bounds.

    Args:
        path: Folder of the run, or of a campaign (its newest run).
        domain: Reads the designs; that of the new campaign is given to it.
        properties: Properties to take: name -> name in the run; by default all, under their own names.

    Raises:
        InvdesignError: There is no run, it is one of another kind of designs, or it has no such property.
    """
    folder = folders.existing(Path(path)).path
    with Ledger.open(folder / folders.LEDGER, domain, read_only=True) as ledger:
        names = ledger.property_names()
        measured: list[Candidate[Any]] = [c for c in ledger.state().evaluated if c.status == "measured"]
    if not measured:
        raise InvdesignError(f"{folder}: expected a run with measurements, got none. Choose another run")
    taken = properties or {name: name for name in names}
    missing = [name for name in taken.values() if name not in names]
    if missing:
        raise InvdesignError(
            f"{folder}: expected a property that the run measured ({', '.join(names)}), got {missing[0]!r}. Correct "
            "properties: {NAME: NAME_IN_THE_RUN}"
        )
    measured = [measured[row] for row in first_occurrences(c.key for c in measured)]

    def column(field: str, name: str, unknown: float) -> Any:
        j = names.index(name)
        values = [getattr(c, field) for c in measured]
        return np.array([float(v[j]) if j < len(v) else unknown for v in values])

    return Corpus(
        tuple(c.design for c in measured),
        properties={new: column("y", old, math.nan) for new, old in taken.items()},
        errors={new: column("error", old, math.nan) for new, old in taken.items()},
        bounds={new: column("bound", old, 0.0) for new, old in taken.items()},
        names=tuple(c.name for c in measured),
        name=folder.name,
        sha256=ledger.checksum,
    )
