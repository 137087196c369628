"""Actions that read output. They return plain text, since JSON would escape a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.report import JobText
from mcp_background_job.actions.meant import Word
from mcp_background_job.core.news import OUTPUT
from mcp_background_job.core.states import State
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import PageOfLog

#: The most bytes of text in a page: some clients cut or store away answers of more than 50,000 characters.
_MAX_PAGE = 40_000
_MAX_LINES = 1000

StreamName = Literal["both", "stdout", "stderr"]


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Last lines to read."""

    job_id: Word
    lines: int = 50
    stream: StreamName = "both"
    grep: Annotated[str | None, Field(description="only lines with this regex")] = None
    raw: Annotated[bool, Field(description="escapes and redraws as written")] = False
    view: Annotated[Literal["lines", "screen"], Field(description="screen: what a full-screen program shows now")] = (
        "lines"
    )


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page to read."""

    job_id: Word
    cursor: Annotated[int, Field(description="byte offset: 0, or a next cursor")] = 0
    max_bytes: int = 16_000
    stream: StreamName = "both"
    raw: bool = False


class Reading:
    """``tail_job_output`` and ``get_job_output``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def tail_job_output(self, caller: Caller, request: Tail) -> JobText:
        """The last lines of a job's output, as a terminal would show them."""
        lines = request.lines
        if not 0 < lines <= _MAX_LINES:
            raise InvalidRequestError(f"lines={lines}: give 1 to {_MAX_LINES}; get_job_output pages through all of it")
        job = await self._manager.find(request.job_id, caller.looks)
        if request.view == "screen":
            picture = await self._manager.screen(job)
            self._manager.news.show(caller.reader, job.job_id, {OUTPUT: picture.next})
            return JobText(job, picture.next, picture.text, picture.place)
        tail = await self._manager.tail(job, lines=lines, stream=request.stream, grep=request.grep, raw=request.raw)
        if request.stream == "both" and not request.grep:  # otherwise not all of it was shown
            self._manager.news.show(caller.reader, job.job_id, {OUTPUT: tail.next})
        return JobText(job, tail.end, tail.text)

    async def get_job_output(self, caller: Caller, request: Page) -> JobText:
        """A page of a job's output. Read on from "next cursor"; the whole log is kept and can be read again."""
        cursor, max_bytes = request.cursor, request.max_bytes
        if cursor < 0 or max_bytes < 1:
            raise InvalidRequestError(
                f"cursor={cursor}, max_bytes={max_bytes}: cursor is 0 or more, max_bytes 1 or more"
            )
        job = await self._manager.find(request.job_id, caller.looks)
        page = await self._manager.page(
            job, cursor=cursor, max_bytes=min(max_bytes, _MAX_PAGE), stream=request.stream, raw=request.raw
        )
        over = job.state is State.EXITED and page.next >= page.end
        return JobText(job, page.end, page.text, _place(page, over=over))


def _place(page: PageOfLog, *, over: bool) -> str:
    end = ", the end" if over else ""
    return f" bytes {page.start}-{page.next} of {page.end}, next cursor {page.next}{end}"
