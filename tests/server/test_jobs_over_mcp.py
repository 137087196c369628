"""The nine tools at work, through a client in memory."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from pathlib import Path

import pytest

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.server.fastmcp_names import MCPError
from tests.patience import PATIENCE_S, WAIT_S
from tests.ports import lasting_ports
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

_UNTIL_EXIT = WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S)


async def test_a_command_that_ends_in_time_needs_no_second_call(client: Caller) -> None:
    job = await client.facts("execute_command", command="echo out; echo err >&2; exit 3", wait_s=WAIT_S)
    assert (job["status"], job["exit_code"]) == ("failed", 3)
    assert sorted(job["output"].split()) == ["err", "out"]
    assert "pid" not in job


async def test_a_longer_command_comes_back_as_a_running_job(client: Caller) -> None:
    job = await client.facts("execute_command", command="echo up; sleep 60", until="up", wait_s=WAIT_S)
    assert (job["status"], job["why"], job["line"]) == ("running", "matched", "up")
    status = await client.facts("get_job_status", job_id=job["job_id"])
    assert status["pid"] == job["pid"]
    assert any("sleep 60" in process for process in status["processes"])
    await client.facts("kill_job", job_id=job["job_id"])


@pytest.mark.parametrize("name", ["render", "redis", "rsync2"])
async def test_a_name_in_the_form_of_a_run_s_id_is_the_job_s(client: Caller, name: str) -> None:
    job = await client.facts("execute_command", command="exec sleep 60", name=name, wait_s=0)
    other = await client.facts("execute_command", command="exit 3", wait_s=WAIT_S)
    await client.facts("kill_job", job_id=name)
    waited = await client.facts("wait_for_job", job_id=name, wait_s=WAIT_S)
    assert (waited["job_id"], waited["status"]) == (job["job_id"], "killed")
    several = await client.facts("wait_for_job", job_id=[name, other["job_id"]], wait_s=WAIT_S)
    assert [row["status"] for row in several["jobs"]] == ["killed", "failed"]
    assert name in {resource.name for resource in await client.client.list_resources()}


@pytest.mark.requirement("shell.real")
async def test_the_shell_is_a_real_one(client: Caller) -> None:
    command = "cd / && pwd | tr / x; A=1 sh -c 'echo $A'; echo hidden > /dev/null"
    job = await client.facts("execute_command", command=command, wait_s=WAIT_S)
    assert job["output"] == "x\n1"


async def test_cwd_and_env_are_applied(client: Caller, tmp_path: object) -> None:
    job = await client.facts(
        "execute_command",
        command="pwd; echo $GREETING $PAGER",
        cwd=str(tmp_path),
        env={"GREETING": "hi"},
        wait_s=WAIT_S,
    )
    assert job["output"] == f"{tmp_path}\nhi cat"


async def test_a_failure_in_the_output_ends_the_wait(client: Caller) -> None:
    job = await client.facts(
        "execute_command",
        command="echo fine; echo 'ERROR: no'; sleep 60",
        until="never",
        fail_on="ERROR",
        wait_s=WAIT_S,
    )
    assert (job["why"], job["line"]) == ("failed_match", "ERROR: no")
    await client.facts("kill_job", job_id=job["job_id"])


async def test_a_signal_alone_stops_nothing_and_what_may_mean_both_is_asked_for(client: Caller) -> None:
    command = "trap 'echo reloaded' HUP; echo up; while read line; do :; done"
    job = await client.facts("execute_command", command=command, stdin="pipe", until="up", wait_s=WAIT_S)
    job_id = job["job_id"]
    for name in ("HUP", "SIGUSR1", "usr2"):
        told = await client.error("kill_job", job_id=job_id, signal=name)
        assert "signal_only=true" in told
        assert "signal_only=false" in told
    assert "signal_only=true" in await client.error("kill_job", job_id=job_id, signal="CONT")
    assert "cannot be sent" in await client.error("kill_job", job_id=job_id, signal="KILL", signal_only=True)

    sent = await client.facts("kill_job", job_id=job_id, signal="HUP", signal_only=True)

    assert (sent["status"], sent["processes"]) == ("signalled", [job["pid"]])
    assert (await client.facts("wait_for_job", job_id=job_id, until="reloaded", wait_s=WAIT_S))["why"] == "matched"
    killed = await client.facts("kill_job", job_id=job_id, signal="HUP", signal_only=False, grace_s=0.1)
    assert killed["status"] == "killed"


async def test_a_repl_that_ended_with_its_closed_input_is_told_as_that_wherever_it_is_asked_for(client: Caller) -> None:
    job = await client.facts("execute_command", command=f"cd /; {sys.executable} -i", wait_s=WAIT_S)
    assert job["status"] == "completed"
    assert 'pass stdin="pipe"' in job["note"]
    again = await client.facts("wait_for_job", job_id=job["job_id"])
    assert again["note"] == job["note"]
    assert job["note"] in await client.error("interact_with_job", job_id=job["job_id"], input="1 + 1")
    other = await client.facts("execute_command", command=f"{sys.executable} -c pass", wait_s=WAIT_S)
    assert "note" not in other
    assert 'stdin="pipe"' in await client.error("interact_with_job", job_id=other["job_id"], input="1 + 1")


async def test_a_wait_ends_when_a_port_opens(client: Caller) -> None:
    (port,) = lasting_ports(1)
    command = f"{sys.executable} -m http.server {port} --bind 127.0.0.1"
    job = await client.facts("execute_command", command=command, until=f"port:{port}", wait_s=WAIT_S)
    assert job["why"] == "port"
    assert port in (await client.facts("get_job_status", job_id=job["job_id"]))["ports"]
    await client.facts("kill_job", job_id=job["job_id"])


async def test_a_port_that_somebody_else_has_does_not_count(client: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        job = await client.facts("execute_command", command="sleep 60", until=f"port:{port}", wait_s=1)
    assert job["why"] == "timeout"
    assert "not by this job" in job["note"]
    await client.facts("kill_job", job_id=job["job_id"])


async def test_what_did_not_come_before_the_end_is_named(client: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        job = await client.facts("execute_command", command="exit 3", until=f"port:{port}", wait_s=WAIT_S)
    assert (job["why"], job["exit_code"]) == ("exit", 3)
    assert f"was not seen to listen on port {port}; port {port} is open, but not by this job" in job["note"]
    job_id = (await client.facts("execute_command", command="echo up; read line; echo gone", stdin="pipe"))["job_id"]
    assert (await client.facts("wait_for_job", job_id=job_id, until="up", wait_s=WAIT_S))["why"] == "matched"
    await client.client.call_tool("interact_with_job", {"job_id": job_id, "input": "go", "wait_s": 0})
    (row,) = (await client.facts("wait_for_job", job_id=[job_id], until="up", wait_s=WAIT_S))["jobs"]
    assert 'no new output matches "up"' in row["note"]


async def test_a_job_behind_one_that_has_failed_is_on_record(client: Caller) -> None:
    first = await client.facts("execute_command", command="exit 6", wait_s=WAIT_S)
    for wait_s in (0, WAIT_S):
        job = await client.facts("execute_command", command="true", after=[first["job_id"]], wait_s=wait_s)
        assert (job["status"], job.get("exit_code")) == ("failed", None)
        assert job["reason"] == f"not started: job {first['job_id']}, which it was to run after, ended as failed"
        assert (await client.facts("get_job_status", job_id=job["job_id"]))["reason"] == job["reason"]


async def test_a_wait_ends_in_silence(client: Caller) -> None:
    job = await client.facts("execute_command", command="echo once; sleep 60", until="idle:0.5", wait_s=WAIT_S)
    assert job["why"] == "idle"
    await client.facts("kill_job", job_id=job["job_id"])


@pytest.mark.requirement("states.left_running")
async def test_a_command_that_leaves_processes_behind_is_said_to_run(client: Caller) -> None:
    # For a moment, what is left is a copy of the shell.
    command = "sleep 60 & until grep -qa ^sleep /proc/$!/cmdline; do :; done; exit 3"
    job = await client.facts("execute_command", command=command, wait_s=WAIT_S)
    assert (job["status"], job["why"]) == ("running", "left_running")
    assert "shell exited 3" in job["note"]
    status = await client.facts("get_job_status", job_id=job["job_id"])
    left = int(status["processes"][0].split()[0])
    assert status["note"].startswith(f"shell exited 3, 1 background process alive: {left} `sleep 60`; ")
    again = await client.facts("wait_for_job", job_id=job["job_id"], wait_s=0.1)
    assert again["why"] == "timeout"
    assert again["note"] == job["note"]
    assert status["note"] == job["note"]
    killed = await client.facts("kill_job", job_id=job["job_id"])
    assert (killed["status"], killed["exit_code"]) == ("killed", 3)


async def test_an_expression_that_was_printed_before_the_wait_is_found(client: Caller) -> None:
    job = await client.facts("execute_command", command="echo ready; sleep 60", until="ready", wait_s=WAIT_S)
    again = await client.facts("wait_for_job", job_id=job["job_id"], until="^ready$")
    later = await client.facts(
        "wait_for_job", job_id=job["job_id"], until="ready", cursor=again["next_cursor"], wait_s=0.2
    )
    assert (again["why"], later["why"]) == ("matched", "timeout")
    await client.facts("kill_job", job_id=job["job_id"])


async def test_several_jobs_are_waited_for_together(client: Caller, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = f"until [ -e {gate} ]; do sleep 0.05; done; exit 4"
    quick = await client.facts("execute_command", command=waiting, wait_s=0)
    slow = await client.facts("execute_command", command="sleep 60", wait_s=0)
    gate.touch()  # not before: of an end that an answer has told no wait for any is over
    both = [quick["job_id"], slow["job_id"]]
    answer = await client.facts("wait_for_job", job_id=both, mode="any", wait_s=WAIT_S)
    assert [job["status"] for job in answer["jobs"]] == ["failed", "running"]
    await client.facts("kill_job", job_id=slow["job_id"])
    answer = await client.facts("wait_for_job", job_id=both, mode="all", wait_s=WAIT_S)
    assert [job["status"] for job in answer["jobs"]] == ["failed", "killed"]


async def test_an_overlong_wait_is_cut_and_that_is_said(client: Caller) -> None:
    job = await client.facts("execute_command", command="true", wait_s=1000)
    assert "cut to 50" in job["note"]


async def test_a_name_works_wherever_an_id_does(client: Caller) -> None:
    first = await client.facts("execute_command", command="sleep 60", name="web", wait_s=0)
    second = await client.facts("execute_command", command="sleep 60", name="web", wait_s=0)
    assert second["job_id"] == first["job_id"]
    assert "nothing was started" in second["note"]
    third = await client.facts("execute_command", command="sleep 60", name="web", if_running="restart", wait_s=0.1)
    assert third["job_id"] != first["job_id"]
    assert (await client.facts("get_job_status", job_id="web"))["job_id"] == third["job_id"]
    assert (await client.facts("get_job_status", job_id=first["job_id"]))["status"] == "killed"
    assert (await client.facts("kill_job", job_id="web"))["status"] == "killed"


async def test_a_restarted_job_is_the_same_command_again(client: Caller) -> None:
    first = await client.facts(
        "execute_command", command="echo $WHO; exit 5", env={"WHO": "me"}, name="again", wait_s=WAIT_S
    )
    second = await client.facts("restart_job", job_id="again", wait_s=WAIT_S)
    assert second["restarted_from"] == first["job_id"]
    assert (second["name"], second["output"], second["exit_code"]) == ("again", "me", 5)


async def test_kill_says_what_was_the_case(client: Caller) -> None:
    job = await client.facts("execute_command", command="sleep 60", wait_s=0)
    killed = await client.facts("kill_job", job_id=job["job_id"])
    assert (killed["status"], killed["reason"].partition(" (")[0]) == ("killed", "kill requested")
    again = await client.facts("kill_job", job_id=job["job_id"])
    assert again["status"] == "already_terminated"
    assert again["reason"] == f"it had already ended: killed, {killed['reason']}"
    assert await client.facts("kill_job", job_id="jnever") | {"reason": ""} == {
        "status": "not_found",
        "asked": "jnever",
        "code": "unknown_job",
        "reason": "",
    }


async def test_a_job_is_talked_to_on_a_terminal(client: Caller) -> None:
    job = await client.facts("execute_command", command="read name; echo hello $name; cat", stdin="pty", wait_s=0.1)
    answer = await client.text("interact_with_job", job_id=job["job_id"], input="you")
    assert "hello you" in answer
    ended = await client.text("interact_with_job", job_id=job["job_id"], keys=["ctrl-d"])
    assert "completed" in ended.splitlines()[0]


async def test_a_job_without_stdin_says_how_to_start_one_with_it(client: Caller) -> None:
    job = await client.facts("execute_command", command="sleep 60", wait_s=0.1)
    assert 'stdin="pipe"' in await client.error("interact_with_job", job_id=job["job_id"], input="x")
    await client.facts("kill_job", job_id=job["job_id"])


@pytest.mark.requirement("rendering.redraws")
async def test_ten_thousand_redraws_read_to_the_end_cost_at_most_400_tokens(client: Caller) -> None:
    bar = (
        "import sys\n"
        "for n in range(10001): sys.stdout.write(f'\\rprogress {n:5d}/10000 [' + '#' * (n // 200) + ']')\n"
        "print('\\ndone')"
    )
    command = f'{sys.executable} -c "{bar}"'
    job = await client.facts("execute_command", command=command, wait_s=0)
    await client.facts("wait_for_job", job_id=job["job_id"], wait_s=WAIT_S)
    cost, cursor, answer = 0, 0, ""
    while "the end" not in answer:
        answer = await client.text("get_job_output", job_id=job["job_id"], cursor=cursor)
        cost += len(answer)
        match = re.search(r"next cursor (\d+)", answer)
        assert match
        cursor = int(match[1])
    assert "10000/10000" in answer
    assert cost / 4 <= 400


async def test_pages_read_on_give_the_whole_log_once(client: Caller) -> None:
    job = await client.facts("execute_command", command="seq 1 30000", wait_s=WAIT_S)
    cursor, numbers, answer = 0, list[str](), ""
    while "the end" not in answer:
        answer = await client.text("get_job_output", job_id=job["job_id"], cursor=cursor, max_bytes=5000)
        head, _, body = answer.partition("\n")
        numbers += body.split()
        cursor = int(re.findall(r"next cursor (\d+)", head)[0])
    assert numbers == [str(number) for number in range(1, 30001)]


async def test_a_long_output_is_cut_in_the_middle_with_the_way_to_the_rest(client: Caller) -> None:
    job = await client.facts("execute_command", command="seq 1 100000", wait_s=WAIT_S)
    lines = job["output"].splitlines()
    assert "left out" in lines[0]
    assert lines[1] == "1"
    assert lines[-1] == "100000"
    cursor = int(re.findall(r"cursor (\d+)", lines[0])[0])
    rest = await client.text("get_job_output", job_id=job["job_id"], cursor=cursor, max_bytes=100)
    position = lines.index(next(line for line in lines if line.startswith("[…")))
    assert rest.splitlines()[1] == str(int(lines[position - 1]) + 1)


async def test_one_stream_can_be_read_alone(client: Caller) -> None:
    job = await client.facts(
        "execute_command", command="echo a; sleep 0.1; echo b >&2; sleep 0.1; echo c", wait_s=WAIT_S
    )
    out = await client.text("tail_job_output", job_id=job["job_id"], stream="stdout")
    err = await client.text("get_job_output", job_id=job["job_id"], stream="stderr")
    assert (out.splitlines()[1:], err.splitlines()[1:]) == (["a", "c"], ["b"])


async def test_a_tail_greps(client: Caller) -> None:
    job = await client.facts("execute_command", command="seq 1 1000", wait_s=WAIT_S)
    answer = await client.text("tail_job_output", job_id=job["job_id"], grep="^9.9$", lines=3)
    assert answer.splitlines()[1:] == ["979", "989", "999"]


async def test_raw_output_shows_what_was_written(client: Caller) -> None:
    job = await client.facts("execute_command", command=r"printf '\033[31mred\033[0m\rre\377'", wait_s=WAIT_S)
    assert job["output"] == "re�"
    raw = await client.text("tail_job_output", job_id=job["job_id"], raw=True)
    assert raw.splitlines()[1].startswith("\\x1b[31mred")
    assert raw.endswith("\\xff")


_DRAW = """
import curses
screen = curses.initscr()
screen.addstr(2, 10, "first"); screen.refresh()
screen.insertln(); screen.addstr(40, 100, "=" * 30); screen.move(0, 3); screen.refresh()
screen.getch()
curses.endwin()
"""


async def test_the_screen_of_a_full_screen_program_is_shown(client: Caller) -> None:
    job = await client.facts(
        "execute_command", command=f"exec {sys.executable} -c '{_DRAW}'", stdin="pty", until="={30}|b$", wait_s=WAIT_S
    )
    answer = await client.text("tail_job_output", job_id=job["job_id"], view="screen")
    head, *lines = answer.splitlines()
    assert "screen of 50x160, drawn from all output; cursor at line 1, column 4" in head
    expected = {3: " " * 10 + "first", 40: " " * 100 + "=" * 30}
    assert dict(enumerate(lines)) == {number: expected.get(number, "") for number in range(41)}
    await client.text("interact_with_job", job_id=job["job_id"], input="x")
    await client.facts("wait_for_job", job_id=job["job_id"], wait_s=WAIT_S)


async def test_a_job_without_a_terminal_has_no_screen(client: Caller) -> None:
    job = await client.facts("execute_command", command="echo words", wait_s=WAIT_S)
    assert 'stdin="pty"' in await client.error("tail_job_output", job_id=job["job_id"], view="screen")


@pytest.mark.requirement("endings.told_once")
async def test_the_end_of_a_job_is_told_once_with_the_next_answer(client: Caller, manager: JobManager) -> None:
    # It ends when it is told to: an end before the answer to its start would be told with that.
    job = await client.facts("execute_command", command="read line; exit 6", name="train", stdin="pipe", wait_s=0)
    await keyboard.send(manager, await manager.find(job["job_id"]), "go\n", [])
    await manager.wait(await manager.find(job["job_id"]), _UNTIL_EXIT)
    told = await client.facts("list_jobs", status="running")
    assert len(told["endings"]) == 1
    assert re.fullmatch(rf"{job['job_id']} `train` failed, exit 6, .* ago", told["endings"][0])
    assert "endings" not in await client.facts("list_jobs", status="running")


async def test_the_end_of_a_job_stands_above_text_too(client: Caller, manager: JobManager) -> None:
    other = await client.facts("execute_command", command="echo x", wait_s=WAIT_S)
    job = await client.facts("execute_command", command="read line", stdin="pipe", wait_s=0)
    await keyboard.send(manager, await manager.find(job["job_id"]), "go\n", [])
    await manager.wait(await manager.find(job["job_id"]), _UNTIL_EXIT)
    answer = await client.text("tail_job_output", job_id=other["job_id"])
    assert answer.splitlines()[0].startswith(f"{job['job_id']} completed")


@pytest.mark.requirement("server.never_stalls")
async def test_a_wait_holds_up_nobody_else(client: Caller) -> None:
    job = await client.facts("execute_command", command="sleep 60", wait_s=0)
    waiting = asyncio.create_task(client.facts("wait_for_job", job_id=job["job_id"], wait_s=WAIT_S))
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.facts("get_job_status", job_id=job["job_id"]))["status"] == "running"
        await client.facts("kill_job", job_id=job["job_id"])
        assert (await waiting)["status"] == "killed"


@pytest.mark.requirement("wait.cancel")
async def test_a_cancelled_wait_leaves_the_job_alone(client: Caller) -> None:
    job = await client.facts("execute_command", command="sleep 60", wait_s=0.1)
    waiting = asyncio.create_task(client.facts("wait_for_job", job_id=job["job_id"], wait_s=WAIT_S))
    status = await client.facts("get_job_status", job_id=job["job_id"])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    again = await client.facts("get_job_status", job_id=job["job_id"])
    assert (status["pid"], again["pid"], again["status"]) == (job["pid"], job["pid"], "running")
    await client.facts("kill_job", job_id=job["job_id"])


async def test_a_catastrophic_expression_stalls_nothing(client: Caller) -> None:
    job = await client.facts(
        "execute_command", command="printf 'a%.0s' $(seq 1 40); echo; sleep 60", until="a", wait_s=WAIT_S
    )
    waiting = asyncio.create_task(
        client.error("wait_for_job", job_id=job["job_id"], until="(a|a)*b(?<=x)$", wait_s=WAIT_S)
    )
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.facts("get_job_status", job_id=job["job_id"]))["status"] == "running"
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await client.facts("kill_job", job_id=job["job_id"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"command": "  "}, "command is empty"),
        ({"command": "x", "until": "("}, "until='(' is not a regular expression"),
        ({"command": "x", "fail_on": "["}, "fail_on='[' is not a regular expression"),
        ({"command": "x", "until": "port:99999"}, "a port is a number from 1 to 65535"),
        ({"command": "x", "wait_s": -1}, "a wait is 0 seconds or more"),
        ({"command": "x", "timeout_s": -5}, "a time limit is more than 0 seconds"),
        ({"command": "x", "cwd": "/dev/null"}, "is not a directory"),
        ({"command": "x", "cwd": "/nonexistent"}, "does not exist"),
        ({"command": "x", "env": {"A": {}}}, "bad arguments: env.A"),
        ({"command": "x", "name": "../up"}, "name '../up' cannot be used"),
        ({"command": "x", "after": ["jnever"]}, "there is no job 'jnever'"),
        ({"command": "x", "wait_s": "soon"}, "bad arguments: wait_s"),
        ({"command": "x", "colour": "red"}, "bad arguments: colour"),
        ({}, "bad arguments: command"),
    ],
)
@pytest.mark.requirement("errors.nothing_written")
async def test_bad_input_is_refused_in_one_sentence_and_nothing_is_written(
    client: Caller, manager: JobManager, arguments: dict[str, object], words: str
) -> None:
    message = await client.error("execute_command", **arguments)
    assert words in message
    assert "\n" not in message
    assert manager.places.discover() == set()


async def test_an_unknown_job_is_named_with_the_nearest(client: Caller) -> None:
    await client.facts("execute_command", command="true", name="training", wait_s=WAIT_S)
    message = await client.error("get_job_status", job_id="trainning")
    assert "there is no job 'trainning'" in message
    assert "training" in message.split("nearest:")[1]


async def test_jobs_are_resources(client: Caller) -> None:
    job = await client.facts("execute_command", command="echo hello", wait_s=WAIT_S)
    (facts,) = await client.client.read_resource(f"job://{job['job_id']}")
    (log,) = await client.client.read_resource(f"job://{job['job_id']}/log")
    assert json.loads(getattr(facts, "text", ""))["exit_code"] == 0
    assert getattr(log, "text", "") == "hello"


async def test_progress_is_reported_while_waiting(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_background_job.actions.caller.PROGRESS_INTERVAL_S", 0.05)
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert progress <= (total or 0)
        heard.append(message or "")

    job = await client.facts("execute_command", command="sleep 60", wait_s=0)
    await client.client.call_tool("wait_for_job", {"job_id": job["job_id"], "wait_s": 1}, progress_handler=hear)
    assert any(job["job_id"] in message for message in heard)
    await client.facts("kill_job", job_id=job["job_id"])


async def test_a_resource_that_is_not_there_is_no_trouble_of_the_server(
    client: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    for uri in ("job://jnever", "job://jnever/log"):
        with pytest.raises(MCPError, match="there is no job 'jnever'"):
            await client.client.read_resource(uri)
    assert "Traceback" not in capfd.readouterr().err
