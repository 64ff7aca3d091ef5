"""Rendering of the page templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from invdesign.io.clock import now
from invdesign.io.json_values import to_plain
from invdesign.report.svg import format_number

FOLDER = Path(__file__).parent


def render_page(template: str, context: Mapping[str, Any], *, folder: Path = FOLDER) -> str:
    """Return a page.

    Args:
        template: File name of the template.
        context: Values by name; text is escaped unless it is `Markup`.
        folder: Folder of the templates; by default those of the report.

    Raises:
        jinja2.UndefinedError: The template uses a name that the context lacks.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = format_number
    return environment.get_template(template).render(context)


def created_at(created: str) -> str:
    """Return the given time of creation, or the present time in UTC to the minute where it is empty."""
    return created or now()[:16].replace("T", " ") + " UTC"


def settings_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings as rows of dotted name and text; no row where there are none.

    Raises:
        TypeError: A value cannot be written as JSON.
    """
    return flatten_settings(to_plain(settings)) if settings else []


def flatten_settings(settings: Any, path: str = "") -> list[tuple[str, str]]:
    """Return nested settings as rows of dotted name and text.

    Args:
        settings: Dictionaries, lists and plain values.
        path: Dotted name of `settings`.

    Example:
        >>> flatten_settings({"a": {"b": [1, 2]}, "c": None})
        [('a.b', '1, 2'), ('c', '–')]
    """
    rows: list[tuple[str, str]] = []
    if isinstance(settings, dict) and settings:
        for key, value in settings.items():
            rows += flatten_settings(value, f"{path}.{key}" if path else str(key))
        return rows
    if isinstance(settings, list) and settings and isinstance(settings[0], dict):
        for i, value in enumerate(settings):
            rows += flatten_settings(value, f"{path}[{i}]")
        return rows
    if isinstance(settings, list):
        settings = ", ".join(map(str, settings))
    return [(path, "–" if settings in (None, "") else str(settings))]
