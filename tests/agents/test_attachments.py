"""Files in messages: kept where the agent finds them, under names that lead nowhere else."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters.base import Attachment
from mcp_background_job.agents.adapters.remote_a2a import ADAPTER as A2A
from mcp_background_job.agents.host.a2a_conversation import file_part
from mcp_background_job.agents.requests import messages
from mcp_background_job.agents.requests.attachments import File, keep, placed, with_paths
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.errors import InvalidRequestError
from tests.agents.fake_agents import Agents, events_until
from tests.agents.requests import request


def _message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def _file(content: bytes, **about: Any) -> dict[str, Any]:
    return {"type": "file", "bytes_base64": base64.b64encode(content).decode(), **about}


def test_files_are_read_with_what_is_said_of_them() -> None:
    said = messages.read(
        _message(
            {"type": "text", "text": "look"},
            _file(b"\x00\xff", name="a b.png", mime_type="image/png"),
            {"type": "file", "uri": "https://x/y", "name": "y", "mime_type": "text/plain"},
            _file(b"x"),
        )
    )
    assert said.text == "look\n\nFile: https://x/y (y, text/plain)"
    assert said.files == (File(b"\x00\xff", "a b.png", "image/png"), File(b"x"))


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"type": "file", "bytes_base64": "no!"}, "not base64"),
        ({"type": "file", "bytes_base64": ""}, "cannot be used"),
        ({"type": "file"}, "cannot be used"),
        ({"type": "file", "uri": "x", "bytes_base64": "eA=="}, "cannot be used"),
        ({"type": "file", "bytes_base64": 3}, "cannot be used"),
    ],
)
def test_what_is_no_file_is_refused(part: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        messages.read(_message(part))


def test_no_name_leads_out_of_the_folder_or_is_that_of_another(tmp_path: Path) -> None:
    files = [File(b"1", "../../etc/passwd"), File(b"2", "passwd"), File(b"3"), File(b"4", "a;rm -rf $HOME\n.txt")]
    places = placed(str(tmp_path), files)
    keep(places, files)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["1-passwd", "2-passwd", "3-file", "4-a_rm_-rf_HOME_.txt"]
    assert (tmp_path / "1-passwd").read_bytes() == b"1"
    assert with_paths("look", places[:1]) == f"look\n\nFile: {tmp_path}/1-passwd (../../etc/passwd)"
    assert with_paths("", places[2:3]) == f"File: {tmp_path}/3-file"


def test_a_remote_agent_is_given_the_files_themselves() -> None:
    asked = request("look", agent_url="http://127.0.0.1:1")
    files = (Attachment("/runs/r1/tmp/1-a", "a", "text/plain"),)
    (written,) = A2A.launch(replace(asked, files=files), "").files.values()
    told = json.loads(written)
    assert told["prompt"] == "look"
    assert told["files"] == [{"path": "/runs/r1/tmp/1-a", "name": "a", "mime_type": "text/plain"}]


def test_a_file_is_sent_with_its_bytes_its_name_and_its_type(tmp_path: Path) -> None:
    (tmp_path / "1-file").write_bytes(b"\x00\xff")
    about = {"path": str(tmp_path / "1-file"), "name": "", "mime_type": "image/png"}
    part = file_part(about)
    assert (part.raw, part.filename, part.media_type) == (b"\x00\xff", "1-file", "image/png")
    assert file_part({**about, "name": "a.png"}).filename == "a.png"


@pytest.mark.real_process
async def test_an_agent_finds_the_files_that_come_with_its_task(runs: RunManager, agents: Agents) -> None:
    command = agents.command("sh", "-c", 'cat; cat "$TMPDIR"/1-note.txt').config
    run = await runs.spawn(
        SpawnRequest(
            backend="command",
            cwd=str(agents.workspace),
            input_message=_message(_file(b"in the file", name="note.txt")),
            config=command,
        )
    )
    (*_, last) = await events_until(runs, run)
    named, content = last["data"]["final_response"].splitlines()[0], last["data"]["final_response"]
    assert named.startswith("File: /")
    assert "1-note.txt (note.txt)" in named
    assert content.endswith("in the file")
