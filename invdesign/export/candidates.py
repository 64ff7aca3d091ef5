"""Export of candidates: a table, files in the domain's formats, deliverables, and a manifest of their provenance."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invdesign.core import Candidate, D, Deliver, DesignSpace, InvdesignError, Objective
from invdesign.export.provenance import provenance
from invdesign.export.result_table import Columns, candidate_table
from invdesign.io.atomic import sha256_of, unfinished_prefix, write_atomically
from invdesign.io.design_files import formats, write_designs
from invdesign.io.json_values import to_plain
from invdesign.io.tables import write_table

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Exported:
    """Files of an export, and what could not be written and why."""

    files: tuple[Path, ...]
    """Tables and files in the domain's formats: the table of the candidates first, the manifest last."""
    warnings: tuple[str, ...] = ()
    """Formats that failed, with the reason."""
    folders: tuple[Path, ...] = ()
    """Folders of the deliverables; the manifest names their files."""
    failures: tuple[str, ...] = ()
    """Deliverables that failed, with the reason."""


def export(
    candidates: Sequence[Candidate[D]],
    domain: DesignSpace[D],
    objectives: Sequence[Objective],
    folder: Path,
    *,
    name: str = "candidates",
    history: Sequence[Candidate[D]] = (),
    run: Mapping[str, Any] | None = None,
    deliverables: Mapping[str, Deliver] | None = None,
) -> Exported:
    """Write a shortlist as a table and in every format of its domain, then its deliverables, with a manifest.

    Each file is complete or absent. A format or a deliverable that fails is left out and named in the result; the
    table is always written. Files that an earlier export wrote into the folder of a deliverable and this one does not
    are removed, unless their content changed.

    Args:
        candidates: Candidates, best first; their position in this order is their identifier.
        domain: Writes its own formats and identifies designs.
        objectives: `m` objectives with their units.
        folder: Folder of the files; created if it does not exist.
        name: Name of the files, without suffix.
        history: Every evaluated design, for a second table `evaluated.csv`; not written if empty.
        run: Description of the run for the manifest: config, seed, command, checksums of data and model.
        deliverables: Functions that write further files, each into a folder of its name; none is called on an empty
            shortlist.

    Returns:
        The written files, and the formats and deliverables that failed.

    Raises:
        InvdesignError: The folder cannot be written.

    Example:
        >>> import tempfile
        >>> from types import SimpleNamespace
        >>> import torch
        >>> domain = SimpleNamespace(to_text=str)
        >>> peptide = Candidate("MKV", "MKV", torch.zeros(2), y=(0.5,), status="measured")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     exported = export([peptide], domain, [Objective("stability")], Path(folder))
        >>> [file.name for file in exported.files]
        ['candidates.csv', 'manifest.json']
    """
    folder = Path(folder)
    earlier = _read_delivered(folder)
    columns = candidate_table(candidates, domain, objectives, name=name)
    files = [write_table(columns, folder / f"{name}.csv")]
    more, warnings = write_formats(candidates, domain, columns, folder / name)
    files += more
    if history:
        evaluated = candidate_table(history, domain, objectives, is_described=False)
        files.append(write_table(evaluated, folder / "evaluated.csv"))
    delivered, failures = write_deliverables(candidates, folder, deliverables or {})
    delivered_files = [path for paths in delivered.values() for path in paths]
    _remove_stale(folder, earlier, delivered_files)
    manifest = {
        **provenance(),
        "objectives": to_plain(list(objectives)),
        "run": to_plain(run or {}),
        "n_candidates": len(candidates),
        "warnings": warnings,
        "failures": failures,
        "files": _describe_files(folder, [*files, *delivered_files]),
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files.append(write_atomically(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8")))
    return Exported(tuple(files), tuple(warnings), tuple(delivered), tuple(failures))


def write_formats(
    candidates: Sequence[Candidate[D]], domain: DesignSpace[D], columns: Columns, stem: Path
) -> tuple[list[Path], list[str]]:
    """Write the candidates in the domain's own formats.

    Args:
        candidates: Candidates; nothing is written if there is none.
        domain: Writes its formats.
        columns: Columns of the candidates' table, for formats that can hold them.
        stem: Path of the files without suffix.

    Returns:
        Files, and a warning per format that failed.
    """
    if not candidates:
        return [], []
    files: list[Path] = []
    warnings: list[str] = []
    designs = [c.design for c in candidates]
    properties = {heading: cells for heading, cells in columns.items() if heading != "design"}
    if "name" in columns:
        properties["id"] = [f"{i} {name}".strip() for i, name in zip(columns["id"], columns["name"], strict=True)]

    def write(path: Path) -> None:
        write_designs(domain, designs, path, columns=properties)

    for suffix in formats(domain):
        if suffix == ".csv":  # the table is written in any case
            continue
        path = stem.with_name(stem.name + suffix)
        try:
            files.append(write_atomically(path, write))
        except Exception as error:  # a domain is a plug-in, and the other formats are of use without this one
            warnings.append(f"{path.name} was not written: {type(error).__name__}: {error}")
    return files, warnings


def write_deliverables(
    candidates: Sequence[Candidate[D]], folder: Path, deliverables: Mapping[str, Deliver]
) -> tuple[dict[Path, list[Path]], list[str]]:
    """Write every deliverable into a folder of its name.

    Args:
        candidates: Candidates; no deliverable is called if there is none.
        folder: Folder of these folders.
        deliverables: Functions by name.

    Returns:
        Files by folder, and a message per deliverable that failed.
    """
    files: dict[Path, list[Path]] = {}
    failures: list[str] = []
    if not candidates:
        return files, failures
    for name, deliver in deliverables.items():
        try:
            files[folder / name] = _deliver(deliver, candidates, folder / name)
        except InvdesignError as error:
            failures.append(f"{name}: {error}")
        except Exception as error:  # a deliverable is a plug-in, and the other files are of use without it
            failures.append(f"{name}: {type(error).__name__}: {error}")
    return files, failures


def _deliver(deliver: Deliver, candidates: Sequence[Candidate[Any]], folder: Path) -> list[Path]:
    """Call a deliverable on a temporary folder, then move the files that it returned into `folder`.

    Other files in `folder` remain: people work where they find their inputs.

    Raises:
        InvdesignError: The deliverable returned something other than files that it wrote, or they cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{unfinished_prefix()}{folder.name}-", dir=folder.parent) as temporary:
        root = Path(temporary).resolve()
        returned = deliver(candidates, root)
        if not isinstance(returned, Sequence) or isinstance(returned, str):
            raise InvdesignError(f"expected a list of the files that the deliverable wrote, got {returned!r}")
        written = [(root / path).resolve() for path in returned]
        for path in written:
            if not path.is_relative_to(root) or not path.is_file():
                raise InvdesignError(f"expected files in the folder that the deliverable was given, got {path.name!r}")
        return [_copy(path, folder / path.relative_to(root)) for path in written]


def _copy(source: Path, target: Path) -> Path:
    return write_atomically(target, lambda path: shutil.copyfile(source, path))


def _describe_files(folder: Path, files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return checksum and size [bytes] of files, by their path relative to `folder`."""
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in files
    }


def _read_delivered(folder: Path) -> dict[str, str]:
    """Return the checksums of an earlier export's deliverables, by their paths in its manifest; empty without one."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(path): str(about["sha256"]) for path, about in files.items() if "/" in path}
    return {}


def _remove_stale(folder: Path, earlier: Mapping[str, str], written: Sequence[Path]) -> None:
    """Remove deliverables of candidates that are no longer listed.

    Args:
        folder: Folder of the export; files outside it are never removed.
        earlier: Checksums of the earlier files by path; a file whose content changed since remains.
        written: Files of this export.
    """
    current = {path.resolve() for path in written}
    for name, sha256 in earlier.items():
        path = (folder / name).resolve()
        is_ours = path.is_relative_to(folder.resolve()) and path.is_file() and sha256_of(path) == sha256
        if path in current or not is_ours:
            continue
        path.unlink()
        with contextlib.suppress(OSError):  # the folder contains other files
            path.parent.rmdir()
