"""Who may read and write the page of a run: a token, and requests that come from the page itself.

The service listens on the loopback address alone. The token keeps out other users of the machine; the check of the
host keeps out pages that reach the loopback address under a name of their own (DNS rebinding); the check of the origin
and the form's own token keep out forms on other pages (cross-site request forgery).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer: no script runs, nothing is loaded from elsewhere, nothing is stored."""
REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'none'"
"""Policy of the report, which may contain scripts: it has an origin of its own and no access to the page."""


@dataclass(frozen=True)
class Access:
    """Token of a service, and what is derived from it."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """The secret in the address that the command prints."""

    @property
    def cookie_name(self) -> str:
        """Name of the cookie, one for each service: all ports of a host share their cookies."""
        return f"invdesign-{self._derive('name')[:8]}"

    @property
    def cookie(self) -> str:
        """Value of the cookie of somebody who gave the token."""
        return self._derive("cookie")

    @property
    def form_token(self) -> str:
        """Value that every form of the page carries; another page cannot read it."""
        return self._derive("form")

    def is_token(self, given: str) -> bool:
        """Return whether this is the token, in a time that does not depend on it."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def is_signed_in(self, cookies: Mapping[str, str]) -> bool:
        """Return whether a request has the cookie."""
        return hmac.compare_digest(cookies.get(self.cookie_name, "").encode(), self.cookie.encode())

    def is_own_form(self, given: str) -> bool:
        """Return whether a form is one of this service's."""
        return hmac.compare_digest(given.encode(), self.form_token.encode())

    def _derive(self, purpose: str) -> str:
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def is_loopback_host(host: str) -> bool:
    """Return whether the header `Host` names the loopback address, with any port (a tunnel may change the port).

    Example:
        >>> is_loopback_host("localhost:8765"), is_loopback_host("[::1]:80"), is_loopback_host("evil.example:8765")
        (True, True, False)
    """
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK_NAMES
    except ValueError:
        return False


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Return whether a request that writes was sent by a page of this host; an absent origin is refused.

    Args:
        headers: Headers of the request, with names in lower case.
    """
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == headers.get("host", "")
