"""The rules of stop hooks."""

from __future__ import annotations

import json

import pytest

from mcp_background_job.core.hooks import Heard, HookClient, answer, heard, is_server
from mcp_background_job.core.launchers import is_launcher

TOLD = ["job jabcd `fit` failed, exit 7, 1 s ago", "run rabcd `tester` completed: “ok”, 2 s ago"]


@pytest.mark.parametrize(
    ("client", "fields"),
    [
        (HookClient.CLAUDE_CODE, {"decision": "block", "reason": ...}),
        (HookClient.CODEX, {"decision": "block", "reason": ...}),
        (HookClient.CURSOR, {"followup_message": ...}),
        (HookClient.GEMINI, {"decision": "deny", "reason": ...}),
        (HookClient.OPENCODE, {"prompt": ...}),
    ],
)
def test_each_client_is_answered_in_its_own_way(client: HookClient, fields: dict[str, object]) -> None:
    said = json.loads(answer(client, TOLD))
    assert said.keys() == fields.keys()
    (text,) = (said[name] for name, value in fields.items() if value is ...)
    assert text.splitlines()[:2] == TOLD
    assert {name: value for name, value in said.items() if value != text} == {
        name: value for name, value in fields.items() if value is not ...
    }


def test_every_client_has_an_answer() -> None:
    assert all(json.loads(answer(client, TOLD)) for client in HookClient)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (b"{}", Heard()),
        (b'{"stop_hook_active": false, "session_id": "s"}', Heard()),
        (b'{"stop_hook_active": true, "background_tasks": []}', Heard(goes_on=True)),
        (b'\xef\xbb\xbf{"status": "completed", "loop_count": 0}', Heard()),
        (b'{"status": "completed", "loop_count": 3}', Heard(goes_on=True)),
        (b'{"status": "aborted", "loop_count": 0}', Heard(is_aborted=True)),
        (b'{"status": "error", "loop_count": 1}', Heard(goes_on=True, is_aborted=True)),
        (b'{"stop_hook_active": "yes", "loop_count": "many", "status": 7}', Heard()),
    ],
)
def test_what_clients_say_of_a_turn_is_understood(said: bytes, meant: Heard) -> None:
    assert heard(said) == meant


@pytest.mark.parametrize("said", [b"", b"[]", b"null", b"stop", b'{"stop_hook_active": tru', b"\xff\xfe{}", b"\0"])
def test_what_is_no_object_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        heard(said)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("named", False),
        ("named listens", True),
        ("named restarts", True),
        ("named ready", True),
        ("listens restarts ready", False),
        ("", False),
    ],
)
def test_only_a_named_job_is_a_server(facts: str, *, expected: bool) -> None:
    found = is_server(
        is_named="named" in facts,
        listens="listens" in facts,
        restarts="restarts" in facts,
        was_found_ready="ready" in facts,
    )
    assert found is expected


@pytest.mark.parametrize(
    "argv",
    [
        ["/bin/sh", "-c", "mcp-background-job hook stop --client codex"],
        ["bash", "-lc", "exec something"],
        ["/bin/bash", "/home/me/bin/start-server.sh"],
        ["uvx", "--from", "git+https://example.org/x", "mcp-background-job"],
        ["/usr/local/bin/uv", "run", "mcp-background-job"],
        ["npm exec some-server@1.2"],
        ["node", "/usr/lib/node_modules/npm/bin/npx-cli.js", "some-server"],
        ["/opt/conda/bin/python3.12", "/opt/conda/bin/conda", "run", "mcp-background-job"],
        ["timeout", "3600", "mcp-background-job"],
    ],
)
def test_what_only_starts_something_else_is_no_client(argv: list[str]) -> None:
    assert is_launcher(argv)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        [""],
        ["claude", "-p", "do it"],
        ["/usr/lib/codex/codex", "exec"],
        ["node", "/usr/bin/gemini", "--experimental"],
        ["bash"],
        ["-bash"],
        ["zsh", "-l", "-i"],
        ["python3", "-c", "uvx"],
        ["/Applications/Cursor.app/Contents/MacOS/Cursor", "--type=utility"],
        ["tmux", "new-session"],
    ],
)
def test_a_client_and_a_shell_where_somebody_sits_are_no_launchers(argv: list[str]) -> None:
    assert not is_launcher(argv)
