"""Who may look: a one-time code in a link becomes a cookie, and every call needs the cookie.

Both are signed with the secret of the state directory, so nothing of them is stored: whoever may read that directory
can make a link to a page that is being served, and a cookie outlives the server that has given it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

#: A link is followed at once, or pasted into a browser on another desk.
CODE_S = 600.0

#: After so long without a new link (seconds) a browser has to be let in anew.
COOKIE_S = 30 * 86_400

_BYTES = 16

#: Cookies that are remembered as good: one for each browser.
_KNOWN = 31


class Sessions:
    """Codes and cookies of one page: the one that is served at a port."""

    def __init__(self, secret: str, port: int, clock: Callable[[], float] = time.time) -> None:
        """Takes the secret, the port, and what tells the time (seconds since the epoch)."""
        self._key = hashlib.sha256(f"page of {port}: {secret}".encode()).digest()
        self._clock = clock
        self._used: dict[str, float] = {}
        self._known: dict[str, float] = {}
        #: Cookies are sent to every port of a host: this one has a name of its own.
        self.cookie = f"mcp-bg-page-{port}"

    def new_code(self) -> str:
        """Return a code that lets one browser in, once."""
        return self._signed("code", self._clock() + CODE_S)

    def redeem(self, code: str) -> str | None:
        """Return the value of a cookie for a code, ``None`` if that is none, was used, or is too old."""
        until = self._until("code", code)
        now = self._clock()
        self._used = {used: then for used, then in self._used.items() if then >= now}
        if until is None or code in self._used:
            return None
        self._used[code] = until
        return self._signed("cookie", now + COOKIE_S)

    def is_known(self, cookie: str) -> bool:
        """Tell whether a value is that of a cookie which was given, and is not too old."""
        until = self._known.get(cookie)
        if until is not None and until >= self._clock():
            return True
        until = self._until("cookie", cookie)
        if until is None:
            return False
        # To check a mark lets go of the interpreter: beside threads that are busy, each call would wait to get it back.
        self._known = {cookie: until, **dict(list(self._known.items())[:_KNOWN])}
        return True

    def _signed(self, kind: str, until: float) -> str:
        said = f"{secrets.token_urlsafe(_BYTES)}.{int(until)}"
        return f"{said}.{self._mark(kind, said)}"

    def _until(self, kind: str, signed: str) -> float | None:
        """Return until when what was signed is good, ``None`` if it was not signed here or is too old."""
        said, _, mark = signed.rpartition(".")
        if not hmac.compare_digest(_bytes(mark), _bytes(self._mark(kind, said))):
            return None
        until = float(said.rpartition(".")[2])
        return until if until >= self._clock() else None

    def _mark(self, kind: str, said: str) -> str:
        mark = hmac.digest(self._key, _bytes(f"{kind} {said}"), "sha256")
        return base64.urlsafe_b64encode(mark).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # whatever somebody sends
