"""Checks of arguments that several actions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_background_job.core.values import frozen
from mcp_background_job.core.waiting import MAX_WAIT_S, Kind, parse_until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.output import compile_regex
from mcp_background_job.jobs.waiting.wait import WaitRequest

if TYPE_CHECKING:
    import regex


@frozen
class Wait:
    """A wait to be done, notes on its length, and the arguments ``until`` and ``fail_on``."""

    request: WaitRequest
    notes: list[str]
    asked: dict[str, str | None]


def wait_of(wait_s: float, until: str | None, fail_on: str | None, *, from_start: bool = False) -> Wait:
    """Read the arguments of a wait.

    Raises:
        InvalidRequestError: the time is negative, or an expression is invalid.
    """
    bounded = bounded_wait(wait_s)
    cut = f"wait_s={wait_s:g} was cut to {MAX_WAIT_S:g}, the longest wait of one call"
    condition = parse_until(until)
    pattern = compile_regex(condition.pattern, "until") if condition.kind is Kind.REGEX else None
    failure: regex.Pattern[str] | None = compile_regex(fail_on, "fail_on") if fail_on else None
    request = WaitRequest(
        until=condition,
        wait_s=bounded,
        until_pattern=pattern,
        fail_on=failure,
        from_start=from_start,
    )
    return Wait(request, [cut] if wait_s > MAX_WAIT_S else [], {"until": until, "fail_on": fail_on})


def bounded_wait(wait_s: float, longest_s: float = MAX_WAIT_S) -> float:
    """Return a time to wait, cut to the longest wait of one call.

    Raises:
        InvalidRequestError: the time is negative, or not a number.
    """
    if not wait_s >= 0:
        raise InvalidRequestError(f"wait_s={wait_s:g}: a wait is 0 seconds or more")
    return min(wait_s, longest_s)


def several(text: str | None) -> tuple[str, ...]:
    """Return the parts of an argument that may hold several values between commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
