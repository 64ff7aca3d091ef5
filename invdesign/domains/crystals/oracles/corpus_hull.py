"""Energy above a convex hull that contains a corpus; all energies come from the same method."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from invdesign.core import Array, Corpus, InvdesignError, Oracle, ValueSource
from invdesign.core.capabilities import prepare_oracle, prepare_with, stating, value_sources
from invdesign.domains.crystals.crystal import Crystal, to_text
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.oracles.computed import energy_above_hull
from invdesign.io.atomic import write_bytes
from invdesign.io.locks import hold

logger = logging.getLogger(__name__)
CHUNK = 500
"""Crystals whose energies are computed before they are written."""
_TABLES: dict[str, Path] = {}
"""Tables of this process by corpus and energy."""
COLUMNS = "formula,energy_per_atom"
LoadCorpus = Callable[[], Corpus[Crystal]]


def hull_references(corpus: LoadCorpus, *, energy: Oracle, cache: Path | None = None) -> Path:
    """Return a table of the energies of a corpus, the references of `computed.energy_above_hull`.

    The energies are computed once for each corpus and energy, and kept in the cache; a computation that was stopped
    continues. Of each formula the lowest energy is kept. Where `energy` is CHGNet's, 7,577 compounds of mp_20 and 84
    elements, whose energies ship with the package, are phases too; for other methods the corpus has to contain every
    element.

    All other phases are missing in the hull, so that energies above it are too low.

    Args:
        corpus: Loads the corpus, e.g. `${corpus}`.
        energy: Oracle of the energy [eV/atom].
        cache: Folder of the table; by default `hulls` in the user's cache.

    Raises:
        InvdesignError: The corpus has no energy, or the folder cannot be written.
    """
    designs = corpus()
    folder = cache or platformdirs.user_cache_path("invdesign") / "hulls"
    path = folder / f"{_name(designs, energy)}.csv"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvdesignError(f"{folder}: cannot be made ({error.strerror}). Choose another cache") from error
    with hold(path.with_suffix(".lock")):
        if not path.is_file():
            _write_table(designs, energy, path)
    return path


def _references(corpus: LoadCorpus, energy: Oracle) -> Path:
    """Return the table of `hull_references`; this process loads the corpus once, although loaders come pickled."""
    key = json.dumps([_describe(corpus), _describe(energy)], sort_keys=True, default=str)
    if not _TABLES.get(key, Path()).is_file():
        _TABLES[key] = hull_references(corpus, energy=energy)
    return _TABLES[key]


def _prepare(*, corpus: LoadCorpus, energy: Oracle, reference_energy: Oracle | None = None) -> None:
    prepare_oracle(energy)
    _references(corpus, reference_energy or energy)


def _source(*, corpus: LoadCorpus, energy: Oracle, reference_energy: Oracle | None = None) -> ValueSource:
    """Return the source of the energies, with the phases of the hull: others are missing."""
    source = value_sources(energy, 1)[0]
    n_phases = len(_references(corpus, reference_energy or energy).read_text("utf-8").splitlines()) - 1
    return replace(source, method=f"{source.method}, hull of {n_phases:,} known formulas alone")


@stating(_source)
@prepare_with(_prepare)
def energy_above_corpus_hull(
    designs: Sequence[Crystal], *, corpus: LoadCorpus, energy: Oracle, reference_energy: Oracle | None = None
) -> Array:
    """Compute the energy above the convex hull of a corpus; it is negative for a new phase below the hull.

    The table of the corpus is computed before a campaign starts, or at the first call: some minutes for 10,000 crystals
    with CHGNet.

    Args:
        designs: `n` crystals.
        corpus: Loads the corpus, e.g. `${corpus}`.
        energy: Oracle of the energy of a design [eV/atom], such as `mlip.relaxed_energy`.
        reference_energy: Oracle of the energies of the corpus, by the same method; default: `energy`. For a corpus of
            relaxed crystals the energy without relaxation differs little, and takes a hundredth of the time.

    Returns:
        `n` energies [eV/atom]; NaN if a design cannot be computed, or an element has no energy.

    Raises:
        InvdesignError: The corpus has no energy, or the cache cannot be written.
    """
    references = _references(corpus, reference_energy or energy)
    return energy_above_hull(designs, references=references, energy=energy)


def _describe(function: Callable[..., Any]) -> list[Any]:
    """Return the name and the settings of a function; of another callable what it says of itself."""
    plain = getattr(function, "func", function)
    name = f"{plain.__module__}.{plain.__qualname__}" if hasattr(plain, "__qualname__") else repr(plain)
    settings = {key: value for key, value in getattr(function, "keywords", {}).items() if key != "device"}
    return [name, settings]


def _name(corpus: Corpus[Crystal], energy: Oracle) -> str:
    """Return a name for a table by all that decides it: the corpus, the oracle with its settings, the other phases."""
    keys = corpus.sha256 or hashlib.sha256("\n".join(map(to_text, corpus.designs)).encode()).hexdigest()
    content = [keys, *_describe(energy), sorted(_shipped_phases(energy).items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _write_table(corpus: Corpus[Crystal], energy: Oracle, path: Path) -> None:
    """Compute the energies of a corpus in chunks, and write the lowest of each formula."""
    unfinished = path.with_suffix(".partial.csv")
    done = _read_unfinished(unfinished)
    for start in range(len(done), len(corpus), CHUNK):
        logger.warning("energies of the hull: %s of %s", f"{start:,}", f"{len(corpus):,}")
        part = corpus.designs[start : start + CHUNK]
        done += [(design.formula, float(e)) for design, e in zip(part, energy(part), strict=True)]
        write_bytes(unfinished, "".join(f"{formula},{e!r}\n" for formula, e in done).encode())
    if not any(math.isfinite(e) for _, e in done):
        raise InvdesignError(
            f"hull: expected energies of the {len(corpus):,} crystals of {corpus.name}, got none. Use another energy"
        )
    phases = _shipped_phases(energy)
    for formula, e in done:
        if math.isfinite(e):
            phases[formula] = min(e, phases.get(formula, math.inf))
    rows = "".join(f"{formula},{e:.6f}\n" for formula, e in sorted(phases.items()))
    write_bytes(path, f"{COLUMNS}\n{rows}".encode())
    unfinished.unlink(missing_ok=True)


def _read_unfinished(path: Path) -> list[tuple[str, float]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(formula, float(e)) for formula, e in csv.reader(file)]


def _shipped_phases(energy: Oracle) -> dict[str, float]:
    """Return the energies of phases that ship with the package [eV/atom]; nothing for other methods."""
    if not mlip.has_shipped_energies(energy):
        return {}
    with mlip.PHASES.open(newline="", encoding="utf-8") as file:
        return {row["formula"]: float(row["energy_per_atom"]) for row in csv.DictReader(file)}
