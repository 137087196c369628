"""Bytes that are not UTF-8, in whatever a tool says or is told: the server lives, and every answer is UTF-8."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCResponse,
)
from pydantic import BaseModel

from mcp_background_job.cli import output, terminal
from mcp_background_job.core.wire import utf8
from mcp_background_job.server.fastmcp_names import SessionMessage
from mcp_background_job.server.stdio import encodable
from tests.patience import PATIENCE_S, wait_until
from tests.server.lines import LineClient

pytestmark = pytest.mark.real_process

#: What a path, an argument or a variable may hold, as Python holds it.
HOSTILE = "h\udcff\udc80"
SHOWN = "h\\xff\\x80"

#: Replaces itself by a program of which argument and name are no UTF-8, with the rest of a script as its own.
_ODD_PROCESS = f'exec {sys.executable} -c \'import os; os.execv("/bin/sleep", [b"s\\xfe", b"60"])\''


@pytest.fixture
def hostile(tmp_path: Path) -> Generator[LineClient]:
    """A server whose state directory, working directory and environment hold bytes that are not UTF-8."""
    state, cwd = tmp_path / f"state-{HOSTILE}", tmp_path / f"work-{HOSTILE}"
    cwd.mkdir()
    env = {"MCP_BG_STATE_DIR": str(state), "PWD": str(cwd), "ODD": HOSTILE, HOSTILE: "1", "COMFYUI_PORT": "9"}
    client = LineClient(env, str(cwd))
    try:
        yield client
    finally:
        for job in client.facts("list_jobs", status="running,queued")["jobs"]:
            client.call("kill_job", job_id=job["job_id"], grace_s=0)
        assert client.close(PATIENCE_S) == 0


def test_each_tool_for_jobs_answers_where_everything_is_hostile(hostile: LineClient) -> None:
    job = hostile.facts("execute_command", command="printf 'a\\377b'", name="odd", wait_s=PATIENCE_S)
    assert f"state-{SHOWN}" in job["log_path"]
    assert hostile.facts("get_job_status", job_id="odd")["cwd"].endswith(f"work-{SHOWN}")
    assert "odd" in str(hostile.facts("list_jobs"))
    assert hostile.facts("wait_for_job", job_id=["odd"])["jobs"][0]["log_path"] == job["log_path"]
    assert "a\N{REPLACEMENT CHARACTER}b" in hostile.text("tail_job_output", job_id="odd")
    assert "a\\xffb" in hostile.text("get_job_output", job_id="odd", raw=True)
    assert hostile.facts("restart_job", job_id="odd", wait_s=PATIENCE_S)["status"] == "completed"


def test_a_process_whose_arguments_are_no_text_is_listed(hostile: LineClient) -> None:
    job = hostile.facts("execute_command", command=f"echo up; {_ODD_PROCESS}", until="up", wait_s=PATIENCE_S)

    def shown() -> list[str]:
        return hostile.facts("get_job_status", job_id=job["job_id"]).get("processes", [])

    wait_until(lambda: [one.endswith("s\\xfe 60") for one in shown()] == [True], "the process has replaced itself")
    resource = hostile.ask("resources/read", {"uri": f"job://{job['job_id']}"})
    assert "s\\\\xfe 60" in resource["result"]["contents"][0]["text"]
    assert hostile.facts("kill_job", job_id=job["job_id"], grace_s=0)["status"] == "killed"


def test_an_error_that_quotes_what_is_no_text_is_told(hostile: LineClient) -> None:
    assert f"work-{SHOWN}/nowhere does not exist" in hostile.text("execute_command", command="true", cwd="nowhere")
    assert "comfyui" in hostile.text("comfyui_status").lower()


def test_half_a_character_in_any_argument_is_refused_by_every_tool(hostile: LineClient) -> None:
    asked = 0
    for tool in hostile.ask("tools/list", {})["result"]["tools"]:
        for name in tool["inputSchema"]["properties"]:
            for value in ("x\ud800", ["\udc80"], {"k": {"\udfff": 1}}):
                result = hostile.call(tool["name"], **{name: value})
                assert result["isError"]
                assert "half of a surrogate pair" in result["content"][0]["text"]
                asked += 1
    assert asked > 3 * 30


def test_half_a_character_elsewhere_in_a_request_gets_an_answer(hostile: LineClient) -> None:
    requests: list[tuple[str, dict[str, Any]]] = [
        ("tools/call", {"name": "no\ud800", "arguments": {}}),
        ("resources/read", {"uri": "job://\ud800/log"}),
        ("resources/read", {"uri": "\udcff"}),
        ("prompts/get", {"name": "\udcff"}),
        ("\ud800", {"a": 1}),
        ("ping", {"_meta": {"progressToken": "\udcff"}}),
    ]
    for method, params in requests:
        assert {"result", "error"} & set(hostile.ask(method, params))


def test_lines_that_are_no_messages_end_nothing(hostile: LineClient) -> None:
    lines = [b"", b"{", b"\xff\xfe", b"[]", b'"\\ud800"', b"NaN", b'{"id":"\\udcff"}', b"[" * 100_000, b'{"method":1}']
    for line in lines:
        hostile.write(line)
    hostile.write(b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}')
    assert hostile.ask("ping", {})["result"] == {}


@pytest.mark.parametrize(
    "message",
    [
        JSONRPCResponse(jsonrpc="2.0", id=HOSTILE, result={HOSTILE: [HOSTILE, {"a": float("nan")}]}),
        JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=1, message=HOSTILE, data={HOSTILE: HOSTILE})),
        JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params={"message": HOSTILE}),
    ],
)
def test_every_kind_of_message_leaves_as_utf_8(message: Any) -> None:
    sent = encodable(SessionMessage(message)).message
    assert isinstance(sent, BaseModel)
    assert SHOWN in sent.model_dump_json(by_alias=True, exclude_unset=True).encode().decode().replace("\\\\", "\\")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_command_line_prints_json_whatever_the_encoding(
    capfdbinary: pytest.CaptureFixture[bytes], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(os.fdopen(os.dup(1), "w", encoding=encoding)) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", sys.stderr)
        output.guard()
        terminal.as_json({"é€": f"é€{HOSTILE}"})
        terminal.flush()
        monkeypatch.undo()
    written = capfdbinary.readouterr().out.decode(encoding)
    assert json.loads(written) == {"é€": utf8(f"é€{HOSTILE}")}
