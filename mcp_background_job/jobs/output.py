"""Reads a job's log for an answer: rendered, within a budget, and with the way to the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_background_job.core.output import gaps, rendering
from mcp_background_job.core.output.rendering import Row
from mcp_background_job.core.output.screen import incomplete_tail
from mcp_background_job.core.output.window import COLUMNS, ROWS
from mcp_background_job.core.text import size
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors.base import Store
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Piece

if TYPE_CHECKING:
    import regex

#: Bytes of UTF-8.
_LONGEST_CODE_POINT = 4

#: Characters of output in the answer of a call that is not about output (about 1,500 tokens).
EXCERPT_BUDGET = 6000

#: Characters that a tail may have at most.
TAIL_BUDGET = 24_000

#: The same, of one that only says that the wait is not over: whoever waits for hours asks often.
NEWS_BUDGET = 500

#: The same, for whoever knows some of its output already: 72 waits of 50 s with new output each take 6,000 tokens.
MORE_NEWS_BUDGET = 160

#: Bytes of the newest output from which as much is shown.
_NEWS_READ = 32 * 1024

#: Characters that are left for output, however long the note on the rest is.
_LEAST_ROOM = 50

#: Bytes from which a screen is drawn: within these a full-screen program has drawn all of it anew. And so many are
#: drawn whole; of more, only what came since the screen was cleared.
_SCREEN_READ = 1_000_000
_SCREEN_WHOLE = 128 * 1024

#: Bytes of the log that one call reads at most: redraws may make much of little, and reading must end.
MAX_READ = 4 * 1024 * 1024

#: Bytes that a tail reads first; most lines are short.
_FIRST_READ = 32 * 1024

#: A log up to this size is read whole for an excerpt; of a larger one so much of its beginning and its end.
_WHOLE = 1024 * 1024
_HEAD_READ = 64 * 1024
_END_READ = 256 * 1024

#: Of places in what is left out at which bytes are missing so many are named; a page has them all.
_MAX_NOTES = 10

#: A regular expression has this long for one piece of output, so that a pathological one ends.
REGEX_TIMEOUT_S = 2.0

STREAMS = {"both": None, "stdout": Stream.STDOUT, "stderr": Stream.STDERR}


@frozen
class Excerpt:
    """Output for an answer.

    Attributes:
        text: as it is shown, with a note at its top if something was left out.
        next: offset in the log behind it.
        end: offset behind the newest byte of the log.
        first: offset of the oldest byte that is kept.
    """

    text: str
    next: int
    end: int
    first: int = 0


@frozen
class PageOfLog:
    """A page of the log and where it lies."""

    text: str
    start: int
    next: int
    first: int
    end: int


def excerpt(
    store: Store, job_id: str, *, since: int = 0, budget: int = EXCERPT_BUDGET, failed: bool = False
) -> Excerpt:
    """Return what matters of the output from an offset on: all, or its beginning and its end."""
    piece = store.read_log(job_id, since, _WHOLE)
    if piece.next < piece.end:
        return _excerpt_of_large(store, job_id, piece, budget, failed=failed)
    rows = rendering.render(piece.data, piece.start, piece.gaps)
    return Excerpt(_fitted(rows, budget, failed=failed), piece.end, piece.end, piece.first)


def _excerpt_of_large(store: Store, job_id: str, head: Piece, budget: int, *, failed: bool) -> Excerpt:
    tail = store.read_log_tail(job_id, _END_READ)
    share = rendering.TAIL_SHARE_FAILED if failed else rendering.TAIL_SHARE
    first, _, _ = rendering.fit(
        rendering.render(head.data[:_HEAD_READ], head.start, gaps.within(head.gaps, _HEAD_READ, len(head.data))),
        int(budget * (1 - share)),
        tail_share=0,
    )
    newline = tail.data.find(b"\n") + 1  # the first line is most likely a part of one
    rows = rendering.render(tail.data[newline:], tail.start + newline, gaps.shifted(tail.gaps, newline))
    _, last, cut = rendering.fit(rows, int(budget * share), tail_share=1)
    last = last if cut else rows
    gap_start = first[-1].offset if first else head.start
    gap_end = last[0].offset if last else tail.end
    note = (
        f"[output is {size(tail.end - head.start)}: its beginning and end are shown; "
        f"left out are about {size(gap_end - gap_start)}, to be read with get_job_output from cursor {gap_start}]"
    )
    missing = gaps.summary(store.missing(job_id, gap_start, gap_end))
    left_out = f"[… left out, and there {missing} …]" if missing else "[… left out …]"
    text = f"{note}\n{rendering.join(first)}\n{left_out}\n{rendering.join(last)}"
    return Excerpt(text, tail.end, tail.end, tail.first)


def newest(store: Store, job_id: str, *, since: int, budget: int = NEWS_BUDGET) -> Excerpt:
    """Return the end of what a live job has written from an offset on, and where the rest of that is."""
    end = store.read_log(job_id, since, 0).end
    piece = store.read_log(job_id, max(since, end - _NEWS_READ), _NEWS_READ)
    is_all = piece.start <= since
    skip = 0 if is_all else piece.data.find(b"\n") + 1
    stop = len(piece.data) - incomplete_tail(piece.data)  # the rest comes with what completes it
    missing = gaps.shifted(gaps.within(piece.gaps, stop, len(piece.data)), skip)
    rows = rendering.render(piece.data[skip:stop], piece.start + skip, missing)
    after = piece.next - (len(piece.data) - stop)
    if is_all and sum(len(row.text) + 1 for row in rows) <= budget:
        return Excerpt(rendering.join(rows), after, piece.end, piece.first)
    room = budget - len(_before(store, job_id, since, after)) - 1
    shown = _ending(rows, max(room, _LEAST_ROOM))
    begin = shown[0].offset if shown else after
    text = "\n".join([_before(store, job_id, since, begin), *(row.text for row in shown)])
    return Excerpt(text, after, piece.end, piece.first)


def _ending(rows: list[Row], room: int) -> list[Row]:
    """Return the last rows that fit, of the very last one at least its end."""
    head, tail, cut = rendering.fit(rows, room, tail_share=1)
    shown = tail if cut else head
    return shown or [Row(f"…{row.text[1 - room :]}", row.offset) for row in rows[-1:]]


def _before(store: Store, job_id: str, since: int, begin: int) -> str:
    """Return the note on what is not shown."""
    missing = gaps.summary(store.missing(job_id, since, begin))
    lost = f", and {missing}" if missing else ""
    return f"[before this {size(begin - since)}{lost}: get_job_output from cursor {since}]"


def tail(store: Store, job_id: str, *, lines: int, stream: str, grep: str | None, raw: bool) -> Excerpt:
    """Return the last lines: as many as asked for, from as little of the log as holds them."""
    which = stream_of(stream)
    pattern = compile_regex(grep, "grep") if grep else None
    limit = _FIRST_READ
    while True:
        piece = store.read_log_tail(job_id, limit, which)
        rows = _tail_rows(piece, raw=raw)
        if pattern:
            rows = [row for row in rows if row.is_note or found(pattern, row.text)]
        whole = piece.start <= piece.first
        if sum(not row.is_note for row in rows) >= lines or whole or limit >= MAX_READ:
            break
        limit = min(limit * 8, MAX_READ)
    shown = _last(rows, lines)
    text = _fitted(shown, TAIL_BUDGET, failed=True)
    if pattern and not whole:
        text = f"[searched: the last {size(piece.end - piece.start)}]\n{text}"
    return Excerpt(text, piece.end, piece.end, piece.first)


@frozen
class Picture:
    """What a job's terminal shows.

    Attributes:
        text: its lines, those at the end left out that are empty.
        place: what of it this is, in words.
        next: offset in the log behind what it is drawn from.
        row: line of the cursor, the first of which is 1.
        column: likewise.
    """

    text: str
    place: str
    next: int
    row: int
    column: int


def screen(store: Store, job_id: str) -> Picture:
    """Return what a job's terminal shows at this moment."""
    from mcp_background_job.core.output.terminal import Terminal, last_clear  # noqa: PLC0415  seldom asked for

    piece = store.read_log_tail(job_id, _SCREEN_READ)
    begin, what = 0, f"the last {size(len(piece.data))}; what was there before is missing"
    if not piece.start and len(piece.data) <= _SCREEN_WHOLE:
        what = "all output"
    elif (clear := last_clear(piece.data)) is not None:
        begin, what = clear, "the last clear"
    elif not piece.start:
        what = "all output"
    terminal = Terminal()
    terminal.feed(piece.data[begin:].decode("utf-8", "replace"))
    missing = gaps.summary(gap for gap in piece.gaps if gap.position >= begin and gap.count)
    lost = f", of which {missing}" if missing and what != "all output" else ""
    row, column = terminal.row + 1, min(terminal.column + 1, COLUMNS)
    place = f" screen of {ROWS}x{COLUMNS}, drawn from {what}{lost}; cursor at line {row}, column {column}"
    return Picture("\n".join(terminal.lines()).rstrip("\n"), place, piece.next, row, column)


