"""What ``top`` must not do: obey what a job wrote, move anybody's memory, read what nobody sees."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Any

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.jobs.manager import JobManager
from tests.cli.top.conftest import Open, Start, TestDesk
from tests.places.memory import MemoryJob, MemoryPlace

HOSTILE = (
    b"\x1b]52;c;aGFjaw==\x07\x1b]0;title\x07 [bold red]markup[/] [@click=app.quit]quit[/] \xe2\x80\xaegnp.exe "
    b"\x1b[2J\x1b[H\x1b[6n\x9b31m \x1bPq#0\x1b\\ \xff\xfe ${jndi} \x1b[?1049l end\n"
)


async def test_hostile_text_is_shown_and_not_obeyed(opened: Open, start: Start) -> None:
    text = HOSTILE.decode("utf-8", "surrogateescape")
    _, job = await start(None, command=f"printf '{text}'", cwd="/")
    job.say(HOSTILE)
    async with opened(200) as shown:
        await shown.sees(r"end *\n")
        await shown.press("tab", "slash", *"bold", "enter")
        await shown.press("k")
        await shown.is_asked("Kill .* and all that it started")
        assert "[@click=app.quit]quit[/]" in shown.text
        for strip in shown.app.screen._compositor.render_strips():
            for segment in strip:
                assert not segment.control
                assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", segment.text), segment.text
                assert segment.style is None or not segment.style.link
        assert shown.app.is_running


async def test_a_look_tells_nobody_anything(
    opened: Open, start: Start, memory_manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def note(name: str, *_: object, **__: object) -> None:
        told.append(name)

    for name in ("show", "to_tell", "tell_end", "expect"):
        monkeypatch.setattr(memory_manager.news, name, partial(note, name))
    _, job = await start("quiet")
    job.say(b"line\n" * 5000)
    async with opened() as shown:
        await shown.sees("quiet")
        await shown.press("enter", "home", "end", "escape", "f", "v", "slash", "q", "enter")
        job.end(Outcome.FAILED, exit_code=1)
        await shown.sees("failed .*quiet")
    assert told == []


async def test_of_ten_thousand_jobs_those_are_read_that_are_seen(
    opened: Open, desk: TestDesk, memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    now = time.time()
    ids = ["j" + "".join("abcdefghij"[int(digit)] for digit in f"{number:05d}") for number in range(10_000)]
    jobs = [
        Job(
            job_id=job_id,
            command=f"work {number}",
            cwd="/",
            created_at=now - number,
            state=State.EXITED,
            outcome=Outcome.COMPLETED,
            name=f"job{number}",
        )
        for number, job_id in enumerate(ids)
    ]
    over = Exit(outcome="completed", ended_at=now)
    memory_place.store.jobs.update({job_id: MemoryJob(exit=over) for job_id in ids})
    await memory_manager.index.put(jobs)
    async with opened() as shown:
        await shown.sees("job0 [^$]*10000 jobs|10000 jobs[^$]*job0 ")
        await shown.press("end")
        await shown.sees("job9999 ")
        await shown.press("home")
        await shown.sees("job0 ")
        await shown.press("slash", *"job777", "enter")
        await shown.sees("11 jobs with job777")
    assert max(asked["limit"] for name, asked in desk.watched if name == "jobs") <= 200


@pytest.mark.parametrize(("width", "wished"), [(60, False), (200, True)])
async def test_without_colours_nothing_is_coloured_and_the_row_that_is_meant_is_seen(
    opened: Open, start: Start, monkeypatch: pytest.MonkeyPatch, *, width: int, wished: bool
) -> None:
    if wished:  # by a person; else the terminal has none
        monkeypatch.setenv("NO_COLOR", "1")
    await start("only")
    async with opened(width, in_colour=False) as shown:
        await shown.sees("running .*only")
        styles: list[Any] = []
        for strip in shown.app.screen._compositor.render_strips():
            for filter_ in shown.app._filters:
                strip = strip.apply_filter(filter_, shown.app.screen.styles.background)  # noqa: PLW2901
            styles += [segment.style for segment in strip if segment.style]
            assert strip.cell_length == width
    colours = {colour for style in styles for colour in (style.color, style.bgcolor) if colour}
    assert {colour.name for colour in colours} <= {"default"}
    assert any(style.reverse for style in styles)
