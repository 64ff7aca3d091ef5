"""Plots of the Pareto set as files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.report import ReportData, write_pareto_plots


def test_a_plot_is_a_file_of_its_own(make_data: Callable[..., ReportData[str]], tmp_path: Path) -> None:
    (path,) = write_pareto_plots(make_data(2), tmp_path / "front.svg")
    drawing = ElementTree.parse(path).getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.find("{http://www.w3.org/2000/svg}style") is not None
    assert drawing.findall(".//{http://www.w3.org/2000/svg}circle")


def test_one_property_has_no_front_and_other_suffixes_are_refused(
    make_data: Callable[..., ReportData[str]], tmp_path: Path
) -> None:
    with pytest.raises(InvdesignError, match="two measured properties"):
        write_pareto_plots(make_data(1), tmp_path / "front.svg")
    with pytest.raises(InvdesignError, match=r"suffix \.svg"):
        write_pareto_plots(make_data(2), tmp_path / "front.png")