def _last(rows: list[Row], lines: int) -> list[Row]:
    """Return the last so many lines, and the notes among them; those before them too if there are no more lines."""
    left = lines
    for number in range(len(rows) - 1, -1, -1):
        if not rows[number].is_note:
            if not left:
                return rows[number + 1 :]
            left -= 1
    return rows


def _tail_rows(piece: Piece, *, raw: bool) -> list[Row]:
    # Unless all is read, the first line is a part of one.
    skip = piece.data.find(b"\n") + 1 if piece.start > piece.first else 0
    data, offset, missing = piece.data[skip:], piece.start + skip, gaps.shifted(piece.gaps, skip)
    return rendering.raw_rows(data, offset, missing) if raw else rendering.render(data, offset, missing)


def page(
    store: Store,
    job_id: str,
    *,
    cursor: int,
    max_bytes: int,
    stream: str,
    raw: bool,
    ended: bool,
) -> PageOfLog:
    """Return a page of the log from a cursor on. Reading on from ``next`` until it is ``end`` gives the whole log."""
    which = stream_of(stream)
    if raw:
        piece = _raw_piece(store, job_id, cursor, max_bytes, which)
        is_whole = which is not None or (ended and piece.next == piece.end)
        cut = 0 if is_whole else _incomplete_code_point(piece.data)
        shown = len(piece.data) - cut
        text = rendering.raw_text(piece.data[:shown], gaps.within(piece.gaps, shown, len(piece.data)))
        return PageOfLog(text, piece.start, piece.next - cut, piece.first, piece.end)
    piece = store.read_log(job_id, cursor, max(MAX_READ, max_bytes), which)
    final = ended and piece.next == piece.end
    drawn = rendering.render_page(piece.data, piece.start, budget=max_bytes, final=final, gaps=piece.gaps)
    # With one stream of two, a part of the data has no simple place in the log: the page is then the whole piece.
    if which is not None and drawn.consumed < len(piece.data):
        piece = store.read_log(job_id, cursor, max(drawn.consumed, 1), which)
        drawn = rendering.render_page(piece.data, piece.start, budget=None, final=True, gaps=piece.gaps)
        return PageOfLog(rendering.join(drawn.rows), piece.start, piece.next, piece.first, piece.end)
    after = piece.next if drawn.consumed == len(piece.data) else piece.start + drawn.consumed
    return PageOfLog(rendering.join(drawn.rows), piece.start, after, piece.first, piece.end)


