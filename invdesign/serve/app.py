"""Pages of a run as an ASGI application.

A handler runs in the thread that opened the run, one after another: the ledger has one writer. A request that selects
a batch delays the others by the seconds that it takes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from invdesign.core import InvdesignError
from invdesign.runs import CampaignRun
from invdesign.runs.batch_files import value_heading
from invdesign.runs.results_file import Results
from invdesign.serve import pages
from invdesign.serve.access import HEADERS, REPORT_POLICY, Access, is_loopback_host, is_same_origin
from invdesign.serve.forms import MAX_BYTES, Table, confirmed_table, entered_table, uploaded_table

Handler = Callable[[Request], Awaitable[Response]]
MAX_BODY = 2 * MAX_BYTES
MAX_FIELDS = 10_000
OPTIONS = ("replicates", "add")
"""Check boxes of an upload, as the options of `invdesign tell`."""


def make_app(run: CampaignRun[Any, Any], access: Access) -> Starlette:
    """Return the pages of a run as an ASGI application.

    Args:
        run: The open run; the application is called in the thread that opened it.
        access: Its token.
    """
    service = _Service(run, access)

    def page(handler: Handler) -> Handler:
        return _guard(access, handler)

    def action(handler: Handler) -> Handler:
        return _guard(access, _only_own_forms(access, handler))

    routes = [
        Route("/", _signing_in(access, page(service.show_batch)), methods=["GET"]),
        Route("/sign-in", _checked_host(service.sign_in), methods=["POST"]),
        Route("/style.css", _checked_host(_style), methods=["GET"]),
        Route("/report", page(service.show_report), methods=["GET"]),
        Route("/files/{name}", page(service.send_file), methods=["GET"]),
        Route("/enter", action(service.preview_entries), methods=["POST"]),
        Route("/upload", action(service.preview_upload), methods=["POST"]),
        Route("/record", action(service.record), methods=["POST"]),
        Route("/suggest", action(service.suggest), methods=["POST"]),
        Route("/reject", action(service.reject), methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _show_http_error})


class _Service:
    """Handlers of the pages of one run."""

    def __init__(self, run: CampaignRun[Any, Any], access: Access) -> None:
        self.run = run
        self.access = access
        self._reported: object = None

    async def show_batch(self, request: Request) -> Response:
        return _page(self._batch_page())

    async def sign_in(self, request: Request) -> Response:
        form = await _form(request)
        return _sign_in(self.access, form.get("token", ""))

    async def show_report(self, request: Request) -> Response:
        path = self.run.folder / "report.html"
        if self._reported is not self.run.state or not path.is_file():
            state = self.run.state
            self.run.report()
            self._reported = state
        return FileResponse(path, headers={**HEADERS, "Content-Security-Policy": REPORT_POLICY})

    async def send_file(self, request: Request) -> Response:
        found = {path.name: path for path in pages.batch_files(self.run.folder)}
        path = found.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "there is no such file of a batch")
        return FileResponse(path, filename=path.name, headers=HEADERS)

    async def preview_entries(self, request: Request) -> Response:
        form = await _form(request)
        names = self.run.identifiers()
        try:
            table = entered_table(form, [names[c.key] for c in self.run.state.open], self.run.campaign.objectives)
            return self._preview(table, form)
        except InvdesignError as error:
            return _page(self._batch_page(form, str(error)), 400)

    async def preview_upload(self, request: Request) -> Response:
        form = await request.form()  # read and checked before
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvdesignError("upload: expected a file, got none. Choose a table of results")
        table = uploaded_table(file.filename or "", await file.read())
        return self._preview(table, {name: value for name, value in form.items() if isinstance(value, str)})

    async def record(self, request: Request) -> Response:
        form = await _form(request)
        with self.run.recorded_by(form.get("by", "")):
            results = self._read(confirmed_table(form), form, dry_run=False)
        n_new = sum(row.action != "known" for row in results.rows)
        done = f"{n_new} results were recorded." if n_new else "All of these results were recorded before."
        return _page(pages.message_page("Recorded" if n_new else "Nothing changed", [done, *results.notes]))

    async def suggest(self, request: Request) -> Response:
        form = await _form(request)
        n = _positive(form.get("n", ""), "number of designs")
        with self.run.recorded_by(form.get("by", "")):
            self.run.suggest(len(self.run.state.open) + n)
            self.run.write_batch()
        return RedirectResponse("/", 303, headers=HEADERS)

    async def reject(self, request: Request) -> Response:
        form = await _form(request)
        reason = form.get("reason", "").strip()
        if not reason:
            raise InvdesignError("reject: expected a reason, got none. State why the design will not be made")
        with self.run.recorded_by(form.get("by", "")):
            self.run.reject(form.get("id", ""), reason=reason)
            self.run.write_batch()
        return RedirectResponse("/", 303, headers=HEADERS)

    def _batch_page(self, entered: dict[str, str] | None = None, problem: str = "") -> str:
        return pages.batch_page(self.run, self.access.form_token, entered=entered, problem=problem)

    def _preview(self, table: Table, form: dict[str, str]) -> Response:
        results = self._read(table, form, dry_run=True)
        html = pages.preview_page(
            table,
            results,
            [value_heading(objective) for objective in self.run.campaign.objectives],
            options={name: bool(form.get(name)) for name in OPTIONS},
            by=form.get("by", ""),
            form_token=self.access.form_token,
        )
        return _page(html)

    def _read(self, table: Table, form: dict[str, str], *, dry_run: bool) -> Results[Any]:
        """Return what a table records, or would record; messages name the file as its owner does."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                return self.run.tell_file(
                    table.write(Path(folder)),
                    dry_run=dry_run,
                    allow_repeats=bool(form.get("replicates")),
                    allow_new=bool(form.get("add")),
                )
            except InvdesignError as error:
                raise InvdesignError(str(error).replace(f"{folder}/", "")) from error


