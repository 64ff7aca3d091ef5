"""An oracle that is a program: designs are written into a file, and values are read from one.

A configuration that names it needs `--allow invdesign.execution.command`: a program can do anything.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Array, DesignSpace, InvdesignError
from invdesign.core.capabilities import prepare_with
from invdesign.io.design_files import formats, write_designs

ID = "id"
"""Heading of the column that numbers the designs of a call, from 1."""
LOG = "output.log"
MAX_MESSAGE = 300


class CommandError(RuntimeError):
    """A program failed, or its values cannot be read."""


def _find_program(*, command: str | Sequence[str], domain: DesignSpace[Any], input: str = "designs.csv") -> None:
    """Check that the program is there, and that the domain has the format of its input."""
    program = _words(command)[0]
    if "{" not in program and shutil.which(program) is None:
        raise InvdesignError(
            f"command: expected a program that can be run, found no {program!r}. Install it, or give its path"
        )
    suffix = Path(input).suffix
    if suffix != ".csv" and suffix not in formats(domain):
        known = ", ".join(dict.fromkeys((".csv", *formats(domain))))
        raise InvdesignError(f"command: expected an input in a format of {domain.name} ({known}), got {input!r}")


@prepare_with(_find_program)
def run_command(
    designs: Sequence[Any],
    *,
    command: str | Sequence[str],
    domain: DesignSpace[Any],
    input: str = "designs.csv",
    output: str = "values.csv",
    columns: Sequence[str] = (),
    timeout: float | None = None,
    retries: int = 0,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Array:
    """Return the values that a program computes.

    The program runs in a working folder with the file `input`, and writes `output` there: a .csv with one row a design
    (in the same order, or with the column `id` of the input), or a .json with a list of values or rows, or a mapping of
    ids to them. An empty cell, null or a missing id is a design that could not be measured.

    No shell is involved, unless the command is a list that starts with one, e.g. `[sh, -c, "score < designs.csv"]`.

    Args:
        designs: `n` designs.
        command: The program and its arguments; `{input}`, `{output}` and `{folder}` stand for paths. A word that is a
            file in the current folder is given as its full path, since the program runs elsewhere.
        domain: Writes the designs; in a .csv as text, in the columns `id` and `design`.
        input: Name of the file of designs; its suffix is a format of the domain (.smi, .sdf, .cif, .fasta), or .csv.
        output: Name of the file of values, .csv or .json.
        columns: Columns of a .csv (or keys of the rows of a .json) that are the values; all but the id where none is
            named.
        timeout: Time that the program may take [s]; it and its children are killed then.
        retries: How often a program that fails is started again.
        folder: Where working folders are kept, one a call; a temporary one that is removed where it is None.
        environment: Variables of the environment, besides those of this process.

    Returns:
        `n` or `n x m` values.

    Raises:
        CommandError: The program fails, or its values cannot be read.
        TimeoutError: It does not end in time.
    """
    if not designs:
        return np.zeros(0)
    for attempt in range(retries + 1):
        with _working_folder(folder, domain, designs) as place:
            _write(domain, designs, place / input)
            paths = {"input": str(place / input), "output": str(place / output), "folder": str(place)}
            try:
                words = [_fill(word, paths) for word in _words(command)]
                _run(words, place, timeout, {**os.environ, **(environment or {})})
                return read_values(place / output, len(designs), columns)
            except (CommandError, TimeoutError):
                if attempt == retries:
                    raise
    raise AssertionError("unreachable")


def read_values(path: Path, n: int, columns: Sequence[str] = ()) -> Array:
    """Return the values that a program wrote for `n` designs; NaN where there is none.

    Args:
        path: A .csv or .json.
        n: Number of designs; their ids are 1 to n.
        columns: Columns that are the values; all but the id where none is named.

    Raises:
        CommandError: The file is missing, or has other rows than expected.
    """
    if not path.is_file():
        raise CommandError(f"expected the file {path.name}, which the program did not write")
    try:
        text = path.read_text(encoding="utf-8")
        rows = _json_rows(json.loads(text)) if path.suffix == ".json" else _csv_rows(text)
    except ValueError as error:
        raise CommandError(f"{path.name}: cannot be read ({error})") from error
    values = [{key: cell for key, cell in row.items() if key in columns or (not columns and key != ID)} for row in rows]
    ids = [row.get(ID) for row in rows]
    if any(i is None for i in ids):
        if len(rows) != n:
            raise CommandError(f"{path.name}: expected {n} rows, one a design, or a column id, got {len(rows)} rows")
        ids = [str(i + 1) for i in range(n)]
    by_id = dict(zip(map(str, ids), values, strict=True))
    unknown = by_id.keys() - {str(i + 1) for i in range(n)}
    if unknown:
        raise CommandError(f"{path.name}: expected ids from 1 to {n}, got {sorted(unknown)[:3]}")
    names = list(columns) or list(dict.fromkeys(name for row in values for name in row))
    missing = [name for name in names if values and not any(name in row for row in values)]
    if missing or not names:
        raise CommandError(f"{path.name}: expected the column {', '.join(missing) or 'of values'}, got none")
    empty: dict[str, Any] = {}
    return np.array([[_number(by_id.get(str(i + 1), empty).get(name)) for name in names] for i in range(n)])


def _words(command: str | Sequence[str]) -> list[str]:
    """Return a program and its arguments.

    Raises:
        InvdesignError: There are none.
    """
    words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    if not words:
        raise InvdesignError("command: expected a program and its arguments, got nothing. Name one")
    return [str(Path(word).resolve()) if Path(word).is_file() else word for word in words]


def _fill(word: str, paths: Mapping[str, str]) -> str:
    """Return a word with its placeholders replaced; other braces stay."""
    for name, path in paths.items():
        word = word.replace(f"{{{name}}}", path)
    return word


@contextmanager
def _working_folder(folder: Path | None, domain: DesignSpace[Any], designs: Sequence[Any]) -> Iterator[Path]:
    """Provide an empty folder: one that is kept, named by the designs, or a temporary one."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="invdesign-") as name:
            yield Path(name)
        return
    keys = "\n".join(domain.key(design) for design in designs)
    place = Path(folder).resolve() / hashlib.sha256(keys.encode()).hexdigest()[:16]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    yield place


