"""Figures that a domain adds to the report, and the content security policy that allows only their scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

from invdesign.core import D, Illustrate
from invdesign.report.data import ReportData

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def draw_illustrations(data: ReportData[D], illustrate: Illustrate) -> dict[str, str]:
    """Return title and HTML of the figures that a function of the domain draws.

    Line ends are normalized to line feeds, as a browser reads them: they count for the checksums of scripts.

    Args:
        data: Shortlist, evaluated designs and objectives.
        illustrate: Function of the domain.

    Raises:
        TypeError: The function returned no mapping.
        ValueError: A script in a figure is not closed, so the rest of the page would become part of it.
    """
    returned = illustrate(data.shortlist, data.evaluated, data.objectives)
    if not isinstance(returned, Mapping):
        raise TypeError(f"expected HTML or SVG by title, got {type(returned).__name__}")
    figures = {str(title): _normalize_line_ends(str(html)) for title, html in returned.items()}
    for title, html in figures.items():
        if _read_scripts(html).is_inside:
            raise ValueError(f"{title}: a <script> is not closed")
    return figures


def content_security_policy(figures: Sequence[str]) -> str:
    """Return the page's content security policy.

    It allows the inline scripts of the given figures by their checksums, and nothing from the network.

    Args:
        figures: HTML of each figure.

    References:
        W3C, Content Security Policy Level 3, section 2.3.1 (hash sources), https://www.w3.org/TR/CSP3/.

    Example:
        >>> content_security_policy(["<svg></svg>"])
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    """
    scripts = [script for html in figures for script in _read_scripts(html).scripts]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(digests))
    return f"{POLICY}; script-src {allowed}" if allowed else POLICY


class _ScriptReader(HTMLParser):
    """Parser that collects the content of `<script>` elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.is_inside = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = self.is_inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self.is_inside:
            self.scripts[-1] += data


def _read_scripts(html: str) -> _ScriptReader:
    reader = _ScriptReader()
    reader.feed(html)
    return reader


def _normalize_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
