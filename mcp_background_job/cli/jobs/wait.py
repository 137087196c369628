"""``wait``: wait for jobs, and exit as they did."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

from mcp_background_job.actions.jobs import facts
from mcp_background_job.cli import durations, exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, JobIds, OptionalSeconds
from mcp_background_job.cli.jobs import show
from mcp_background_job.cli.jobs.exit_codes import of_job
from mcp_background_job.cli.jobs.follow import left_running
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import looks, with_manager
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.values import frozen
from mcp_background_job.core.waiting import SIGNS, Kind, Until, Why, parse_until
from mcp_background_job.executors import looping
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:  # who waits for what is over does without
    import regex

    from mcp_background_job.jobs.waiting.wait import Waited, WaitRequest

#: Lines of its output that are shown of a job that has ended without what was waited for.
_NEWEST_LINES = 5

#: A wait without an end is made of waits of this length (seconds), each of which costs nothing.
_ONE_WAIT_S = 86_400.0


@frozen
class _Wish:
    """What the caller waits for, and until when (of the monotonic clock)."""

    until: Until
    until_pattern: regex.Pattern[str] | None
    fail_on: regex.Pattern[str] | None
    deadline: float | None
    for_any: bool
    as_json: bool

    @property
    def is_for_end(self) -> bool:
        return self.until.kind is Kind.EXIT and self.fail_on is None

    def request(self) -> WaitRequest:
        from mcp_background_job.jobs.waiting.wait import WaitRequest  # noqa: PLC0415  see the top

        return WaitRequest(
            until=self.until, wait_s=0.0, until_pattern=self.until_pattern, fail_on=self.fail_on, from_start=True
        )

    def remaining(self) -> float:
        return _ONE_WAIT_S if self.deadline is None else max(0.0, self.deadline - time.monotonic())


class _Told(NamedTuple):
    """What is told of a wait that is over; see ``Waited``."""

    job: Job
    why: Why | None
    line: str | None = None
    hint: str | None = None
    skipped: str | None = None


def wait(
    *job: JobIds,
    timeout: OptionalSeconds = None,
    until: str = "exit",
    fail_on: str | None = None,
    for_any: Annotated[bool, named("--any")] = False,
    as_json: AsJson = False,
) -> int:
    """Wait for jobs, and exit with their exit code: of several, that of the first one given that did not complete.

    Args:
        *job: Ids or names of jobs.
        timeout: Give up after this time, in seconds or as 5m, 2h. Without it the wait has no limit.
        until: exit, port:N (the job listens on a port), a URL (it answers, with a status below 400; on this machine:
            the job does), idle:S (nothing was written for so long), or a regular expression that is looked for in all
            of the output. The end of the job always ends the wait.
        fail_on: A regular expression in the output that ends the wait as failed.
        for_any: Wait until one of the jobs is over, not all of them.
        as_json: Print JSON, with the same field names everywhere.
    """
    what = _until(until)
    wish = _Wish(
        until=what,
        until_pattern=_compiled(what.pattern, "--until") if what.kind is Kind.REGEX else None,
        fail_on=_compiled(fail_on, "--fail-on") if fail_on else None,
        deadline=None if timeout is None else time.monotonic() + timeout,
        for_any=for_any,
        as_json=as_json,
    )
    return with_manager(lambda manager: _wait(manager, list(job), wish))


def _compiled(pattern: str, option: str) -> regex.Pattern[str]:
    from mcp_background_job.jobs.output import compile_regex  # noqa: PLC0415  see the top

    return compile_regex(pattern, option)


def _until(text: str) -> Until:
    word, colon, time = text.partition(":")
    if colon and word.strip().casefold() == Kind.IDLE:  # the bound of the rules is that of one call over MCP
        return Until(Kind.IDLE, idle_s=durations.seconds(time.strip(), "--until idle:"))
    return parse_until(text)


async def _wait(manager: JobManager, references: list[str], wish: _Wish) -> int:
    jobs = [await manager.find(reference, looks(manager)) for reference in dict.fromkeys(references)]
    is_over = wish.is_for_end and all(job.state is State.EXITED for job in jobs)
    told = [_Told(job, Why.EXIT) for job in jobs] if is_over else await _waited(manager, jobs, wish)
    for one in told:
        await _report(manager, one, as_json=wish.as_json)
        if one.why is Why.EXIT and wish.until.kind in SIGNS and not wish.as_json:
            await _show_newest(manager, one.job)
    return exit_codes.of_several([_exit_code(one, wish.until) for one in told])


async def _waited(manager: JobManager, jobs: list[Job], wish: _Wish) -> list[_Told]:
    await looping.needed()
    import asyncio  # noqa: PLC0415  see ``looping``

    tasks = [asyncio.create_task(_wait_for(manager, job, wish)) for job in jobs]
    try:
        done, _ = await asyncio.wait(
            tasks, return_when=asyncio.FIRST_COMPLETED if wish.for_any else asyncio.ALL_COMPLETED
        )
    finally:
        for task in tasks:
            task.cancel()
    waited = [task.result() for task in tasks if task in done]
    return [_Told(one.job, one.why, one.line, one.hint, one.skipped) for one in waited]


async def _wait_for(manager: JobManager, job: Job, wish: _Wish) -> Waited:
    request = wish.request()
    while True:
        waited = await manager.wait(job, replace(request, wait_s=wish.remaining()))
        if waited.why is Why.LEFT_RUNNING:
            terminal.say(left_running(job.label))
            request = replace(request, from_start=False)
        elif waited.why is not Why.TIMEOUT or not wish.remaining():
            return waited


async def _report(manager: JobManager, waited: _Told, *, as_json: bool) -> None:
    if as_json:
        known = await facts.one(manager, waited.job)
        told = {"why": waited.why, "line": waited.line, "hint": waited.hint, "skipped": waited.skipped}
        terminal.as_json({**known, **told})
    else:
        hint = f"; {waited.hint}" if waited.hint else ""
        skipped = f"; the search skipped missing bytes: {waited.skipped}" if waited.skipped else ""
        terminal.paragraph(show.sentence(waited.job) + _because(waited) + hint + skipped)


async def _show_newest(manager: JobManager, job: Job) -> None:
    newest = await manager.tail(job, lines=_NEWEST_LINES)
    if newest.text:
        terminal.quote(newest.text)
        terminal.say(f"these were its newest lines; {PROGRAM} logs {job.job_id} prints all of them")


def _because(waited: _Told) -> str:
    match waited.why:
        case Why.MATCHED | Why.FAILED_MATCH:
            return f"; found: {waited.line}"
        case Why.PORT:
            return "; the port is open"
        case Why.HTTP:
            return "; it answers"
        case Why.IDLE:
            return "; it is idle"
        case Why.TIMEOUT:
            return "; gave up waiting"
        case _:
            return ""


def _exit_code(waited: _Told, until: Until) -> int:
    match waited.why:
        case Why.EXIT:
            code = of_job(waited.job)
            return exit_codes.UNMET if code == exit_codes.OK and until.kind in SIGNS else code
        case Why.FAILED_MATCH:
            return exit_codes.UNMET
        case Why.TIMEOUT:
            return exit_codes.TIMED_OUT
        case _:
            return exit_codes.OK
