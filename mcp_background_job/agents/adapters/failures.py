"""Gives the reason of a failed turn as one word, the same for all agents, from the agent's words or an HTTP status."""

from __future__ import annotations

import re

#: The agent has no right to use the model. It needs a login or a key; trying again does not help.
AUTH = "auth"
AUTH_STATUSES = frozenset({401, 403})

#: The model takes no more for now: a limit on requests, on tokens or on money is reached.
RATE_LIMIT = "rate_limit"
_RATE_LIMIT_STATUSES = frozenset({402, 429})

#: The model's server failed, or is overloaded: trying again later may help.
SERVER_ERROR = "server_error"
_SERVER_ERRORS = range(500, 600)

#: The model could not be asked for another reason: the connection broke, or the server refused the request.
API_ERROR = "api_error"
_ERRORS = range(400, 500)

#: The agent says that it failed, and not why.
AGENT_ERROR = "agent_error"

#: The words before an HTTP status in error messages: "last status: 429", '"code": 401', "API Error: 500", "rejected
#: (429)".
_NAMED = r"(?:status|error|code|http|rejected)\W{0,6}"

#: Patterns for the words of an error, in this order: if a key was refused, "try again later" means nothing.
_WORDS = {
    AUTH: (
        rf"{_NAMED}40[13]\b",
        r"\b40[13] (?:unauthorized|forbidden)",
        r"unauthenticated|authentication[ _](?:error|failed|required)|failed to authenticate",
        r"not logged in|log ?in again",
        r"api[ _-]?key",  # missing, invalid, expired: an error that mentions the key is about the key
    ),
    RATE_LIMIT: (
        rf"{_NAMED}(?:402|429)\b",
        r"\b429 too many|too many requests|rate[ _-]?limit|usage limit",
        r"quota|resource[ _]exhausted|insufficient[ _](?:balance|funds|credit)|credit balance",
    ),
    SERVER_ERROR: (
        rf"{_NAMED}5\d\d\b",
        r"\b5\d\d (?:internal|bad gateway|service|gateway)",
        r"internal[ _]server[ _]error|bad gateway|service[ _]unavailable|gateway[ _]time-?out|server[ _]error",
        r"overloaded|high demand|at capacity",
    ),
    API_ERROR: (
        rf"{_NAMED}4\d\d\b",
        r"api[ _]?error|context (?:window|length)|prompt is too long",
        r"stream (?:error|disconnected|closed|ended)|connection (?:error|reset|refused|closed|failed|lost)",
        r"error sending request|fetch failed|socket (?:hang up|connection was closed)|premature close|ECONN\w+",
        r"ETIMEDOUT",
    ),
}
_REASONS = tuple((reason, re.compile("|".join(words), re.IGNORECASE)) for reason, words in _WORDS.items())

#: Characters of a message that are searched. Errors are short; a longer message quotes something.
_SEARCHED = 10_000


def reason_of(message: str, status: int | None = None) -> str | None:
    """Return the reason for a failure with this message and HTTP status, or ``None`` if neither tells."""
    if status in AUTH_STATUSES:
        return AUTH
    if status in _RATE_LIMIT_STATUSES:
        return RATE_LIMIT
    if status in _SERVER_ERRORS:
        return SERVER_ERROR
    said = message[:_SEARCHED]
    told = next((reason for reason, words in _REASONS if words.search(said)), None)
    return told or (API_ERROR if status in _ERRORS else None)
