"""Why a turn failed, in one word, where the agent's own words tell it."""

from __future__ import annotations

import re

#: Whoever has no right to use the model has to log in, or to be given a key: trying again does not help.
AUTH = "auth"
AUTH_STATUSES = frozenset({401, 403})

_AUTH_WORDS = re.compile(
    r"(?:status|error|code|http)\W{0,6}40[13]\b"  # "status 401", '"code": 401', "Error: 403", "HTTP 401"
    r"|\b40[13] (?:unauthorized|forbidden)"
    r"|unauthenticated|authentication[ _](?:error|failed|required)|failed to authenticate|not logged in|log ?in again"
    r"|api[ _-]?key",  # missing, invalid, expired: an error that speaks of the key is about the key
    re.IGNORECASE,
)

#: Characters of a message that are searched. Errors are short; what is longer quotes something.
_SEARCHED = 10_000


def reason_of(message: str, status: int | None = None) -> str | None:
    """Return the word for a failure with this message and HTTP status, or ``None`` if nothing is known of it."""
    return AUTH if status in AUTH_STATUSES or _AUTH_WORDS.search(message[:_SEARCHED]) else None