def _raw_piece(store: Store, job_id: str, cursor: int, characters: int, stream: Stream | None) -> Piece:
    """Read as many bytes as give so many characters: what is shown as an escape takes four."""
    limit = characters
    while True:
        piece = store.read_log(job_id, cursor, limit, stream)
        length = len(rendering.as_raw_text(piece.data))
        if length <= characters or limit == 1:
            return _with_whole_code_point(store, job_id, piece, characters, stream)
        limit = max(1, min(limit - 1, len(piece.data) * characters // length))


def _with_whole_code_point(store: Store, job_id: str, piece: Piece, characters: int, stream: Stream | None) -> Piece:
    """Return, in place of the first byte of a code point alone, the whole of it if that fits: it may be one escape."""
    if not piece.data or incomplete_tail(piece.data) < len(piece.data):
        return piece
    for limit in range(len(piece.data) + 1, _LONGEST_CODE_POINT + 1):
        longer = store.read_log(job_id, piece.start, limit, stream)
        if not incomplete_tail(longer.data) and len(rendering.as_raw_text(longer.data)) <= characters:
            return longer
    return piece


def _incomplete_code_point(data: bytes) -> int:
    cut = incomplete_tail(data)
    return cut if cut < _LONGEST_CODE_POINT and b"\x1b" not in data[-cut:] and cut < len(data) else 0


def stream_of(name: str) -> Stream | None:
    """Return the stream with this name, ``None`` for both.

    Raises:
        InvalidRequestError: there is no such stream.
    """
    if name not in STREAMS:
        raise InvalidRequestError(f"stream={name!r}: give stdout, stderr or both")
    return STREAMS[name]


#: Characters of an expression that an error repeats.
_QUOTED = 100


def compile_regex(pattern: str, argument: str) -> regex.Pattern[str]:
    """Compile a caller's regular expression.

    Raises:
        InvalidRequestError: it is none; ``argument`` is named in the message.
    """
    import regex  # noqa: PLC0415  many a session needs none

    try:
        return regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        raise InvalidRequestError(f"{_quoted(argument, pattern)} is not a regular expression: {error}") from error
    except RecursionError as error:
        raise InvalidRequestError(
            f"{_quoted(argument, pattern)} is nested too deeply for a regular expression: make it simpler"
        ) from error


def _quoted(argument: str, pattern: str) -> str:
    return f"{argument}={pattern if len(pattern) <= _QUOTED else pattern[:_QUOTED] + '…'!r}"


def found(pattern: regex.Pattern[str], text: str, begin: int = 0) -> regex.Match[str] | None:
    """Search from a position on, without holding up other threads.

    Raises:
        InvalidRequestError: the expression needs too long.
    """
    try:
        return pattern.search(text, begin, timeout=REGEX_TIMEOUT_S, concurrent=True)
    except TimeoutError as error:
        raise InvalidRequestError(
            f"the regular expression {pattern.pattern!r} takes more than {REGEX_TIMEOUT_S:g} s on one piece of output: "
            "make it simpler"
        ) from error


def _fitted(rows: list[Row], budget: int, *, failed: bool) -> str:
    share = rendering.TAIL_SHARE_FAILED if failed else rendering.TAIL_SHARE
    head, last, cut = rendering.fit(rows, budget, tail_share=share)
    if cut is None:
        return rendering.join(head)
    note = (
        f"[{cut.lines} lines, {cut.characters} characters left out in the middle; "
        f"read them with get_job_output from cursor {cut.offset}]"
    )
    middle = "\n".join([f"[… {cut.lines} lines left out …]", *cut.notes[:_MAX_NOTES]])
    return f"{note}\n{rendering.join(head)}\n{middle}\n{rendering.join(last)}"
