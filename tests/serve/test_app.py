from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import HOSTILE, open_run, toy_space

from invdesign import CampaignRun
from invdesign.runs import latent_spaces
from invdesign.serve import Access, make_app

BASE = "http://127.0.0.1:8765"


class Browser:
    """Requests to the pages of a run, in the thread that opened it."""

    def __init__(self, run: CampaignRun[Any, Any]) -> None:
        self.access = Access()
        self._app = make_app(run, self.access)
        self.cookies: dict[str, str] = {}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=self.cookies) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, data: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        form = {"form_token": self.access.form_token, **(data or {})}
        return self.request("POST", path, data=form, **{"headers": {"origin": BASE}, **options})

    def sign_in(self) -> Browser:
        self.cookies = dict(self.get(f"/?token={self.access.token}").cookies)
        return self


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CampaignRun[Any, Any]]:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", toy_space)
    with open_run(tmp_path / "run") as opened:
        yield opened


@pytest.fixture
def browser(run: CampaignRun[Any, Any]) -> Browser:
    return Browser(run).sign_in()


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the page's last form."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.split("<form")[-1]))


def test_entered_results_are_shown_and_then_recorded_under_a_name(run: CampaignRun[Any, Any], browser: Browser) -> None:
    preview = browser.post("/enter", {"D0001.0": "0.5", "D0002.failure": "lost", "by": "Ada"})
    assert preview.status_code == 200 and run.status().n_measured == 0
    assert "2 of 2 results are new" in preview.text
    recorded = browser.post("/record", hidden(preview.text))
    assert "2 results were recorded" in recorded.text
    assert (run.status().n_measured, run.status().n_failed, run.status().n_open) == (1, 1, 1)
    assert {recorded.by for recorded in run._ledger.outcomes(run.find("D0001").key)} == {"Ada"}
    again = browser.post("/record", hidden(preview.text))
    assert "Nothing changed" in again.text and run.status().n_measured == 1


def test_an_entry_that_is_not_understood_is_shown_again_with_the_others(
    run: CampaignRun[Any, Any], browser: Browser
) -> None:
    answer = browser.post("/enter", {"D0001.0": "0.5", "D0002.0": "high", "by": "Ada"})
    assert answer.status_code == 400 and "expected a number" in answer.text
    assert 'name="D0001.0" value="0.5"' in answer.text and 'name="D0002.0" value="high"' in answer.text
    assert run.status().n_measured == 0


def test_an_uploaded_table_is_recorded_after_confirmation(run: CampaignRun[Any, Any], browser: Browser) -> None:
    table = "id,height\nD0001,0.1\nD0002,0.2\nD0003,0.3\n"
    preview = browser.post("/upload", files={"file": ("plate.csv", table)})
    assert preview.status_code == 200 and "3 of 3 results are new" in preview.text
    browser.post("/record", hidden(preview.text))
    assert run.status().n_measured == 3
    refused = browser.post("/upload", files={"file": ("plate.csv", "id,weight\nD0001,1\n")})
    assert refused.status_code == 400 and "plate.csv" in refused.text and "/tmp/" not in refused.text


def test_a_batch_is_selected_and_a_design_replaced(run: CampaignRun[Any, Any], browser: Browser) -> None:
    browser.post("/suggest", {"n": "2"})
    assert run.status().n_open == 5
    assert browser.post("/reject", {"id": "D0001", "reason": "cannot be made"}).status_code == 303
    assert run.find("D0001").reason == "cannot be made" and run.status().n_open == 5
    for form in ({"n": "0"}, {"n": "1e3"}, {}):
        assert browser.post("/suggest", form).status_code == 400
    assert browser.post("/reject", {"id": "D0002", "reason": " "}).status_code == 400
    assert run.status().n_open == 5


def test_report_and_files_of_the_batch_are_sent_and_no_other_file(run: CampaignRun[Any, Any], browser: Browser) -> None:
    report = browser.get("/report")
    assert report.status_code == 200 and "sandbox" in report.headers["content-security-policy"]
    assert browser.get("/files/batch-000.csv").headers["content-disposition"].startswith("attachment")
    for name in ("ledger.sqlite", "..%2Fledger.sqlite", "config.json", "batch-009.csv", "..%2f..%2fetc%2fpasswd"):
        assert browser.get(f"/files/{name}").status_code == 404


def test_names_that_contain_scripts_are_shown_as_text(browser: Browser) -> None:
    page = browser.get("/")
    assert HOSTILE not in page.text and "&lt;script&gt;" in page.text
    assert "<script" not in page.text and "script-src" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/", "/report", "/files/batch-000.csv"])
def test_nothing_is_shown_without_the_token(run: CampaignRun[Any, Any], path: str) -> None:
    stranger = Browser(run)
    assert stranger.get(path).status_code == 403
    assert stranger.get("/?token=guess").status_code == 403
    assert stranger.request("POST", "/sign-in", data={"token": "guess"}).status_code == 403
    accepted = stranger.request("POST", "/sign-in", data={"token": stranger.access.token})
    cookie = accepted.headers["set-cookie"].lower()
    assert accepted.status_code == 200 and "httponly" in cookie and "samesite=strict" in cookie


@pytest.mark.parametrize("path", ["/enter", "/upload", "/record", "/suggest", "/reject"])
def test_forms_of_other_pages_change_nothing(run: CampaignRun[Any, Any], browser: Browser, path: str) -> None:
    state = run.state
    form = {"D0001.0": "1", "n": "2", "id": "D0001", "reason": "no"}
    assert browser.post(path, form, headers={"origin": "http://evil.example"}).status_code == 403
    assert browser.post(path, form, headers={}).status_code == 403
    assert browser.post(path, {**form, "form_token": "guess"}).status_code == 403
    assert Browser(run).post(path, form).status_code == 403
    assert browser.get(path).status_code == 405
    assert run.state is state


def test_another_host_name_and_a_large_body_are_refused(browser: Browser) -> None:
    assert browser.get("/", headers={"host": "evil.example"}).status_code == 400
    assert browser.get(f"/?token={browser.access.token}", headers={"host": "evil.example"}).status_code == 400
    large = browser.post("/upload", files={"file": ("plate.csv", b"1" * 11_000_000)})
    assert large.status_code == 413
