"""The guide to new adapters is true: its two examples read the lines that it shows for them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import Adapter
from mcp_background_job.errors import InvalidRequestError
from tests.agents.recordings import told
from tests.agents.requests import request

_GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "new-adapter.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _GUIDE, re.MULTILINE | re.DOTALL)


def _adapter(code: str) -> Adapter:
    module = ModuleType("shown")
    exec(compile(code, "new-adapter.md", "exec"), vars(module))  # noqa: S102  the code is in this repository
    return module.ADAPTER


TINY, CROW = map(_adapter, _blocks("python"))
_TINY_LINES, _CROW_LINES = (block.encode().splitlines() for block in _blocks("json"))


def _told(adapter: Adapter, *lines: bytes) -> dict[str, Any]:
    return told(adapter.parser(), [*lines])


def test_the_first_example_reads_its_lines() -> None:
    assert _told(TINY, *_TINY_LINES) == {
        "session_id": "s1",
        "events": [
            ["status_changed", {"status": "running", "backend_session_id": "s1"}],
            ["agent_message", {"text": "Hello"}],
        ],
        "end": {"status": "completed", "data": {"final_response": "Hello", "usage": {"tokens": 12}}},
    }


def test_the_second_example_tells_of_its_calls() -> None:
    made = _told(CROW, *_CROW_LINES)
    assert made["events"][1:] == [
        ["command_started", {"id": "1", "command": "echo hello-from-tool; exit 3", "status": "in_progress"}],
        ["command_finished", {"id": "1", "status": "failed", "exit_code": 3, "output": "hello-from-tool\n"}],
        ["file_changed", {"id": "2", "status": "completed", "changes": [{"path": "notes.txt", "kind": "update"}]}],
        ["tool_started", {"id": "3", "name": "search", "input": {"for": "crows"}}],
        ["tool_finished", {"id": "3", "name": "search", "status": "completed", "output": "two pages"}],
        ["agent_message", {"text": "It exits with 3."}],
    ]
    assert made["end"]["data"] == {"final_response": "It exits with 3.", "usage": {"tokens": 42}}


@pytest.mark.parametrize(("adapter", "lines"), [(TINY, _TINY_LINES), (CROW, _CROW_LINES)], ids=["tiny", "crow"])
def test_an_example_can_be_handed_over_at_any_line(adapter: Adapter, lines: list[bytes]) -> None:
    whole = _told(adapter, *lines)
    for taken_over in range(len(lines)):
        first = adapter.parser()
        before = told(first, lines[:taken_over])
        after = told(adapter.parser(json.loads(json.dumps(first.dump()))), lines[taken_over:])
        assert before["events"] + after["events"] == whole["events"]
        assert (after["session_id"], after["end"]) == (whole["session_id"], whole["end"])


def test_an_example_that_fails_says_why() -> None:
    for adapter, line in (
        (TINY, b'{"type": "done", "ok": false, "error": "401 Unauthorized"}'),
        (CROW, b'{"event": "error", "text": "401 Unauthorized"}'),
    ):
        assert _told(adapter, line)["end"]["data"] == {"error": "401 Unauthorized", "reason": "auth"}


def test_the_examples_are_started_as_the_guide_says() -> None:
    started = TINY.launch(request("hi", resume="s1", model="best", args=["-v"]), "/bin/tiny")
    assert started.argv == ("/bin/tiny", "--json", "--ask-nothing", "--model=best", "--session=s1", "-v")
    assert started.stdin == b"hi"
    assert "--allow-all" in TINY.launch(request(full_access=True), "/bin/tiny").argv
    started = CROW.launch(request("hi", resume="c1", args=["-v"]), "/bin/crow")
    assert (started.argv, started.stdin) == (("/bin/crow", "run", "--session", "c1", "-v", "hi"), b"")
    with pytest.raises(InvalidRequestError, match="crow would take it for an option"):
        CROW.launch(request("--help"), "/bin/crow")


def test_the_stand_in_speaks_as_the_first_example_does(tmp_path: Path) -> None:
    (script,) = re.findall(r"^\$ cat > \S+\n(#!.*?)^\$ chmod", _GUIDE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "tiny"
    path.write_text(script)
    path.chmod(0o755)
    sh = shutil.which("sh") or ""
    assert TINY.available({"binary": str(path)}, {"PATH": str(Path(sh).parent)}).version == "1.0.0"
    for task, end in (("say hello", "completed"), ("fail", "failed"), ("crash", None)):
        said = subprocess.run([path], input=task.encode(), stdout=subprocess.PIPE, check=False).stdout.splitlines()
        made = _told(TINY, *said)["end"]
        assert (made and made["status"]) == end
        assert said == _TINY_LINES or task != "say hello"
