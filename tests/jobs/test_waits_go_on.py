"""What a caller is told by one wait after another: news, and not history."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.control import Controlling
from mcp_background_job.actions.jobs.output import Reading
from mcp_background_job.actions.jobs.report import JobResult, JobsResult
from mcp_background_job.actions.jobs.waiting import WaitFor, Waiting
from mcp_background_job.core.job import Job
from mcp_background_job.core.news import OUTPUT, Reader, Way, matches_of
from mcp_background_job.executors.places import Places
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.jobs.output import NEWS_BUDGET
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.registry.news import SqliteNews
from tests.patience import WAIT_S
from tests.places.memory import MemoryNames, MemoryPlace

#: What a wait that goes on says beside the output, at most.
STATE = 300


def caller(name: str = "claude@/project", conversation: str = "") -> Caller:
    return Caller(client="test", directory="/", project="/project", reader=Reader(name, conversation))


ME = caller()
OTHERS = [caller("codex@/project"), caller("claude@/other"), caller(conversation="42-1-boot")]


@pytest.fixture
def waiting(memory_manager: JobManager) -> Waiting:
    return Waiting(memory_manager)


async def start(manager: JobManager, **asked: Any) -> Job:
    return (await manager.start(StartRequest(command="obeys", stdin="pipe", **asked))).job


async def say(manager: JobManager, job: Job, *lines: str) -> None:
    for line in lines:
        await manager.send_input(job, f"say {line}\n".encode())


async def wait(waiting: Waiting, job: Job, who: Caller = ME, **asked: Any) -> JobResult:
    result = await waiting.wait_for_job(who, _wish(job.job_id, asked))
    assert isinstance(result, JobResult)
    return result


async def wait_for(waiting: Waiting, *jobs: Job, **asked: Any) -> list[tuple[Any, Any]]:
    result = await waiting.wait_for_job(ME, _wish([job.job_id for job in jobs], asked))
    assert isinstance(result, JobsResult)
    return [(row["status"], row.get("why")) for row in result.jobs]


def _wish(job_id: str | list[str], asked: dict[str, Any]) -> WaitFor:
    options: dict[str, Any] = {"wait_s": 0.0, **asked}
    return WaitFor(job_id=job_id, **options)


def size(result: JobResult) -> int:
    return len(result.model_dump_json(exclude_none=True))


async def test_output_is_told_once(memory_manager: JobManager, waiting: Waiting) -> None:
    job = await start(memory_manager)
    await say(memory_manager, job, "one", "two")
    assert (await wait(waiting, job)).output == "one\ntwo"
    again = await wait(waiting, job)
    assert again.output is None
    assert again.so_far
    assert "no new output" in again.so_far
    await say(memory_manager, job, "three")
    assert (await wait(waiting, job)).output == "three"
    for other in OTHERS:
        assert (await wait(waiting, job, other)).output == "one\ntwo\nthree"
    assert (await wait(waiting, job, cursor=4)).output == "two\nthree"
    await memory_manager.send_input(job, b"exit 3\n")
    over = await wait(waiting, job, wait_s=WAIT_S)
    assert (over.why, over.exit_code, over.output, over.next_cursor) == ("exit", 3, None, 14)
    assert over.so_far == "no new output; get_job_output has all 14 B"


async def test_what_moves_the_memory_of_output_and_what_does_not(memory_manager: JobManager, waiting: Waiting) -> None:
    job = await start(memory_manager)
    reading, controlling = Reading(memory_manager), Controlling(memory_manager)

    async def does_move(handler: Any, **asked: Any) -> bool:
        await wait(waiting, job)
        await say(memory_manager, job, "new")
        action: Action[Any, Any] = Action(handler, Effects.LOOKS)
        await action.call(ME, {"job_id": job.job_id, **asked})
        return (await wait(waiting, job)).output is None

    assert await does_move(reading.tail_job_output)
    assert await does_move(controlling.interact_with_job, input="say answer", wait_s=0.1)
    assert not await does_move(reading.tail_job_output, grep="other")
    assert not await does_move(reading.tail_job_output, stream="stderr")
    assert not await does_move(reading.get_job_output)


async def test_a_wait_that_is_not_over_is_told_in_few_words(memory_manager: JobManager, waiting: Waiting) -> None:
    job = await start(memory_manager)
    await say(memory_manager, job, *(f"line {number} {'.' * 20}" for number in range(1000)))
    for _ in range(2):
        first = await wait(waiting, job)
        assert first.output
        assert len(first.output) <= NEWS_BUDGET
        assert first.output.endswith(f"line 999 {'.' * 20}")
        assert "get_job_output from cursor" in first.output
        again = await wait(waiting, job)
        assert again.output is None
        assert size(again) <= STATE
        await say(memory_manager, job, "x" * 9000, *(f"line {number} {'.' * 20}" for number in range(950, 1000)))
    whole = await wait(waiting, job, cursor=0)
    assert whole.output
    assert 4000 < len(whole.output) < 7000


@pytest.mark.parametrize("each", [0, 25])
async def test_an_hour_of_waiting_costs_few_tokens(memory_manager: JobManager, waiting: Waiting, each: int) -> None:
    job = await start(memory_manager, name="training")
    cost = 0
    for number in range(72):
        if each or number == 0:
            await say(memory_manager, job, *("a line of output" for _ in range(each or 1800)))
        cost += size(await wait(waiting, job, wait_s=0.001))
    assert cost / 4 <= 6000


async def test_a_match_that_was_told_is_not_told_again(memory_manager: JobManager, waiting: Waiting) -> None:
    job = await start(memory_manager)
    await say(memory_manager, job, "compiled ok")
    asked: dict[str, Any] = {"until": "ok", "fail_on": "ERR(OR)?"}
    told = await wait(waiting, job, **asked)
    assert (told.why, told.line) == ("matched", "compiled ok")
    assert told.line_s_ago is not None
    assert (await wait(waiting, job, **asked)).why == "timeout"
    await say(memory_manager, job, "compiling", "ERROR in line 3", "compiled ok")
    failed = await wait(waiting, job, **asked)
    assert (failed.why, failed.line) == ("failed_match", "ERROR in line 3")
    assert (await wait(waiting, job, **asked)).line == "compiled ok"
    assert (await wait(waiting, job, **asked)).why == "timeout"
    assert (await wait(waiting, job, **asked, cursor=0)).line == "compiled ok"
    for other in OTHERS:
        assert (await wait(waiting, job, other, **asked)).line == "compiled ok"


async def test_a_match_that_was_told_with_an_answer_to_input_is_not_told_again(
    memory_manager: JobManager, waiting: Waiting
) -> None:
    job = await start(memory_manager)
    talk: Action[Any, Any] = Action(Controlling(memory_manager).interact_with_job, Effects.STARTS)
    answer = await talk.call(ME, {"job_id": job.job_id, "input": "say ready", "until": "read.", "wait_s": WAIT_S})
    assert "matched" in answer.splitlines()[0]
    assert (await wait(waiting, job, until="read.")).why == "timeout"
    assert (await wait(waiting, job, OTHERS[0], until="read.")).why == "matched"


async def test_what_was_told_is_known_after_a_restart(memory_place: MemoryPlace, tmp_path: Path) -> None:
    def news() -> JobNews:
        return JobNews(Places([memory_place], MemoryNames()), lambda: SqliteNews(str(tmp_path / "news.sqlite3")))

    before = news()
    before.show(ME.reader, "jone", {OUTPUT: 10, matches_of("ok"): 7})
    before.close()
    after = news()
    shown = (await after.shown(ME.reader, ["jone", "jtwo"]))["jone"]
    assert (shown.output, shown.behind("ok"), shown.behind("other"), shown.knows_end) == (10, 7, 0, False)
    after.close()


async def test_each_match_is_found_by_itself_also_on_one_line(memory_manager: JobManager, waiting: Waiting) -> None:
    job = await start(memory_manager)
    await say(memory_manager, job, "é 10% \x1b[32m20%\x1b[0m", "\x1b[1m30%\x1b[0m")
    told = [await wait(waiting, job, until=r"\d+%") for _ in range(4)]
    assert [one.line for one in told] == ["é 10% 20%", "é 10% 20%", "30%", None]
    assert (await wait(waiting, job, until=r"^\d+%")).line == "30%"
    assert (await wait(waiting, job, until=r"^\d+%")).why == "timeout"
    empty = [(await wait(waiting, job, until="x?$")).line for _ in range(4)]
    assert empty == ["é 10% 20%", "30%", None, None]


async def test_what_came_before_the_first_wait_counts_and_its_age_is_told(
    memory_manager: JobManager, memory_place: MemoryPlace, waiting: Waiting
) -> None:
    job = await start(memory_manager)
    await say(memory_manager, job, "ready", "more")
    entries = memory_place.store.jobs[job.job_id].entries
    entries[0] = entries[0]._replace(at=entries[0].at - 3600)
    assert (await wait(waiting, job)).output
    told = await wait(waiting, job, until="read.")
    assert told.why == "matched"
    assert told.line_s_ago
    assert 3600 <= told.line_s_ago < 3600 + WAIT_S
    entries.clear()
    unknown = await wait(waiting, job, until="mo+re")
    assert (unknown.why, unknown.line_s_ago) == ("matched", None)
    assert unknown.note
    assert "unknown" in unknown.note


async def test_of_several_a_job_that_is_known_to_have_ended_does_not_end_the_wait_for_any(
    memory_manager: JobManager, waiting: Waiting
) -> None:
    done, other = await start(memory_manager), await start(memory_manager)
    await memory_manager.send_input(done, b"exit 0\n")
    first = await wait_for(waiting, done, other, mode="any", wait_s=WAIT_S)
    assert first == [("completed", "exit"), ("running", None)]
    assert await wait_for(waiting, done, other, mode="any", wait_s=0.05) == [
        ("completed", "exit"),
        ("running", "timeout"),
    ]
    pending = asyncio.create_task(wait_for(waiting, done, other, mode="any", wait_s=WAIT_S))
    await asyncio.sleep(0)
    await memory_manager.send_input(other, b"exit 1\n")
    assert await pending == [("completed", "exit"), ("failed", "exit")]
    assert await wait_for(waiting, done, other, mode="any", wait_s=WAIT_S) == [
        ("completed", "exit"),
        ("failed", "exit"),
    ]


async def test_an_end_that_was_told_with_another_answer_is_known(memory_manager: JobManager, waiting: Waiting) -> None:
    done, other = await start(memory_manager), await start(memory_manager)
    memory_manager.news.expect(ME.reader, [done.job_id])
    await memory_manager.send_input(done, b"exit 0\n")
    assert await memory_manager.news.to_tell(ME.reader, Way.ANSWER)
    assert await wait_for(waiting, done, other, mode="any", wait_s=0.05) == [
        ("completed", "exit"),
        ("running", "timeout"),
    ]
    assert (await wait_for(waiting, done, other, mode="any", until="ok|exit", wait_s=0.05))[1] == ("running", "timeout")


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("Listening (0.0.0.0)", r'pass "Listening \(0\.0\.0\.0\)"'),
        ("done [100%]", r'pass "done \[100%\]"'),
        ("what? no", r'pass "what\? no"'),
        ("x.y", None),
        ("nothing of this (kind)", None),
    ],
)
async def test_plain_text_that_an_expression_does_not_find_is_said(
    memory_manager: JobManager, waiting: Waiting, pattern: str, advice: str | None
) -> None:
    job = await start(memory_manager)
    await say(memory_manager, job, "Listening (0.0.0.0):80", "done [100%]", "what? no", "xzy", "x.y")
    told = await wait(waiting, job, until=pattern)
    assert (told.why == "matched") == (pattern == "x.y")
    assert (advice is None and "plain text" not in (told.note or "")) or (advice and advice in (told.note or ""))
