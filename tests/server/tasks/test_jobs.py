"""Jobs as tasks, through a client in this process that has declared that it knows tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.config import load_settings
from mcp_background_job.core.states import State
from mcp_background_job.jobdir.tasks import TaskStore
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from mcp_background_job.server.fastmcp_names import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY, MCPError
from mcp_background_job.server.tasks import promises
from tests.patience import WAIT_S, until
from tests.server.tasks.tasking import EXTENSION, Gate, Tasking, tasking
from tests.survival.support import another_manager

pytestmark = pytest.mark.real_process


def _without_times(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what differs from job to job, and what is said of any answer."""
    result = {name: value for name, value in result.items() if name not in ("resultType", "_meta")}
    facts = {name: value for name, value in result["structuredContent"].items() if name not in ("job_id", "log_path")}
    return {**result, "structuredContent": facts, "content": len(result["content"])}


async def _held(client: Tasking, command: str, gate: Gate, **arguments: Any) -> str:
    """Start what goes on until a file is written."""
    started = await client.start("execute_command", command=f"read go < {gate.path}; {command}", wait_s=0, **arguments)
    assert started
    return started


@pytest.fixture
def gate(new_gate: Callable[[], Gate]) -> Gate:
    """A pipe in which a job waits for a line."""
    return new_gate()


@pytest.mark.parametrize("command", ["echo out; echo err >&2", "echo 1; exit 3"])
async def test_the_result_of_a_task_is_that_of_the_call_without_tasks(
    client: Tasking, gate: Gate, command: str
) -> None:
    task_id = await _held(client, command, gate)
    working = await client.get(task_id)
    gate.open()
    ended = await client.end(task_id)
    plain = await client.call("execute_command", command=f"read go < /dev/null; {command}", wait_s=WAIT_S)

    assert (working["status"], working["pollIntervalMs"]) == ("working", 500)
    assert working["ttlMs"] > 0
    assert ended["status"] == "completed"
    assert _without_times(ended["result"]) == _without_times(plain)
    assert ended["result"]["structuredContent"]["job_id"] == task_id
    assert await client.get(task_id) | {"ttlMs": 0} == ended | {"ttlMs": 0}


async def test_a_call_that_is_over_in_time_is_no_task(client: Tasking) -> None:
    answer = await client.call("execute_command", command="echo done", wait_s=WAIT_S)
    assert answer["resultType"] == "complete"
    assert answer["structuredContent"]["output"] == "done"


async def test_an_end_that_a_task_will_tell_is_not_told_before_or_after_it(
    client: Tasking, manager: JobManager, new_gate: Callable[[], Gate]
) -> None:
    gates = new_gate(), new_gate()
    first, second = [await _held(client, "true", gate) for gate in gates]
    wait = await client.start("wait_for_job", job_id=[first, second], wait_s=0.1)
    for gate in gates:
        gate.open()
    await _over(manager, first, second)
    assert "endings" not in await _told(client)
    assert (await client.end(first))["status"] == "completed"
    assert "endings" not in await _told(client)
    await client.end(wait)
    assert "endings" not in await _told(client)


async def test_a_job_that_is_started_again_is_a_task_that_tells_of_both(
    client: Tasking, manager: JobManager, gate: Gate
) -> None:
    command = f"echo begun; read go < {gate.path}; exit 3"
    # What has said its word is no task.
    first = (await client.call("execute_command", command=command, until="begun", wait_s=WAIT_S))["structuredContent"]
    task_id = await client.start("restart_job", job_id=first["job_id"], wait_s=0)
    assert task_id != first["job_id"]
    assert (await client.get(task_id))["status"] == "working"
    assert (await manager.find(first["job_id"])).status == "killed"
    assert "endings" not in await _told(client)
    gate.open()
    ended = await client.end(task_id)
    facts = ended["result"]["structuredContent"]
    assert (facts["job_id"], facts["exit_code"], facts["restarted_from"]) == (task_id, 3, first["job_id"])
    assert "endings" not in await _told(client)

    again = await client.start("restart_job", job_id=task_id, wait_s=0, command="exec sleep 600")
    assert (await client.get(task_id))["status"] == "completed"
    assert await client.ask("tasks/cancel", again) == {"resultType": "complete"}
    assert (await client.end(again))["status"] == "cancelled"
    assert (await manager.find(again)).command == "exec sleep 600"
    assert "endings" not in await _told(client)


