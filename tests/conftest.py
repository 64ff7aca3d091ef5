"""Fixtures of all tests, and the check of declared array shapes at run time."""

import shutil
from collections.abc import Iterator
from typing import Any

import jaxtyping
import pytest

SHAPED = ["invdesign.vae", "invdesign.latent", "invdesign.surrogate", "invdesign.search"]
"""Packages whose public signatures declare array shapes."""

jaxtyping.install_import_hook(SHAPED, "runtime_types.check")


@pytest.fixture
def without_type_checks() -> Iterator[None]:
    """Switch off the check of types at run time, for tests that pass wrong ones on purpose."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def page() -> Iterator[Any]:
    """A page in headless Chromium; errors in its console fail the test."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium (Debian's package of that name)")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        browser.close()
    assert errors == []
