"""Plots of a Pareto set as files of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from invdesign.core import D, InvdesignError
from invdesign.io.atomic import write_atomically
from invdesign.report.data import ReportData
from invdesign.report.figures import plot_trade_offs
from invdesign.report.templates import FOLDER

STYLE = FOLDER / "page.css"


def write_pareto_plots(data: ReportData[D], path: Path) -> list[Path]:
    """Write a plot of each pair of properties, three at most, and return the files.

    Args:
        data: Facts of a run.
        path: File of the first plot (.svg); the others have a number before the suffix.

    Raises:
        InvdesignError: There is one property only, no design is measured, or the suffix is another one.
    """
    if path.suffix.lower() != ".svg":
        raise InvdesignError(f"pareto: expected a file with the suffix .svg, got {path.name!r}. Rename it")
    if len(data.objectives) < 2 or not data.evaluated:
        raise InvdesignError("pareto: expected two measured properties to plot. Measure more, or leave --plot out")
    written = []
    for number, plot in enumerate(plot_trade_offs(data), start=1):
        file = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        write_atomically(file, partial(Path.write_text, data=with_style(plot), encoding="utf-8"))
        written.append(file)
    return written


def with_style(chart: str) -> str:
    """Return a chart of the report as an SVG file that needs no page around it."""
    opening, rest = chart.split(">", 1)
    style = STYLE.read_text(encoding="utf-8")
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}\n'
