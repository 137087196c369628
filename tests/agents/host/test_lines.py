"""Lines of any length at any chunking: every byte once, and none kept beyond the limit."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.agents.host.lines import lines_of

_LIMIT = 16


async def _read(chunks: list[bytes]) -> list[bytes]:
    reader = asyncio.StreamReader(limit=_LIMIT)

    async def write() -> None:
        for chunk in chunks:
            reader.feed_data(chunk)
            await asyncio.sleep(0)
        reader.feed_eof()

    writing = asyncio.ensure_future(write())
    lines = [line async for line in lines_of(reader)]
    await writing
    return lines


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"x" * 30, b"y\nz"]), max_size=12))
def test_no_byte_is_lost_and_whole_lines_stay_whole(chunks: list[bytes]) -> None:
    sent = b"".join(chunks)
    lines = asyncio.run(_read(chunks))
    assert b"".join(lines) == sent.replace(b"\n", b"")
    if all(len(line) < _LIMIT for line in sent.split(b"\n")):
        assert lines == sent.removesuffix(b"\n").split(b"\n") if sent else lines == []


def test_a_line_that_is_too_long_comes_in_pieces_and_the_next_one_is_whole() -> None:
    lines = asyncio.run(_read([b"x" * 100, b"y" * 100 + b"\n", b"next\n"]))
    assert b"".join(lines[:-1]) == b"x" * 100 + b"y" * 100
    assert lines[-1] == b"next"
