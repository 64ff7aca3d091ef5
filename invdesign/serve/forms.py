"""Tables of results from what people enter into the page or upload."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from invdesign.core import InvdesignError, Objective
from invdesign.runs.batch_files import FAILURE, NOTE, value_heading

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx")
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Table:
    """A table of results as it was entered or uploaded."""

    name: str
    """File name for messages."""
    content: bytes
    """Content of the file."""

    def encoded(self) -> str:
        """Return the content as text, for a hidden field of the page that asks for confirmation."""
        return base64.b64encode(self.content).decode("ascii")

    def write(self, folder: Path) -> Path:
        """Write the table into a folder under its name."""
        path = folder / self.name
        path.write_bytes(self.content)
        return path


def field_name(kind: str, identifier: str) -> str:
    """Return the name of an input of the form.

    Example:
        >>> field_name("0", "D0012")
        'D0012.0'
    """
    return f"{identifier}.{kind}"


def entered_table(form: Mapping[str, str], identifiers: Sequence[str], objectives: Sequence[Objective]) -> Table:
    """Return the entries of the form as a table; designs without an entry have no row.

    Args:
        form: Text of each input: `<id>.<j>` for objective `j`, `<id>.failure` and `<id>.note`.
        identifiers: Open designs.
        objectives: `m` objectives.

    Raises:
        InvdesignError: Nothing was entered.
    """
    kinds = [*(str(j) for j in range(len(objectives))), FAILURE, NOTE]
    rows = []
    for identifier in identifiers:
        cells = [form.get(field_name(kind, identifier), "").strip() for kind in kinds]
        if any(cells):
            rows.append([identifier, *cells])
    if not rows:
        raise InvdesignError("results: expected a value or a failure of one design at least, got none. Enter one")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", *(value_heading(objective) for objective in objectives), FAILURE, NOTE])
    writer.writerows(rows)
    return Table("entered.csv", text.getvalue().encode())


def uploaded_table(name: str, content: bytes) -> Table:
    """Return an uploaded file as a table; the name that the browser sent is reduced to a file name.

    Raises:
        InvdesignError: It is empty, too large or of a format that is not read.
    """
    plain = "".join(c for c in PurePosixPath(name.replace("\\", "/")).name if c.isprintable())[-100:]
    if not content:
        raise InvdesignError("upload: expected a table of results, got no file or an empty one. Choose a file")
    if len(content) > MAX_BYTES:
        raise InvdesignError(f"{plain}: expected at most {MAX_BYTES:,} bytes, got {len(content):,}. Split the table")
    if Path(plain).suffix.lower() not in SUFFIXES:
        raise InvdesignError(f"{plain}: expected a table ({', '.join(SUFFIXES)}), got another suffix. Export it as CSV")
    return Table(plain, content)


def confirmed_table(form: Mapping[str, str]) -> Table:
    """Return the table that the page with the preview sent back.

    Raises:
        InvdesignError: It was altered on its way.
    """
    try:
        content = base64.b64decode(form.get("content", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvdesignError("results: the confirmed table cannot be read. Enter the results again") from error
    return uploaded_table(form.get("name", ""), content)
