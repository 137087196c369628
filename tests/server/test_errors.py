"""What a program that calls the server learns of an error: a code that never changes, and an answer in every case."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from mcp_background_job.server.answers import ERROR_CODE
from tests.patience import PATIENCE_S
from tests.server.lines import LineClient

pytestmark = pytest.mark.real_process


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Generator[LineClient]:
    """One server for all tests, none of which may harm it, that is spoken to line by line."""
    state = tmp_path_factory.mktemp("errors") / "state"
    client = LineClient({"MCP_BG_STATE_DIR": str(state), "COMFYUI_PORT": "9"})
    try:
        yield client
    finally:
        assert client.close(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("get_job_status", {"job_id": "jnever"}, "unknown_job"),
        ("wait_for_job", {"job_id": ["jnever"]}, "unknown_job"),
        ("restart_job", {"job_id": "no/such"}, "unknown_job"),
        ("execute_command", {"command": ""}, "invalid_request"),
        ("list_jobs", {"colour": "red"}, "invalid_request"),
        ("list_jobs", {"cwd": "/tmp/\0"}, "invalid_request"),
        ("get_run", {"run_id": "nope"}, "unknown_run"),
        ("get_run", {"agent_name": "nobody", "cwd": "\0"}, "invalid_request"),
        ("comfyui_batch", {"batch_id": "b1"}, "unknown_batch"),
        ("comfyui_jobs", {"session": "nope"}, "unknown_session"),
    ],
)
def test_an_error_of_a_tool_carries_its_code(
    lines: LineClient, tool: str, arguments: dict[str, Any], code: str
) -> None:
    result = lines.call(tool, **arguments)
    assert result["isError"]
    assert result["_meta"][ERROR_CODE] == code
    assert "structuredContent" not in result


def test_a_resource_of_an_unknown_job_is_named(lines: LineClient) -> None:
    for uri in ("job://jnever", "job://jnever/log"):
        error = lines.ask("resources/read", {"uri": uri})["error"]
        assert error["code"] == -32602
        assert error["data"] == {"uri": uri, "code": "unknown_job"}
        assert "there is no job 'jnever'" in error["message"]


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        (b"{", None, -32700),
        (b"no", None, -32700),
        (b"\xff\xfe", None, -32700),
        (b'{"jsonrpc":"2.0","id":5,"method":"ping"', None, -32700),
        (b"[" * 100_000, None, -32700),
        (b"[]", None, -32600),
        (b'[{"jsonrpc":"2.0","id":5,"method":"ping"}]', None, -32600),
        (b"17", None, -32600),
        (b'"ping"', None, -32600),
        (b"{}", None, -32600),
        (b'{"id":5,"method":"ping"}', 5, -32600),
        (b'{"jsonrpc":"1.0","id":"a","method":"ping"}', "a", -32600),
        (b'{"jsonrpc":"2.0","id":6}', 6, -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":1}', 7, -32600),
        (b'{"jsonrpc":"2.0","id":8,"method":"tools/call","params":[1]}', 8, -32602),
        (b'{"jsonrpc":"2.0","id":"b","method":"tools/call","params":"x"}', "b", -32602),
        (b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":3}}', 9, -32602),
        (b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{}}', 9, -32602),
        (b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"list_jobs","arguments":[]}}', 9, -32602),
        (b'{"jsonrpc":"2.0","id":9,"method":"resources/read","params":{"uri":{}}}', 9, -32602),
        (b'{"jsonrpc":"2.0","id":9,"method":"resources/read"}', 9, -32602),
        (b'{"jsonrpc":"2.0","id":9,"method":"no/such"}', 9, -32601),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1e2,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":[9],"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}', None, -32700),
        (b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":["\\ud800"]}', 9, -32602),
        (b'[{"jsonrpc":"2.0","id":9,"method":"\\ud800"}]', None, -32600),
        (b'{"jsonrpc":"2.0","id":9,"method":"ping"}{"jsonrpc":"2.0","id":9,"method":"ping"}', None, -32700),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":9,"method":"ping"}', None, -32700),
    ],
)
def test_a_line_that_cannot_be_served_is_answered(
    lines: LineClient, line: bytes, request_id: int | str | None, code: int
) -> None:
    lines.write(line)
    answer = lines.read()
    assert (answer["id"], answer["error"]["code"]) == (request_id, code)
    assert answer["error"]["message"]


def test_requests_with_one_id_are_each_answered_also_very_large_ones(lines: LineClient) -> None:
    large = {"name": "get_job_status", "arguments": {"job_id": "x" * 5_000_000}}
    small: dict[str, Any] = {"name": "list_jobs", "arguments": {}}
    for params in (large, small, large):
        lines.write(json.dumps({"jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": params}).encode())
    answers = [lines.read() for _ in range(3)]
    assert sorted(answer["result"]["isError"] for answer in answers) == [False, True, True]
    assert {answer["id"] for answer in answers} == {"same"}


def test_a_number_that_is_none_is_refused_and_named(lines: LineClient) -> None:
    lines.write(
        b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"list_jobs","arguments":{"limit":NaN}}}'
    )
    answer = lines.read()
    assert (answer["id"], answer["result"]["isError"]) == (9, True)
    assert "limit" in answer["result"]["content"][0]["text"]


def test_what_nobody_waits_for_is_not_answered(lines: LineClient) -> None:
    for line in (
        b"",
        b"  \t",
        b'{"jsonrpc":"2.0","method":"notifications/none","params":[1]}',
        b'{"jsonrpc":"2.0","id":7,"result":5}',
        b'{"jsonrpc":"2.0","id":7,"error":"no"}',
    ):
        lines.write(line)
    lines.write(json.dumps({"jsonrpc": "2.0", "id": "last", "method": "ping"}).encode())
    assert lines.read() == {"jsonrpc": "2.0", "id": "last", "result": {}}


def test_an_error_about_something_long_is_short_and_says_what_to_do(lines: LineClient) -> None:
    told = lines.text("get_job_status", job_id="x" * 1_000_000)
    assert len(told) < 2100
    assert told.startswith("there is no job 'xxx")
    assert told.endswith("there are no jobs yet")
