"""Candidate lists for people who make things: a table, the domain's own files, and a manifest of their origin."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invdesign.core import B, Candidate, D, Deliver, Domain, InvdesignError, Objective
from invdesign.export.provenance import provenance
from invdesign.io.atomic import sha256_of, write_atomically
from invdesign.io.json_values import to_plain
from invdesign.io.tables import write_table

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Exported:
    """What an export wrote, and what could not be written and why.

    Args:
        files: its own, the table first and the manifest last.
        warnings: formats that failed.
        folders: those of the deliverables; the manifest names their files.
        failures: deliverables that failed.
    """

    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    failures: tuple[str, ...] = ()


def export(
    candidates: Sequence[Candidate[D]],
    domain: Domain[D, B],
    objectives: Sequence[Objective],
    folder: Path,
    *,
    name: str = "candidates",
    history: Sequence[Candidate[D]] = (),
    run: Mapping[str, Any] | None = None,
    formats: Sequence[str] | None = None,
    deliverables: Mapping[str, Deliver] | None = None,
) -> Exported:
    """Write a shortlist as a table and in every format of its domain, then its deliverables, with a manifest.

    Each file is whole or absent. A format or a deliverable that fails is left out and named; the table is always
    written. Files that an earlier export delivered and this one does not are removed, unless they were changed.

    Args:
        candidates: best first; their place in this order is their id.
        domain: writes its own formats and identifies designs.
        objectives: `m`, with their units.
        folder: made where it does not exist.
        name: of the files.
        history: every evaluated design, for a second table `evaluated.csv`; none is written where empty.
        run: what is known of the run, for the manifest: config, seed, command, checksums of data and model.
        formats: suffixes to write instead of all those of the domain.
        deliverables: write further files, each into a folder of its name; none is called on an empty shortlist.

    Raises:
        InvdesignError: the folder cannot be written.
    """
    folder = Path(folder)
    former = _delivered_before(folder)
    columns = table(candidates, domain, objectives, name=name)
    files = [write_table(columns, folder / f"{name}.csv")]
    warnings: list[str] = []
    for suffix in domain.formats if formats is None else formats:
        if suffix == ".csv" or not candidates:
            continue
        named = {heading: cells for heading, cells in columns.items() if heading != "design"}
        designs = [c.design for c in candidates]
        try:
            path = write_atomically(folder / f"{name}{suffix}", lambda p: domain.write(designs, p, columns=named))  # noqa: B023
        except Exception as error:  # a domain is a plug-in, and the other formats are of use without this one
            warnings.append(f"{name}{suffix} was not written: {type(error).__name__}: {error}")
        else:
            files.append(path)
    if history:
        files.append(write_table(table(history, domain, objectives), folder / "evaluated.csv"))
    delivered: dict[Path, list[Path]] = {}
    failures: list[str] = []
    for heading, deliver in (deliverables or {}).items() if candidates else ():
        try:
            delivered[folder / heading] = _deliver(deliver, candidates, folder / heading)
        except InvdesignError as error:
            failures.append(f"{heading}: {error}")
        except Exception as error:  # a deliverable is a plug-in, and all else is of use without it
            failures.append(f"{heading}: {type(error).__name__}: {error}")
    more = [path for paths in delivered.values() for path in paths]
    _remove_stale(folder, former, more)
    about = {
        **provenance(),
        "objectives": to_plain(list(objectives)),
        "run": to_plain(run or {}),
        "n_candidates": len(candidates),
        "warnings": warnings,
        "failures": failures,
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            for path in (*files, *more)
        },
    }
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files.append(write_atomically(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8")))
    return Exported(tuple(files), tuple(warnings), tuple(delivered), tuple(failures))


def table(
    candidates: Sequence[Candidate[D]],
    domain: Domain[D, B],
    objectives: Sequence[Objective],
    *,
    name: str = "candidate",
) -> dict[str, list[Any]]:
    """The columns of a candidate list, by heading; units stand in the headings.

    Args:
        candidates: one row each.
        domain: identifies designs.
        objectives: `m`, with their units.
        name: ids are this name and the row's number.
    """
    width = len(str(max(len(candidates), 100)))
    columns: dict[str, list[Any]] = {
        "id": [f"{name}-{i + 1:0{width}d}" for i in range(len(candidates))],
        "design": [domain.to_text(c.design) for c in candidates],
    }
    for heading, cells in domain.describe([c.design for c in candidates]).items():
        columns.setdefault(heading, list(cells))
    for j, objective in enumerate(objectives):
        unit = f" [{objective.unit}]" if objective.unit else ""
        columns[f"measured {objective.name}{unit}"] = [_at(c.y, j) for c in candidates]
        columns[f"predicted {objective.name}{unit}"] = [_at(c.mean, j) for c in candidates]
        columns[f"sd of predicted {objective.name}{unit}"] = [_at(c.sd, j) for c in candidates]
    columns |= {
        "status": [c.status for c in candidates],
        "reason": [c.reason for c in candidates],
        "density percentile [%]": [c.percentile for c in candidates],
        "log density": [c.log_density for c in candidates],
        "round": [c.round for c in candidates],
        "origin": [c.origin for c in candidates],
        "region": [c.region for c in candidates],
        "parents": ["; ".join(c.parents) for c in candidates],
        "acquisition": [c.acquisition for c in candidates],
        "all checks passed": ["yes" if c.is_valid else "no" for c in candidates],
    }
    for check in dict.fromkeys(check.name for c in candidates for check in c.checks):
        found = [{k.name: k for k in c.checks}.get(check) for c in candidates]
        columns[f"check {check}"] = ["" if k is None else "passed" if k.passed else "failed" for k in found]
        columns[f"detail of {check}"] = ["" if k is None else k.detail for k in found]
    return columns


def _deliver(deliver: Deliver, candidates: Sequence[Candidate[Any]], folder: Path) -> list[Path]:
    """Let a deliverable write beside its folder, then put the files that it answers into it.

    What else lies in the folder stays: people work where they find their inputs.

    Raises:
        InvdesignError: it answers something else than files that it wrote, or they cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        root = Path(beside).resolve()
        answer = deliver(candidates, root)
        if not isinstance(answer, Sequence) or isinstance(answer, str):
            raise InvdesignError(f"expected the list of the files that it wrote, got {answer!r}")
        made = [(root / path).resolve() for path in answer]
        for path in made:
            if not path.is_relative_to(root) or not path.is_file():
                raise InvdesignError(f"it answers {path.name!r}, which is no file in the folder that it was given")
        return [
            write_atomically(folder / path.relative_to(root), lambda place: shutil.copyfile(path, place))  # noqa: B023
            for path in made
        ]


def _delivered_before(folder: Path) -> dict[str, str]:
    """Checksums of the files in folders of their own that an earlier export left, by their names in its manifest."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(name): str(about["sha256"]) for name, about in said.items() if "/" in name}
    return {}


def _remove_stale(folder: Path, former: Mapping[str, str], written: Sequence[Path]) -> None:
    """Remove what belongs to candidates that are no longer listed; what somebody changed is left alone."""
    kept = {path.resolve() for path in written}
    for name, sha256 in former.items():
        path = (folder / name).resolve()
        if path in kept or not path.is_relative_to(folder.resolve()) or not path.is_file() or sha256_of(path) != sha256:
            continue
        path.unlink()
        with contextlib.suppress(OSError):  # it holds something else
            path.parent.rmdir()


def _at(values: Sequence[float], j: int) -> float | None:
    return float(values[j]) if j < len(values) else None
