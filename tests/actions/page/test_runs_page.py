"""What the pages of runs are told: the list, and a run with what it says, live; and nobody is told less for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.page.runs import one as one_module
from mcp_background_job.actions.page.runs.listed import Runs, runs_subject
from mcp_background_job.actions.page.runs.one import Before, One, Transcripts, run_subject
from mcp_background_job.actions.page.subject import Cursor, Subject
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.news import Reader
from mcp_background_job.core.run import RunStatus
from mcp_background_job.errors import UnknownRunError
from mcp_background_job.jobs.manager import JobManager
from tests.agents.conftest import agents as agents  # noqa: PLC0414  a fixture
from tests.agents.conftest import runs as runs  # noqa: PLC0414  likewise
from tests.agents.conftest import workspace as workspace  # noqa: PLC0414  likewise
from tests.agents.fake_agents import Agents, events_until, of
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

PAGE = Caller(client="page", directory="/here", project="", reader=Reader("page"))


async def _until(subject: Subject[Any], request: Any, cursor: Cursor, found: str) -> tuple[Cursor, list[Facts]]:
    """Watch until facts hold these words; returns the last cursor, and all facts."""
    heard: list[Facts] = []
    async with asyncio.timeout(PATIENCE_S), subject.keep(PAGE, request):
        while True:
            if seen := await subject.look(PAGE, request, cursor):
                cursor = seen.cursor
                heard.append(seen.facts)
                if found in str(seen.facts):
                    return cursor, heard
            await subject.wait(PAGE, request, cursor)


@pytest.fixture
def house(manager: JobManager, runs: RunManager) -> House:
    return House(manager, at_hand(None), at_hand(runs))  # pyright: ignore[reportArgumentType]  nobody renders


ASKS = "greet()\nspeak('thinking ' + 'x' * 5000)\nspeak('told: ' + str(ask('r', 'rm x')))\ndone('fine')\nhear()\n"


async def test_a_run_is_watched_from_its_question_to_its_end(
    house: House, runs: RunManager, agents: Agents, manager: JobManager
) -> None:
    run = await runs.spawn(agents.claude(ASKS, "the task", nickname="ann"))
    listed, shown = runs_subject(house), run_subject(Transcripts(house))
    request = One(run_id=run.record.run_id)

    rows, heard = await _until(listed, Runs(), None, "asks to use Bash")
    assert [(row["agent"], row["status"], row["prompt"]) for row in heard[-1]["rows"]] == [
        ("ann", "input_required", "the task")
    ]
    cursor, facts = await _until(shown, request, None, "asks to use Bash")
    assert facts[0]["first"] == 1
    assert facts[-1]["run"]["question"]["choices"][0]["label"] == "Allow"
    spoken = [entry["text"] for told in facts for entry in told["entries"] if entry["kind"] == "spoken"]
    assert spoken == ["thinking " + "x" * 5000], "what was cut for models is put back"
    assert await shown.look(PAGE, request, cursor) is None

    await runs.go_on(of(run), {"role": "user", "parts": [{"type": "text", "text": "no"}]})

    cursor, facts = await _until(shown, request, cursor, "'is_over': True")
    assert all("first" not in told for told in facts)
    kinds = [entry["kind"] for told in facts for entry in told["entries"]]
    assert kinds == ["told", "spoken", "end"]
    assert facts[-1]["run"]["question"] is None
    _, heard = await _until(listed, Runs(), rows, "completed")
    assert heard[-1]["rows"][0]["ended_at"] is not None
    shown_for_good = await manager.news.shown(PAGE.reader, [run.record.run_id])
    assert not any(one.knows_end for one in shown_for_good.values()), "a page is told nothing for good"


@pytest.mark.parametrize("cursor", ["", [True], ["1", "x"], {"a": 1}, [-1, "x"]])
async def test_a_cursor_of_another_program_has_seen_nothing(
    house: House, runs: RunManager, agents: Agents, cursor: Cursor
) -> None:
    run = await runs.spawn(agents.command("true"))
    await events_until(runs, run)
    seen = await run_subject(Transcripts(house)).look(PAGE, One(run_id=run.record.run_id), cursor)
    assert seen
    assert seen.facts["first"] == 1


async def test_a_long_transcript_begins_near_its_end_and_what_was_before_can_be_had(
    house: House, runs: RunManager, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_module, "TAIL", 5)
    run = await runs.spawn(agents.codex("begin()\nfor n in range(20):\n    text(f'word {n}')\nfinish()\n"))
    await events_until(runs, run)
    transcripts, run_id = Transcripts(house), run.record.run_id

    _, facts = await _until(run_subject(transcripts), One(run_id=run_id), None, "'is_over': True")
    first, entries = facts[0]["first"], facts[0]["entries"]
    assert first > 1
    while first > 1:
        earlier = await transcripts.run_before(PAGE, Before(run_id=run_id, before=first))
        first, entries = earlier["first"], earlier["entries"] + entries

    assert [entry["text"] for entry in entries if entry["kind"] == "spoken"] == [f"word {n}" for n in range(20)]


async def test_a_list_is_of_one_status_or_all_and_a_run_that_is_not_there_is_named(
    house: House, runs: RunManager, agents: Agents
) -> None:
    well, badly = await runs.spawn(agents.command("true")), await runs.spawn(agents.command("false"))
    for run in (well, badly):
        await events_until(runs, run)
    listed = runs_subject(house)

    failed = await listed.look(PAGE, Runs(status=RunStatus.FAILED.value), None)
    one = await listed.look(PAGE, Runs(limit=1), None)

    assert failed
    assert [row["run_id"] for row in failed.facts["rows"]] == [badly.record.run_id]
    assert one
    assert (len(one.facts["rows"]), one.facts["more"]) == (1, True)
    with pytest.raises(UnknownRunError):
        await run_subject(Transcripts(house)).look(PAGE, One(run_id="rzzzzzz"), None)
