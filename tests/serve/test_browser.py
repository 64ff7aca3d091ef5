"""The page of a run in a real browser."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[1] / "serving.py"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Address of a service of a toy run, with the token."""
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield service.stdout.readline().strip()
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=30)


def test_a_chemist_records_a_batch_and_reads_the_report(address: str, page: Any) -> None:
    page.goto(address)
    page.wait_for_url("**/")
    assert "token" not in page.url and page.title() == "served · invdesign"
    cards = page.get_by_role("article")
    assert cards.count() == 3
    drawing = cards.first.get_by_role("img")
    assert drawing.evaluate("image => image.complete && image.naturalWidth > 0")
    for identifier, value in (("D0001", "0.25"), ("D0002", "0.5"), ("D0003", "0.75")):
        page.get_by_label(identifier).get_by_label("height").fill(value)
    page.get_by_label("Open batch").get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Check the results").click()
    assert page.get_by_role("row").count() == 4
    page.get_by_role("button", name="Record 3 results").click()
    page.get_by_text("To the open batch").click()
    assert "No open design" in page.inner_text("main")
    page.get_by_role("button", name="Select a batch").click()
    assert page.get_by_role("article").count() == 2
    page.get_by_role("link", name="Report").click()
    assert "served" in page.inner_text("h1")


def test_the_page_fits_a_narrow_window_and_works_with_the_keyboard(address: str, page: Any) -> None:
    page.set_viewport_size({"width": 380, "height": 700})
    page.goto(address)
    page.wait_for_url("**/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("D0001").get_by_label("height").focus()
    page.keyboard.type("0.4")
    page.keyboard.press("Enter")
    page.wait_for_url("**/enter")
    page.get_by_role("button", name="Record 1 results").press("Enter")
    page.wait_for_url("**/record")
    assert page.title() == "Recorded · invdesign"
