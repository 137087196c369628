"""Checks every request before its route: its host, its origin, and its right to look.

A browser runs the pages of strangers, and lets each of them send requests to this machine. What tells them from ours:
they cannot choose the ``Host``, which is wrong where a name was made to lead here; they cannot hide their ``Origin``;
they cannot send a header of our own; and they do not have the cookie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcp_background_job.web.paths import API, HTTP_PORT, command_for_link
from mcp_background_job.web.session import Sessions

#: Without this header nothing is done: no form can send it, and no script of another origin may.
PAGE_HEADER = "mcp-bg-page"

#: Names under which a browser on the same machine reaches it.
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

#: Nothing but our own files; no text becomes a script, whatever is in it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' data:; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

#: Of every answer.
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    code: str
    sentence: str


class Guard:
    """Tells which requests are answered."""

    def __init__(self, sessions: Sessions, port: int, host: str = "") -> None:
        """Takes who may look, the port that is served, and the address if it is not one of this machine alone."""
        self._sessions = sessions
        self._port = port
        named = f"[{host}]" if ":" in host and not host.startswith("[") else host
        names = {*_LOOPBACK, named or _LOOPBACK[0]}
        self._hosts = {f"{name}:{port}" for name in names} | (names if port == HTTP_PORT else set[str]())

    def refusal(self, method: str, path: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Refusal | None:
        """Return why a request is not answered, ``None`` if it is."""
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return Refusal(421, "wrong_host", "this server is not known under that name")
        if (origin := headers.get("origin")) is not None and origin.lower() != f"http://{host}":
            return Refusal(403, "wrong_origin", "a page of another origin is refused")
        return self._refusal_of_call(method, headers, cookies) if path.startswith(API) else None

    def _refusal_of_call(self, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Refusal | None:
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return Refusal(403, "wrong_origin", "a page of another site is refused")
        if method != "GET" and PAGE_HEADER not in headers:
            return Refusal(403, "no_page_header", f"the header {PAGE_HEADER} is missing")
        if not self._sessions.is_known(cookies.get(self._sessions.cookie, "")):
            let_in = f"{command_for_link(self._port)} prints a link that lets it in"
            return Refusal(401, "no_session", f"this browser was not let in: {let_in}")
        return None
