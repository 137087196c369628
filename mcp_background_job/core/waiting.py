"""Conditions that a caller waits for, and whether they are met."""

from __future__ import annotations

from enum import StrEnum

from mcp_background_job.core.text import one_line
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import InvalidRequestError

#: The longest wait of one call. MCP clients give up on a call after 60 s, and answers need time too.
MAX_WAIT_S = 50.0

#: Schemes of URLs that can be waited for.
_WEB = ("http", "https")

#: Characters of the argument that an error quotes.
_MAX_QUOTED = 100

#: No port has more digits. A hostile number could have thousands, which int() refuses.
_MAX_PORT_DIGITS = 5


class Why(StrEnum):
    """The reasons why a wait ends."""

    EXIT = "exit"  #: the job is over
    LEFT_RUNNING = "left_running"  #: the command itself is over; processes that it started are not
    OUTPUT = "output"  #: something was written
    MATCHED = "matched"  #: ``until`` was found in the output
    FAILED_MATCH = "failed_match"  #: ``fail_on`` was found in the output
    PORT = "port"  #: the job listens on the port
    HTTP = "http"  #: the URL answers
    IDLE = "idle"  #: nothing was written for so long
    TIMEOUT = "timeout"  #: the wait is over, nothing else is


class Kind(StrEnum):
    """The kinds of conditions in ``until``."""

    EXIT = "exit"
    OUTPUT = "output"
    REGEX = "regex"
    PORT = "port"
    HTTP = "http"
    IDLE = "idle"


#: A job that works shows these. If it has ended without, the wait was in vain.
SIGNS = (Kind.REGEX, Kind.PORT, Kind.HTTP)

#: With these the wait is for the command itself, and not for processes that it starts.
_FOR_THE_COMMAND = (Kind.EXIT, Kind.OUTPUT)


@frozen
class Until:
    """A condition to wait for, beside the end of the job, which ends every wait."""

    kind: Kind
    pattern: str = ""
    port: int = 0
    url: str = ""
    idle_s: float = 0.0


def parse_until(text: str | None) -> Until:
    """Read ``exit``, ``port:8080``, ``http://localhost:8080/``, ``idle:10`` (seconds), or else a regular expression.

    Blanks around the words and their case do not matter; a regular expression is taken as it is.

    Raises:
        InvalidRequestError: it is empty, or its port, URL or time is not one.
    """
    if text is None:
        return Until(Kind.EXIT)
    if not text:
        raise InvalidRequestError(
            'until is empty: give "exit", "port:N", "http://…", "idle:SECONDS" or a regular expression'
        )
    word, colon, value = text.partition(":")
    kind, value = word.strip().casefold(), value.strip()
    if kind == Kind.EXIT and not colon:
        return Until(Kind.EXIT)
    if kind == Kind.PORT and colon:
        return Until(Kind.PORT, port=_port(text, value))
    if kind in _WEB and colon:
        return Until(Kind.HTTP, url=_url(text, kind, value))
    if kind == Kind.IDLE:
        return Until(Kind.IDLE, idle_s=_seconds(text, value))
    return Until(Kind.REGEX, pattern=text)


def _port(text: str, value: str) -> int:
    digits = value.lstrip("0") if value.isdecimal() else ""
    port = int(digits) if 0 < len(digits) <= _MAX_PORT_DIGITS else 0
    if not 0 < port < 2**16:
        raise InvalidRequestError(f"until={_quoted(text)}: a port is a number from 1 to 65535{_as_regex(text)}")
    return port


def _url(text: str, kind: str, value: str) -> str:
    """Return the URL: ``http:`` stands before one, or is its beginning."""
    from urllib.parse import urlsplit  # noqa: PLC0415  few waits are for one

    scheme, colon, rest = value.partition(":")
    url = f"{scheme.casefold()}:{rest}" if colon and scheme.casefold() in _WEB else f"{kind}:{value}"
    try:
        parts = urlsplit(url)
        is_one = bool(parts.hostname) and parts.port != 0  # ``port`` raises if it is no number
    except ValueError:
        is_one = False
    if not is_one or not url.isprintable() or " " in url:
        raise InvalidRequestError(
            f"until={_quoted(text)}: this is not a URL; give one such as http://localhost:8080/health{_as_regex(text)}"
        )
    return url


def _seconds(text: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MAX_WAIT_S:
        raise InvalidRequestError(
            f"until={_quoted(text)}: idle takes seconds, more than 0 and at most {MAX_WAIT_S:g}, as in "
            f"idle:10{_as_regex(text)}"
        )
    return seconds


def _quoted(text: str) -> str:
    return f'"{one_line(text, _MAX_QUOTED)}"'


def _as_regex(text: str) -> str:
    text = text.strip()
    return f"; to look for this in the output, write it as {_quoted(f'[{text[0]}]{text[1:]}')}"


def unmet(until: Until, *, is_rest: bool) -> str | None:
    """Return in words that a job ended before a port, URL or match was seen; ``None`` for other conditions.

    Args:
        until: the condition.
        is_rest: only the part of the output that the caller was not shown yet was searched.
    """
    match until.kind:
        case Kind.PORT:
            return f"the job ended, and was not seen to listen on port {until.port}"
        case Kind.HTTP:
            return f"the job ended, and {until.url} was not seen to answer"
        case Kind.REGEX:
            return f"the job ended, and {'no new' if is_rest else 'no'} output matches {_quoted(until.pattern)}"
        case _:
            return None


@frozen
class Facts:
    """The facts at one moment of a wait.

    Attributes:
        exited: the job is over.
        left_running: the command itself ended during this wait, and processes that it started live on.
        command_failed: the command has ended with a failure.
        matched: ``until`` was found in the output.
        failed_match: ``fail_on`` was found in the output.
        grew: the log goes on behind the offset that the caller knows.
        port_open: the job listens on the port.
        answered: the URL has answered.
        idle_for: seconds since the last byte of output.
        waited: seconds since the wait began.
    """

    exited: bool = False
    left_running: bool = False
    command_failed: bool = False
    matched: bool = False
    failed_match: bool = False
    grew: bool = False
    port_open: bool = False
    answered: bool = False
    idle_for: float = 0.0
    waited: float = 0.0


def why_over(until: Until, facts: Facts, wait_s: float) -> Why | None:
    """Return why the wait is over; ``None`` if it goes on. A match of ``fail_on`` outranks everything."""
    # If the command put its server in the background, the server may still meet the condition after the command's end.
    # If the command failed, it hardly will.
    is_told_what_is_left = until.kind in _FOR_THE_COMMAND or facts.command_failed
    ranked = (
        (facts.failed_match, Why.FAILED_MATCH),
        (facts.matched, Why.MATCHED),
        (until.kind is Kind.OUTPUT and facts.grew, Why.OUTPUT),
        (facts.exited, Why.EXIT),
        (facts.port_open, Why.PORT),
        (facts.answered, Why.HTTP),
        (facts.left_running and is_told_what_is_left, Why.LEFT_RUNNING),
        (until.kind is Kind.IDLE and facts.idle_for >= until.idle_s, Why.IDLE),
        (facts.waited >= wait_s, Why.TIMEOUT),
    )
    return next((why for is_so, why in ranked if is_so), None)