async def test_an_end_that_nobody_fetches_is_told_with_an_answer_once(
    client: Tasking, manager: JobManager, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await _held(client, "true", gate)
    given_up = await client.start("wait_for_job", job_id=job_id, wait_s=0.1)
    await client.ask("tasks/cancel", given_up)
    gate.open()
    await _over(manager, job_id)
    assert "endings" not in await _told(client)
    monkeypatch.setattr(promises, "FORGOTTEN_S", 0.0)
    (ending,) = (await _told(client))["endings"]
    assert job_id in ending
    assert "endings" not in await _told(client)
    assert (await client.end(job_id))["status"] == "completed"


async def _over(manager: JobManager, *job_ids: str) -> None:
    """Wait until jobs have ended, without being told so."""

    async def are_over() -> bool:
        return all([(await manager.find(job_id)).state is State.EXITED for job_id in job_ids])

    await until(are_over, "the jobs have ended")


async def _told(client: Tasking) -> dict[str, Any]:
    # An answer that shows no job itself: what it showed would be told by that.
    return (await client.call("list_runs"))["structuredContent"]


async def test_a_status_message_says_what_a_job_does_and_what_it_waits_for(client: Tasking, gate: Gate) -> None:
    works = await client.start("execute_command", command=f"echo epoch 3 of 10; read go < {gate.path}", wait_s=0)
    waits = await client.start("execute_command", command="true", after=[works], wait_s=0)
    spoken = await client.become(works, lambda now: "epoch 3 of 10" in now["statusMessage"], "its line is told")
    assert spoken["lastUpdatedAt"] >= spoken["createdAt"]
    assert works in (await client.get(waits))["statusMessage"]
    gate.open()
    assert (await client.end(waits))["status"] == "completed"


async def test_a_cancelled_task_is_a_killed_job(client: Tasking, manager: JobManager) -> None:
    task_id = await client.start("execute_command", command="trap '' TERM; sleep 600", wait_s=0)
    assert await client.ask("tasks/cancel", task_id) == {"resultType": "complete"}
    cancelled = await client.end(task_id)
    assert (cancelled["status"], "result" in cancelled) == ("cancelled", False)
    assert (await manager.find(task_id)).status == "killed"
    assert await client.ask("tasks/cancel", task_id) == {"resultType": "complete"}


async def test_a_wait_has_an_id_of_its_own_and_its_cancel_ends_the_wait_alone(client: Tasking, gate: Gate) -> None:
    job_id = await _held(client, "true", gate)
    given_up = await client.start("wait_for_job", job_id=job_id, wait_s=0.1)
    kept = await client.start("wait_for_job", job_id=[job_id], wait_s=0.1)
    await client.ask("tasks/cancel", given_up)
    assert (await client.get(given_up))["status"] == "cancelled"
    assert (await client.get(job_id))["status"] == "working"
    gate.open()
    ended = await client.end(kept)
    assert given_up.startswith("w")
    assert (
        ended["result"]["structuredContent"]["jobs"][0] | {"job_id": job_id, "status": "completed"}
        == (ended["result"]["structuredContent"]["jobs"][0])
    )


async def test_a_wait_shows_the_output_that_the_call_has_not(client: Tasking, tmp_path: Path) -> None:
    go_on = tmp_path / "go"
    command = f"echo first; until [ -e {go_on} ]; do sleep 0.05; done; echo second; sleep 600"
    job = (await client.call("execute_command", command=command, until="first", wait_s=WAIT_S))["structuredContent"]
    wait = await client.start("wait_for_job", job_id=job["job_id"], until="second", wait_s=0.1)
    go_on.touch()
    found = (await client.end(wait))["result"]["structuredContent"]
    assert (found["why"], found["line"], found["output"]) == ("matched", "second", "second")
    await client.call("kill_job", job_id=job["job_id"])


async def test_work_that_ran_already_is_waited_for_and_not_owned(client: Tasking, gate: Gate) -> None:
    job_id = await _held(client, "true", gate, name="server")
    again = await client.start("execute_command", command=f"read go < {gate.path}; true", name="server", wait_s=0)
    await client.ask("tasks/cancel", again)
    assert again.startswith("w")
    assert (await client.get(job_id))["status"] == "working"
    gate.open()
    await client.end(job_id)


async def test_a_job_that_asks_is_answered_by_way_of_its_task(client: Tasking) -> None:
    command = "read -p 'Sure? ' a; read -p 'Really? ' b; echo got $a $b"
    task_id = await client.start("execute_command", command=command, stdin="pty", wait_s=0)
    answers, seen = ["yes", "no"], set[str]()
    while answers:
        asks = await client.become(task_id, lambda now: now["status"] == "input_required", "it asks")
        ((key, request),) = asks["inputRequests"].items()
        if key in seen:
            continue
        seen.add(key)
        assert request["method"] == "elicitation/create"
        assert ("Sure?" in request["params"]["message"]) == (len(answers) == 2)
        accepted = {"action": "accept", "content": {"text": answers.pop(0)}}
        assert await client.ask("tasks/update", task_id, inputResponses={key: accepted, "other": accepted})
    ended = await client.end(task_id)
    assert ended["result"]["structuredContent"]["output"].endswith("got yes no")


async def test_a_question_that_a_person_declines_is_not_asked_again(client: Tasking) -> None:
    task_id = await client.start("execute_command", command="read -p 'Sure? ' a", stdin="pty", wait_s=0)
    asks = await client.become(task_id, lambda now: now["status"] == "input_required", "it asks")
    (key,) = asks["inputRequests"]
    await client.ask("tasks/update", task_id, inputResponses={key: {"action": "decline"}})
    now = await client.get(task_id)
    assert (now["status"], "Sure?" in now["statusMessage"]) == ("working", True)
    await client.ask("tasks/cancel", task_id)


async def test_a_client_that_cannot_ask_is_told_in_words(manager: JobManager) -> None:
    async with tasking(build_server(manager, load_settings()), asks=False) as client:
        task_id = await client.start("execute_command", command="read -p 'Name: ' a", stdin="pty", wait_s=0)
        now = await client.become(task_id, lambda now: "Name:" in now["statusMessage"], "the question is told")
        assert now["status"] == "working"
        await client.ask("tasks/cancel", task_id)


async def test_who_has_not_declared_tasks_sees_no_difference(manager: JobManager) -> None:
    async with tasking(build_server(manager, load_settings()), knows=False) as client:
        job = await client.call("execute_command", command="sleep 600", wait_s=0)
        assert (job["resultType"], job["structuredContent"]["status"]) == ("complete", "running")
        waited = await client.call("wait_for_job", job_id=job["structuredContent"]["job_id"], wait_s=0.1)
        assert waited["structuredContent"]["why"] == "timeout"
        for method in ("tasks/get", "tasks/cancel"):
            with pytest.raises(MCPError) as refused:
                await client.ask(method, "jaaaaa")
            assert refused.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY
            assert refused.value.error.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        await client.call("kill_job", job_id=job["structuredContent"]["job_id"])


async def test_in_the_older_eras_there_are_no_tasks(manager: JobManager) -> None:
    async with tasking(build_server(manager, load_settings()), mode="legacy") as client:
        job = await client.call("execute_command", command="sleep 600", wait_s=0)
        assert job["structuredContent"]["status"] == "running"
        with pytest.raises(MCPError):
            await client.get(job["structuredContent"]["job_id"])
        await client.call("kill_job", job_id=job["structuredContent"]["job_id"])


@pytest.mark.parametrize("task_id", ["jaaaaa", "../jobs", "", "x" * 2000, "w\N{SNOWMAN}"])
async def test_an_id_that_nobody_knows_is_refused(client: Tasking, task_id: str) -> None:
    for method in ("tasks/get", "tasks/cancel", "tasks/update"):
        with pytest.raises(MCPError) as refused:
            await client.ask(method, task_id, inputResponses={})
        assert refused.value.error.code == INVALID_PARAMS


async def test_a_stop_that_died_with_its_server_is_begun_again(client: Tasking, manager: JobManager) -> None:
    task_id = await client.start("execute_command", command="sleep 600", wait_s=0)
    TaskStore(manager.state.tasks).wish_cancel(task_id)  # and then it was killed
    assert (await client.end(task_id))["status"] == "cancelled"


async def test_a_server_that_starts_goes_on_with_the_cancel_of_one_that_died(
    manager: JobManager, state_dir: str
) -> None:
    async with tasking(build_server(manager, load_settings())) as client:
        task_id = await client.start("execute_command", command="sleep 600", wait_s=0)
    TaskStore(manager.state.tasks).wish_cancel(task_id)
    with another_manager(state_dir) as others:
        async with tasking(build_server(others, load_settings())):
            await _over(others, task_id)  # and nobody asks


async def test_a_job_that_is_gone_is_the_error_of_the_call(client: Tasking, manager: JobManager, gate: Gate) -> None:
    task_id = await _held(client, "true", gate)
    gate.open()
    await client.call("wait_for_job", job_id=[task_id], wait_s=WAIT_S)
    await manager.prune(older_than_s=0)
    gone = await client.get(task_id)
    assert (gone["status"], gone["result"]["isError"]) == ("completed", True)
    assert task_id in gone["result"]["content"][0]["text"]


async def test_who_listens_for_tasks_is_told_of_their_ends(client: Tasking, gate: Gate) -> None:
    task_id = await _held(client, "exit 3", gate)
    async with client.listening([task_id, "jnobody"]) as told:

        async def has_ended() -> bool:
            return any(one["status"] == "completed" for one in told)

        async def is_told() -> bool:
            return bool(told)

        await until(is_told, "how it is")
        assert told[0]["status"] == "working"
        gate.open()
        await until(has_ended, "its end is told")
    assert {one["taskId"] for one in told} == {task_id}
    assert told[-1]["result"]["structuredContent"]["exit_code"] == 3


async def test_who_has_not_declared_tasks_cannot_listen_for_them(manager: JobManager) -> None:
    async with tasking(build_server(manager, load_settings()), knows=False) as client:
        with pytest.raises(MCPError) as refused:
            await client.listen(["jaaaaa"])
        assert refused.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY
