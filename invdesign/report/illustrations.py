"""Figures that a domain adds to the report, and a policy that lets their scripts run, and no others."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from invdesign.core import D, Illustrate
from invdesign.report.data import ReportData

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def drawn(story: ReportData[D], illustrate: Illustrate) -> dict[str, str]:
    """Title and HTML of each figure that a function of the domain makes of a story.

    Raises:
        TypeError: it answers something else.
        ValueError: a script in it is not closed, which would swallow the rest of the page.
    """
    answer = illustrate(story.shortlist, story.told, story.objectives)
    if not isinstance(answer, Mapping):
        raise TypeError(f"expected HTML or SVG by title, got {type(answer).__name__}")
    # A browser's line ends, which count for the checksums of scripts.
    figures = {str(title): str(text).replace("\r\n", "\n").replace("\r", "\n") for title, text in answer.items()}
    for title, text in figures.items():
        if _read(text).is_inside:
            raise ValueError(f"{title}: a <script> is not closed")
    return figures


def policy(figures: Sequence[str]) -> str:
    """The page's content security policy: inline scripts of these figures by their checksums, nothing from elsewhere.

    References:
        W3C, Content Security Policy Level 3, section 2.3.1 (hash sources), https://www.w3.org/TR/CSP3/.
    """
    scripts = [script for text in figures for script in _read(text).scripts]
    found = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(found))
    return f"{POLICY}; script-src {allowed}" if allowed else POLICY


class _Scripts(HTMLParser):
    """Collects what stands inside `<script>`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "script":
            self.is_inside = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = self.is_inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self.is_inside:
            self.scripts[-1] += data


def _read(text: str) -> _Scripts:
    reader = _Scripts()
    reader.feed(text)
    return reader