def _checked_host(handler: Handler) -> Handler:
    """Return a handler for requests to the loopback address whose body is not too large; errors become pages."""

    async def checked(request: Request) -> Response:
        if not is_loopback_host(request.headers.get("host", "")):
            raise HTTPException(400, "this service answers at the loopback address only")
        if request.method == "POST":
            length = request.headers.get("content-length", "")
            if not length.isdecimal():
                raise HTTPException(411, "the length of the request is missing")
            if int(length) > MAX_BODY:
                raise HTTPException(413, f"expected at most {MAX_BODY:,} bytes. Split the table")
        try:
            return await handler(request)
        except InvdesignError as error:
            return _page(pages.message_page("That was not done", [str(error)]), 400)

    return checked


def _guard(access: Access, handler: Handler) -> Handler:
    """Return a handler for requests of somebody who gave the token."""

    async def guarded(request: Request) -> Response:
        if not access.is_signed_in(request.cookies):
            lines = ["Open the address that the command printed, or enter its token."]
            return _page(pages.message_page("Sign in", lines, has_token_form=True), 403)
        return await handler(request)

    return _checked_host(guarded)


def _only_own_forms(access: Access, handler: Handler) -> Handler:
    """Return a handler for the forms of this service, sent by its own pages."""

    async def checked(request: Request) -> Response:
        if not is_same_origin(request.headers):
            raise HTTPException(403, "the form was sent by another page")
        async with request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_BODY) as form:
            if not access.is_own_form(str(form.get("form_token", ""))):
                raise HTTPException(403, "the form is of another service or of an earlier start. Load the page again")
            return await handler(request)

    return checked


def _signing_in(access: Access, handler: Handler) -> Handler:
    """Return a handler that accepts the token in the address, and keeps it out of the address afterwards."""

    async def signing_in(request: Request) -> Response:
        if "token" in request.query_params:
            return _sign_in(access, request.query_params["token"])
        return await handler(request)

    return _checked_host(signing_in)


def _sign_in(access: Access, token: str) -> Response:
    if not access.is_token(token):
        return _page(pages.message_page("Sign in", ["This is not the token."], has_token_form=True), 403)
    answer = _page(pages.message_page("Signed in", ["The page of the run follows."], refresh=True))
    answer.set_cookie(access.cookie_name, access.cookie, httponly=True, samesite="strict", path="/")
    return answer


async def _style(request: Request) -> Response:
    return FileResponse(pages.FOLDER / "style.css", media_type="text/css", headers=HEADERS)


async def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _page(pages.message_page("That was not done", [str(error.detail)]), error.status_code)


async def _form(request: Request) -> dict[str, str]:
    """Return the texts of a form."""
    form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_BODY)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _page(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status, headers=HEADERS)


def _positive(text: str, what: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 10_000:
        raise InvdesignError(f"{what}: expected a whole number from 1 to 10,000, got {text[:20]!r}")
    return int(text)