def _write(domain: DesignSpace[Any], designs: Sequence[Any], path: Path) -> None:
    """Write the designs of a call with their ids."""
    ids = [str(i + 1) for i in range(len(designs))]
    if path.suffix != ".csv":
        write_designs(domain, designs, path, columns={ID: ids})
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([ID, "design"])
        writer.writerows(zip(ids, map(domain.to_text, designs), strict=True))


def _run(words: list[str], place: Path, timeout: float | None, environment: Mapping[str, str]) -> None:
    """Run a program to its end; it and its children are killed where it takes too long.

    Raises:
        CommandError: It cannot be started, or fails.
        TimeoutError: It does not end in time.
    """
    with (place / LOG).open("wb") as log:
        try:
            process = subprocess.Popen(
                words,
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandError(f"{words[0]} cannot be started ({error.strerror or error})") from error
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        lines = (place / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise CommandError(f"{words[0]} ended with {end}: {lines[-1][:MAX_MESSAGE] if lines else 'it printed nothing'}")


def _csv_rows(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(text.splitlines()))


def _json_rows(content: Any) -> list[dict[str, Any]]:
    """Return the rows of a list of values, rows or records, or of a mapping of ids to them.

    Raises:
        ValueError: The content has another form.
    """
    if isinstance(content, Mapping):
        return [{ID: key, **_record(value)} for key, value in content.items()]
    if isinstance(content, list):
        return [_record(value) for value in content]
    raise ValueError(f"expected a list, or a mapping of ids to values, got {type(content).__name__}")


def _record(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {str(j): cell for j, cell in enumerate(value if isinstance(value, list) else [value])}


def _number(cell: Any) -> float:
    """Return the number in a cell; NaN where it is empty.

    Raises:
        CommandError: It is no number.
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError) as error:
        raise CommandError(f"expected a number, got {str(cell)[:40]!r}") from error
