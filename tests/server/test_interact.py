"""Talking to a job: the answer is whole, the keys arrive, and nothing that was sent is lost."""

from __future__ import annotations

import shlex
import sys

import pytest

from tests.patience import PATIENCE_S, WAIT_S
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

#: Takes its time for each answer, and asks for more.
SLOW = "printf '> '; while read -r line; do sleep 0.7; echo \"got $line\"; printf '> '; done"

#: Has the terminal give characters as they come, and shows so many of them in hexadecimal.
HEX = "stty raw -echo; printf ready; head -c {count} | od -An -tx1"


async def started(client: Caller, command: str, stdin: str = "pty", **more: object) -> str:
    job = await client.facts("execute_command", command=command, stdin=stdin, wait_s=0, **more)
    return job["job_id"]


async def ready(client: Caller, command: str) -> str:
    job_id = await started(client, command)
    assert (await client.facts("wait_for_job", job_id=job_id, until="ready", wait_s=WAIT_S))["why"] == "matched"
    return job_id


@pytest.mark.parametrize("stdin", ["pipe", "pty"])
async def test_a_slow_answer_is_waited_for_right_after_the_start_and_its_echo_is_none(
    client: Caller, stdin: str
) -> None:
    job_id = await started(client, SLOW, stdin)
    for line in ("one", "two"):
        answer = await client.text("interact_with_job", job_id=job_id, input=line, wait_s=WAIT_S)
        assert f"got {line}" in answer
        assert answer.endswith(">")
    await client.facts("kill_job", job_id=job_id)


async def test_a_prompt_that_throws_away_what_was_typed_before_is_waited_for(
    client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.jobs.answering._YOUNG_S", PATIENCE_S)
    ask = "import getpass, time; time.sleep(0.7); print('got', getpass.getpass())"
    job_id = await started(client, shlex.join([sys.executable, "-c", ask]))
    answer = await client.text("interact_with_job", job_id=job_id, input="a secret", wait_s=WAIT_S)
    assert answer.endswith("got a secret")


async def test_what_does_not_answer_in_time_is_said_to(client: Caller) -> None:
    job_id = await started(client, "read -r line; sleep 600")
    answer = await client.text("interact_with_job", job_id=job_id, input="hello", wait_s=0.3)
    assert ", no answer yet]" in answer or ", no answer yet\n" in answer
    await client.facts("kill_job", job_id=job_id)


async def test_an_expression_is_waited_for_instead_of_the_next_prompt(client: Caller) -> None:
    job_id = await started(client, "read -r a; printf 'sure? '; read -r b; echo never")
    answer = await client.text("interact_with_job", job_id=job_id, input="x", until="sure", wait_s=WAIT_S)
    assert ", matched" in answer.splitlines()[0]
    await client.facts("kill_job", job_id=job_id)


async def test_input_without_enter_is_not_a_line_yet(client: Caller) -> None:
    job_id = await started(client, 'read -r line; echo "<$line>"', "pipe")
    await client.text("interact_with_job", job_id=job_id, input="ab", enter=False, wait_s=0)
    answer = await client.text("interact_with_job", job_id=job_id, input="cd", wait_s=WAIT_S)
    assert "<abcd>" in answer


async def test_keys_reach_the_program_as_they_are(client: Caller) -> None:
    job_id = await ready(client, HEX.format(count=11))
    keys = ["q", "ctrl-x", "f10", "shift-tab", "é"]
    answer = await client.text("interact_with_job", job_id=job_id, keys=keys[:4], until="^never", wait_s=0)
    assert answer
    answer = await client.text("interact_with_job", job_id=job_id, keys=keys[4:], wait_s=WAIT_S)
    assert "71 18 1b 5b 32 31 7e 1b 5b 5a c3" in answer


async def test_a_line_that_a_terminal_would_cut_is_refused_and_nothing_of_it_is_sent(client: Caller) -> None:
    job_id = await ready(client, 'echo ready; read -r line; echo "${#line}"')
    message = await client.error("interact_with_job", job_id=job_id, input="x" * 5000)
    assert "a line of 5,000 bytes" in message
    assert 'stdin="pipe"' in message
    answer = await client.text("interact_with_job", job_id=job_id, input="y" * 4095, wait_s=WAIT_S)
    assert answer.endswith("\n4095")


async def test_a_long_line_arrives_where_the_terminal_gives_characters(client: Caller) -> None:
    job_id = await ready(client, "stty raw -echo; printf 'ready '; head -c 100000 | wc -c")
    answer = await client.text("interact_with_job", job_id=job_id, input="x" * 100_000, enter=False, wait_s=WAIT_S)
    assert "100000" in answer


async def test_input_of_megabytes_is_sent_in_pieces(client: Caller) -> None:
    job_id = await started(client, "wc -c", "pipe")
    answer = await client.text("interact_with_job", job_id=job_id, input="x" * 3_000_000, keys=["eof"], wait_s=WAIT_S)
    assert "3000000" in answer
