"""Two projects, two clients, two sessions each, and the same names: all without processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mcp_background_job.actions.action import Action
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.killed import all_of_project
from mcp_background_job.actions.jobs.table import job_actions
from mcp_background_job.core.job import Job
from mcp_background_job.core.news import Reader, Way
from mcp_background_job.errors import (
    AmbiguousNameError,
    BackgroundJobError,
    ForeignNameError,
    InvalidRequestError,
    NameTakenError,
)
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.processes.client import conversation_of
from tests.projects import play

#: Conversations that go on: each is a process of a client, and these two live.
_CONVERSATIONS = [conversation_of(os.getpid()), conversation_of(os.getppid())]


class InProcess:
    """A conversation without a client: it calls the actions, and is told as the server tells."""

    def __init__(self, manager: JobManager, project: str, client: str, number: int) -> None:
        self.who = (project, client, number)
        self.caller = Caller(
            client=f"{client}@{project}",
            directory=project,
            project=project,
            reader=Reader(f"{client}@{project}", _CONVERSATIONS[number]),
        )
        self._manager = manager

        def expect(caller: Caller, job: Job) -> None:
            manager.news.expect(caller.reader, [job.job_id])

        self._actions: dict[str, Action[Any, Any]] = {action.name: action for action in job_actions(manager, expect)}

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call an action; returns its report."""
        report = await self._actions[tool].call(self.caller, arguments)
        return report.model_dump(exclude_none=True) if isinstance(report, BaseModel) else report

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call an action; returns its report, with what is to be told."""
        try:
            answer = await self.call(tool, **arguments)
        except BackgroundJobError as error:
            answer = {"error": error.code}
        return {**answer, "endings": await self.told()}

    async def told(self) -> list[str]:
        """Return what the next answer would tell."""
        return await self._manager.news.to_tell(self.caller.reader, Way.ANSWER)


@pytest.fixture
def shop(memory_manager: JobManager) -> InProcess:
    return InProcess(memory_manager, "/src/shop", "claude", 0)


@pytest.fixture
def blog(memory_manager: JobManager) -> InProcess:
    return InProcess(memory_manager, "/src/blog", "claude", 1)


@pytest.fixture
def nowhere(memory_manager: JobManager) -> InProcess:
    return InProcess(memory_manager, "", "desktop", 0)


async def _start(session: InProcess, name: str = "dev", command: str = "serve", **more: Any) -> str:
    started = await session.call("execute_command", command=command, name=name, stdin="pipe", wait_s=0, **more)
    return str(started["job_id"])


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_of_another_project_is_returned_killed_or_told(memory_manager: JobManager, seed: int) -> None:
    sessions = [
        InProcess(memory_manager, project, client, number)
        for project in ("/src/shop", "/src/blog")
        for client in ("claude", "codex")
        for number in (0, 1)
    ]
    played = await play(sessions, seed, 200)
    assert {"start running", "start refused", "restart queued", "kill killed"} <= played.counts.keys()
    assert len(played.told) > 20


@pytest.mark.parametrize("if_running", ["return", "restart"])
async def test_one_name_is_two_jobs_in_two_projects(shop: InProcess, blog: InProcess, if_running: str) -> None:
    theirs = await _start(shop)
    ours = await _start(blog, command="npm run dev", if_running=if_running)
    assert ours != theirs
    assert (await blog.call("restart_job", job_id="dev", wait_s=0))["restarted_from"] == ours
    assert (await shop.call("get_job_status", job_id="dev"))["job_id"] == theirs
    assert (await shop.call("get_job_status", job_id="dev"))["status"] == "running"


async def test_what_another_project_has_is_named_by_it(shop: InProcess, blog: InProcess, nowhere: InProcess) -> None:
    job_id = await _start(shop)
    for asker in (blog, nowhere):
        for word in ("dev", "shop/dev", "/src/shop/dev", job_id):
            assert (await asker.call("get_job_status", job_id=word))["job_id"] == job_id
        for tool in ("kill_job", "restart_job"):
            with pytest.raises(ForeignNameError, match=f"{job_id}.*shop/dev"):
                await asker.call(tool, job_id="dev")
        with pytest.raises(ForeignNameError):
            await asker.call("interact_with_job", job_id="dev", input="exit 0")
    assert (await blog.call("kill_job", job_id="shop/dev"))["status"] == "killed"


async def test_a_name_of_two_other_projects_is_said_to_be_that(
    shop: InProcess, blog: InProcess, nowhere: InProcess
) -> None:
    ids = {await _start(shop), await _start(blog)}
    with pytest.raises(AmbiguousNameError) as refusal:
        await nowhere.call("wait_for_job", job_id="dev", wait_s=0)
    assert all(job_id in str(refusal.value) for job_id in ids)


async def test_a_job_waits_for_one_of_its_own_project(shop: InProcess, blog: InProcess) -> None:
    await _start(shop, "build")
    ours = await _start(blog, "build")
    waiting = await _start(blog, "deploy", after=["build"])
    assert (await blog.call("get_job_status", job_id=waiting))["status"] == "queued"
    await blog.call("kill_job", job_id=ours)
    assert (await blog.call("get_job_status", job_id=waiting))["status"] == "failed"


@pytest.mark.parametrize("other", [{"command": "serve --port 2"}, {"cwd": "/tmp"}])
async def test_what_runs_under_a_name_is_not_returned_for_something_else(
    shop: InProcess, other: dict[str, str]
) -> None:
    job_id = await _start(shop)
    with pytest.raises(NameTakenError) as refusal:
        await _start(shop, **other)
    assert all(word in str(refusal.value) for word in (job_id, "`serve` in /", *other.values()))
    assert await _start(shop) == job_id
    assert await _start(shop, if_running="restart", **other) != job_id


async def test_long_commands_are_compared_to_their_ends(shop: InProcess) -> None:
    long = "serve " + "x" * 5000
    job_id = await _start(shop, command=long)
    assert await _start(shop, command=long) == job_id
    with pytest.raises(NameTakenError, match=job_id):
        await _start(shop, command=f"{long}y")


@pytest.mark.parametrize("name", ["jabc23", "jquery"])
async def test_a_name_with_the_form_of_an_id_is_refused(shop: InProcess, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="form of a job's id"):
        await _start(shop, name)
    for fine in ("jest", "jupyter", "javascript", "jabc2", "Jabc23"):
        await _start(shop, fine)


# -- endings -----------------------------------------------------------------------------------------------------------


async def test_an_end_is_told_to_whoever_started_the_job_and_to_nobody_else(
    memory_manager: JobManager, shop: InProcess, blog: InProcess
) -> None:
    again = InProcess(memory_manager, "/src/shop", "claude", 1)
    other = InProcess(memory_manager, "/src/shop", "codex", 0)
    job_id = await _start(shop)
    assert await _start(again) == job_id, "handed out is not started"
    await other.call("kill_job", job_id="dev")
    assert [await session.told() for session in (again, other, blog)] == [[], [], []]
    server_was_restarted = InProcess(memory_manager, "/src/shop", "claude", 0)
    (told,) = await server_was_restarted.told()
    assert told.startswith(f"{job_id} `dev` killed")
    assert await shop.told() == []


async def test_what_a_conversation_has_left_is_told_to_the_next_of_its_client_in_its_project(
    memory_manager: JobManager, shop: InProcess, blog: InProcess
) -> None:
    over = InProcess(memory_manager, "/src/shop", "claude", 0)
    over.caller = Caller(
        client=over.caller.client, directory="/", project="/src/shop", reader=Reader(over.caller.reader.name, "9-9-9")
    )
    job_id = await _start(over)
    await shop.call("kill_job", job_id=job_id)
    assert await blog.told() == []
    assert len(await shop.told()) == 1


# -- lists and kills of several ----------------------------------------------------------------------------------------


async def test_a_list_has_what_is_of_the_project_and_counts_the_rest(
    shop: InProcess, blog: InProcess, nowhere: InProcess
) -> None:
    ended = await _start(shop, "old")
    await shop.call("kill_job", job_id=ended)
    live = await _start(shop, "dev", timeout_s=100)
    newest_ended = await _start(shop, "new")
    await shop.call("kill_job", job_id=newest_ended)
    theirs = await _start(blog, cwd="/tmp")

    listed = await shop.call("list_jobs", limit=2)
    assert [row["job_id"] for row in listed["jobs"]] == [live, newest_ended]
    assert (listed["more"], listed["elsewhere"], listed["next_cursor"]) == (1, 1, 2)
    row = listed["jobs"][0]
    assert {"age_s", "duration_s", "deadline_s", "silent_s", "cwd"} <= row.keys()
    assert 0 < row["deadline_s"] <= 100
    assert not {"deadline_s", "silent_s"} & listed["jobs"][1].keys()
    assert "project" not in row

    everywhere = await shop.call("list_jobs", all_projects=True)
    assert [(row["job_id"], row.get("project")) for row in everywhere["jobs"][:2]] == [
        (theirs, "/src/blog"),
        (live, None),
    ]
    assert not {"more", "elsewhere", "next_cursor"} & everywhere.keys()
    assert [row["job_id"] for row in (await shop.call("list_jobs", all_projects=True, cwd="/tmp"))["jobs"]] == [theirs]
    none = await nowhere.call("list_jobs")
    assert (none["jobs"], none["elsewhere"]) == ([], 4)
    assert "no project" in none["note"]


async def test_several_are_killed_and_each_has_its_own_answer(shop: InProcess, blog: InProcess) -> None:
    first, second, theirs = await _start(shop, "one"), await _start(shop, "two"), await _start(blog)
    answer = await shop.call("kill_job", job_id=["one", second, "one", "nobody", "dev"])
    assert [(row["job_id"], row.get("asked"), row["status"]) for row in answer["jobs"]] == [
        (first, None, "killed"),
        (second, None, "killed"),
        (None, "nobody", "not_found"),
        (None, "dev", "refused"),
    ]
    assert [row.get("name") for row in answer["jobs"]] == ["one", "two", None, None]
    assert answer["jobs"][-1]["code"] == "name_of_another_project"
    assert (await blog.call("get_job_status", job_id=theirs))["status"] == "running"


async def test_all_of_the_project_is_killed_and_nothing_else(
    memory_manager: JobManager, shop: InProcess, blog: InProcess, nowhere: InProcess
) -> None:
    ours = {await _start(shop, name) for name in ("one", "two", "three")}
    theirs = await _start(blog)
    answer = await shop.call("kill_job", all_of_project=True)
    assert {(row["job_id"], row["status"]) for row in answer["jobs"]} == {(job_id, "killed") for job_id in ours}
    assert await shop.call("kill_job", all_of_project=True) == {"jobs": []}
    assert (await blog.call("get_job_status", job_id="dev"))["job_id"] == theirs
    assert await all_of_project(memory_manager, "/src/blog") == [theirs]
    for wrong in ({}, {"job_id": theirs, "all_of_project": True}):
        with pytest.raises(InvalidRequestError, match="say what to kill"):
            await shop.call("kill_job", **wrong)
    with pytest.raises(InvalidRequestError, match="no project"):
        await nowhere.call("kill_job", all_of_project=True)


async def test_the_job_that_asks_is_not_among_all_of_its_project(memory_manager: JobManager, shop: InProcess) -> None:
    own, other = await _start(shop, "agent"), await _start(shop, "dev")
    memory_manager.own_job = own
    answer = await shop.call("kill_job", all_of_project=True)
    assert [row["job_id"] for row in answer["jobs"]] == [other]


async def test_jobs_are_chosen_by_where_they_are_whatever_links_lead_there(
    memory_manager: JobManager, tmp_path: Path
) -> None:
    real = tmp_path / "real" / "deep"
    real.mkdir(parents=True)
    (tmp_path / "way").symlink_to(tmp_path / "real")
    barn = InProcess(memory_manager, str(tmp_path), "claude", 0)
    through, direct = [
        (await barn.call("execute_command", command="obeys", stdin="pipe", cwd=str(cwd), wait_s=0))["job_id"]
        for cwd in (tmp_path / "way" / "deep", real)
    ]
    for asked in (tmp_path / "real", tmp_path / "way", real):
        rows = (await barn.call("list_jobs", cwd=str(asked)))["jobs"]
        assert {row["job_id"] for row in rows} == {through, direct}, asked
    assert (await barn.call("list_jobs", cwd=str(tmp_path / "other")))["jobs"] == []


async def test_who_finds_nothing_after_a_move_is_told_where_the_jobs_are(
    memory_manager: JobManager, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    before = InProcess(memory_manager, str(old), "claude", 0)
    elsewhere = InProcess(memory_manager, str(tmp_path), "claude", 1)
    await before.call("execute_command", command="obeys", stdin="pipe", cwd="/", wait_s=0)
    await elsewhere.call("execute_command", command="obeys", stdin="pipe", cwd="/", wait_s=0)
    after = InProcess(memory_manager, str(old.rename(tmp_path / "new")), "claude", 0)
    assert f"no longer exist: {tmp_path}/old (1)" in (await after.call("list_jobs"))["note"]
    assert "note" not in await elsewhere.call("list_jobs")  # who finds some is not told of others
