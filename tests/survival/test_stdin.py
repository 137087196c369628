"""Input: closed unless asked for, a pipe or a terminal."""

from __future__ import annotations

import pytest

from mcp_background_job.errors import InvalidRequestError, JobEndedError, StdinClosedError
from mcp_background_job.jobs import keys
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import WAIT_S
from tests.survival.support import Server, ended, output_of, printed, start

pytestmark = pytest.mark.real_process


@pytest.mark.requirement("stdin.closed")
async def test_without_more_a_job_reads_the_end_of_input_at_once(manager: JobManager) -> None:
    job = await ended(manager, await start(manager, "cat; echo $?"))
    assert output_of(manager, job.job_id) == b"0\n"


@pytest.mark.requirement("stdin.closed")
def test_input_for_a_closed_stdin_is_refused_with_what_to_do_instead(state_dir: str, liveness: Liveness) -> None:
    assert state_dir
    with Server() as server:
        job = server.call("execute_command", command=liveness.holder("leader"), wait_s=0.1)["job_id"]
        liveness.expect("leader")
        message = server.error("interact_with_job", job_id=job, input="hello")
        assert 'start the job with stdin="pipe" to send it input, or with stdin="pty"' in message
        liveness.assert_alive("leader")
        assert server.call("kill_job", job_id=job)["status"] == "killed"


@pytest.mark.requirement("stdin.pipe")
async def test_a_pipe_takes_lines_and_the_end_of_input(manager: JobManager) -> None:
    job = await start(manager, "cat; echo over", stdin="pipe")
    await keys.send(manager, job, "one", [])
    await printed(manager, job, "one")
    await keys.send(manager, job, "two\n", [])
    await keys.send(manager, job, "three", ["enter", "eof"])
    now = await ended(manager, job)
    assert now.status == "completed"
    assert output_of(manager, job.job_id) == b"one\ntwo\nthree\nover\n"


@pytest.mark.requirement("stdin.pipe")
async def test_input_is_binary_safe_and_arrives_whole_however_slowly_it_is_read(manager: JobManager) -> None:
    data = bytes(range(256)) * 2048  # more than a pipe holds
    job = await start(manager, "read line; cat", stdin="pipe")
    await manager.send_input(job, b"\n" + data)
    await manager.send_input(job, b"", eof=True)
    await ended(manager, job)
    assert output_of(manager, job.job_id) == data


@pytest.mark.requirement("stdin.pipe")
async def test_input_that_nobody_reads_is_refused_when_it_gets_too_much(
    manager: JobManager, liveness: Liveness
) -> None:
    job = await start(manager, liveness.holder("leader"), stdin="pipe")
    liveness.expect("leader")
    for _ in range(3):
        await manager.send_input(job, b"x" * 300_000)
    with pytest.raises(InvalidRequestError, match=r"has not read the \d+ bytes"):
        await manager.send_input(job, b"x" * 700_000)
    assert (await manager.kill(job.job_id, by="test")).status == "killed"


@pytest.mark.requirement("stdin.pipe")
async def test_input_after_the_end_of_input_or_of_the_job_is_refused(manager: JobManager) -> None:
    job = await start(
        manager, "cat >/dev/null; trap 'exit 3' TERM; echo waits; while :; do sleep 0.05; done", stdin="pipe"
    )
    await manager.send_input(job, b"", eof=True)
    await printed(manager, job, "waits")
    with pytest.raises(StdinClosedError):
        await manager.send_input(job, b"late\n")
    killed = await manager.kill(job.job_id, by="test")
    assert killed.job
    assert killed.job.exit_code == 3
    with pytest.raises(JobEndedError, match=r"it is killed|ended before"):
        await manager.send_input(job, b"too late\n")


@pytest.mark.requirement("stdin.pty")
async def test_a_terminal_echoes_and_the_program_knows_that_it_has_one(manager: JobManager) -> None:
    command = 'test -t 0 && test -t 1 && echo terminal; read line; echo "got $line"; stty size'
    job = await start(manager, command, stdin="pty")
    await printed(manager, job, "terminal")
    await keys.send(manager, job, "hello", [])
    now = await ended(manager, job)
    assert now.exit_code == 0
    assert output_of(manager, job.job_id) == b"terminal\r\nhello\r\ngot hello\r\n50 160\r\n"


@pytest.mark.requirement("stdin.pty")
async def test_the_end_of_input_on_a_terminal(manager: JobManager) -> None:
    job = await start(manager, "echo ready; cat; echo over", stdin="pty")
    await printed(manager, job, "ready")
    await keys.send(manager, job, None, ["eof"])
    assert (await ended(manager, job)).exit_code == 0
    assert output_of(manager, job.job_id).endswith(b"over\r\n")


@pytest.mark.requirement("stdin.ctrl_c")
@pytest.mark.parametrize("stdin", ["pty", "pipe", "closed"])
async def test_ctrl_c_interrupts_the_foreground_and_is_no_kill(
    manager: JobManager, liveness: Liveness, stdin: str
) -> None:
    body = "signal.signal(signal.SIGINT, lambda *_: os._exit(42))\nconnect('leader')\nhang()\n"
    job = await start(manager, "exec " + liveness.script("leader", body), stdin=stdin)
    liveness.expect("leader")
    await keys.send(manager, job, None, ["ctrl-c"])
    now = await ended(manager, job)
    assert (now.status, now.exit_code) == ("failed", 42)
    liveness.assert_dead("leader")


@pytest.mark.requirement("stdin.ctrl_c")
async def test_a_key_that_needs_a_terminal_is_refused_on_a_pipe(manager: JobManager) -> None:
    job = await start(manager, "cat", stdin="pipe")
    with pytest.raises(InvalidRequestError, match=r"means nothing without a terminal: start the job with stdin="):
        await keys.send(manager, job, "not sent", ["up"])
    await keys.send(manager, job, None, ["eof"])
    assert (await ended(manager, job)).status == "completed"
    assert output_of(manager, job.job_id) == b""


@pytest.mark.requirement("stdin.pty")
def test_a_conversation_with_a_prompt_through_the_tools(state_dir: str) -> None:
    assert state_dir
    command = "printf 'name? '; read name; printf 'age? '; read age; echo \"$name is $age\"; exit 4"
    with Server() as server:
        started = server.call("execute_command", command=command, stdin="pty", until="name", wait_s=WAIT_S)
        assert started["why"] == "matched"
        job = started["job_id"]
        assert "age?" in server.text("interact_with_job", job_id=job, input="Ada")
        answer = server.text("interact_with_job", job_id=job, input="36", wait_s=WAIT_S)
        assert "Ada is 36" in answer
        assert server.call("wait_for_job", job_id=job)["exit_code"] == 4
