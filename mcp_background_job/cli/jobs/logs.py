"""``logs``: a job's output."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Literal

from mcp_background_job.cli import durations, exit_codes, terminal
from mcp_background_job.cli.arguments import Follow
from mcp_background_job.cli.jobs.follow import Follower
from mcp_background_job.cli.jobs.printers import BytePrinter, LinePrinter, Printer
from mcp_background_job.cli.jobs.stamps import Stamps
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import looks, with_manager
from mcp_background_job.core.job import Job
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Piece
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import compile_regex, stream_of

if TYPE_CHECKING:
    import regex

#: Bytes that a tail reads first; most lines are short. It reads so many times more until it has enough.
_FIRST_READ = 64 * 1024
_MORE = 8


@frozen
class _Wish:
    follow: bool
    lines: int | None
    grep: regex.Pattern[str] | None
    stream: Stream | None
    raw: bool
    since: _Since | None
    timestamps: bool


@frozen
class _Since:
    """From where on output is printed: an offset in bytes, or else a moment, in seconds since the epoch."""

    offset: int | None
    moment: float = 0.0


def logs(
    job: str,
    /,
    *,
    follow: Follow = False,
    lines: Annotated[int | None, named("--lines", "-n")] = None,
    grep: str | None = None,
    stream: Literal["both", "stdout", "stderr"] = "both",
    raw: bool = False,
    since: str | None = None,
    timestamps: bool = False,
) -> int:
    """Print a job's output as a terminal would show it: redraws are collapsed, styles are removed.

    Args:
        job: Id or name of the job.
        follow: Go on until the job is over.
        lines: Print only the last lines, at most this many.
        grep: Print only lines in which this regular expression is found.
        stream: Print only what was written to this stream.
        raw: Print the bytes unchanged, with the escape sequences that a terminal obeys.
        since: Print only what was written since then: 5m ago, a time such as 2030-01-31T12:00, or an offset in bytes.
        timestamps: Print before each line when it began.
    """
    wish = _Wish(
        follow=follow,
        lines=lines,
        grep=compile_regex(grep, "--grep") if grep else None,
        stream=stream_of(stream),
        raw=raw,
        since=_since(since) if since is not None else None,
        timestamps=timestamps,
    )
    _check(wish)
    return with_manager(lambda manager: _logs(manager, job, wish))


def _check(wish: _Wish) -> None:
    if wish.raw and (wish.grep or wish.timestamps):
        raise InvalidRequestError("--raw prints the bytes as they are: leave out --grep and --timestamps")
    if wish.lines is not None and wish.lines < 0:
        raise InvalidRequestError(f"--lines {wish.lines}: give 0 or more")
    if wish.lines is not None and wish.since is not None:
        raise InvalidRequestError("--lines and --since: give one of them")
    if wish.timestamps and wish.stream is not None:
        raise InvalidRequestError("--timestamps are kept for both streams together: leave out --stream")


async def _logs(manager: JobManager, reference: str, wish: _Wish) -> int:
    job = await manager.find(reference, looks(manager))
    printer = _printer(manager, job, wish)
    if wish.lines is None:
        start = await lanes.scan(_start, manager, job, wish.since)
    else:
        start = await lanes.scan(_tail, manager, job, wish, printer, wish.lines)
    async for piece in _pieces(Follower(manager, job, start, wish.stream), wish):
        printer.feed(piece)
    printer.finish()
    return exit_codes.OK


async def _pieces(follower: Follower, wish: _Wish) -> AsyncIterator[Piece]:
    if wish.follow:
        async for piece in follower.pieces():
            yield piece
    elif wish.lines is None:
        async for piece in follower.pieces_so_far():
            yield piece


def _printer(manager: JobManager, job: Job, wish: _Wish) -> Printer:
    # A terminal draws by itself, and at once: a prompt or a progress bar is seen before its line has an end.
    drawn_by_terminal = wish.follow and terminal.for_people() and not wish.grep and not wish.timestamps
    if wish.raw or drawn_by_terminal:
        return BytePrinter(drawn=not wish.raw)
    stamps = Stamps(manager.places.store_of(job.job_id), job.job_id) if wish.timestamps else None
    return LinePrinter(wish.grep, stamps)


def _since(text: str) -> _Since:
    is_offset = text.isascii() and text.isdecimal()
    return _Since(int(text)) if is_offset else _Since(None, durations.moment(text, time.time(), "--since"))


def _start(manager: JobManager, job: Job, since: _Since | None) -> int:
    if since is None:
        return 0
    if since.offset is not None:
        return since.offset
    return manager.places.store_of(job.job_id).offset_at(job.job_id, since.moment)


def _tail(manager: JobManager, job: Job, wish: _Wish, printer: Printer, count: int) -> int:
    """Write the last lines from as little of the log as holds them; returns the offset behind them."""
    store = manager.places.store_of(job.job_id)
    limit = _FIRST_READ
    while True:
        piece = store.read_log_tail(job.job_id, limit, wish.stream)
        whole = piece.start <= piece.first
        if printer.tail(piece, count, whole=whole, more=wish.follow) or whole:
            return piece.next
        limit *= _MORE
