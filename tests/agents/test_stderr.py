"""What an agent writes to stderr is told as a sign of life: a line now and then, the same ones whoever reads."""

from __future__ import annotations

from mcp_background_job.agents.events.stderr import INTERVAL_S, Stderr
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Part


def _part(data: str, at: float, offset: int = 0) -> Part:
    return Part(offset, at, data.encode(), stream=Stream.STDERR)


def _told(stderr: Stderr, *written: tuple[float, str]) -> list[str]:
    texts: list[str] = []
    offset = stderr.read_to
    for at, line in written:
        part = _part(f"{line}\n", at, offset)
        texts += [event.data["text"] for event in stderr.feed(part)]
        offset += len(part.data)
    return texts


def test_the_first_trouble_is_told_at_once_and_then_a_line_in_ten_seconds() -> None:
    told = _told(
        Stderr(began_at=100.0),
        (101.0, "Loaded cached credentials."),
        (102.0, "Attempt 1 failed with status 429. Retrying with backoff..."),
        (103.0, "Attempt 2 failed"),
        (112.0 - 0.1, "Attempt 3 failed"),
        (112.0, "Attempt 4 failed"),
        (123.0, "waiting"),
    )
    assert told == ["Attempt 1 failed with status 429. Retrying with backoff...", "Attempt 4 failed", "waiting"]


def test_a_line_of_a_structured_log_is_told_by_what_it_says() -> None:
    logged = "timestamp=2026-11-28T17:11:24.005Z level=ERROR run=a7b6a742 "
    lines = (
        f'{logged}message="stream error" providerID=fake small=false error.error="AI_APICallError: Too \\"many\\""',
        f"{logged}message=process session.id=ses_1 error=ECONNREFUSED stack=x",
        f"{logged}session.id=ses_1",
        "an error with timestamp=1 and message=none",
    )
    assert _told(Stderr(began_at=0.0), *((at * INTERVAL_S, line) for at, line in enumerate(lines, 1))) == [
        'stream error: AI_APICallError: Too \\"many\\"',
        "process: ECONNREFUSED",
        lines[2],
        lines[3],
    ]


def test_a_greeting_is_not_told_and_what_comes_later_is() -> None:
    stderr = Stderr(began_at=100.0)
    assert _told(stderr, (100.1, "Reading prompt from stdin..."), (100 + INTERVAL_S, "still here")) == ["still here"]


def test_a_line_in_pieces_is_told_whole_without_colours_whoever_reads_the_rest() -> None:
    first = Stderr(began_at=0.0)
    words = "\x1b[31mErr\u00f6r: retry\x1b[0m"
    written = f"{words}\n".encode()
    cut = written.index(b"\xb6")  # within a character
    assert first.feed(Part(0, 1.0, written[:cut], stream=Stream.STDERR)) == []
    second = Stderr(began_at=0.0, **first.dump())
    (event,) = second.feed(Part(0, 1.0, written, stream=Stream.STDERR))
    assert event.data == {"text": "Err\u00f6r: retry", "stderr": True}
    assert second.feed(Part(0, 99.0, written, stream=Stream.STDERR)) == [], "it was read before"


def test_a_line_without_end_takes_no_memory() -> None:
    stderr = Stderr(began_at=0.0)
    for number in range(10):
        stderr.feed(_part("x" * 10_000, 1.0, number * 10_000))
    assert len(stderr.unfinished) < 10_000
