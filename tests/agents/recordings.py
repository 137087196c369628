"""What real agents printed, recorded against a fake model, and what the parsers made of it when people last looked.

Antigravity CLI cannot be had where the tests run: its lines are written as its documentation of headless mode says.

``python -m tests.agents.real.record`` records Codex and Claude Code anew, and
``python -m tests.agents.recordings`` writes ``recordings/*.expected.json`` anew: look at the difference before you
commit it. Of Claude Code only those fields were kept that say something of the run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcp_background_job.agents.adapters.base import Event, Parser
from mcp_background_job.agents.adapters.table import adapter_named

FOLDER = Path(__file__).parent / "recordings"

#: Folder of the recordings, and name of the adapter.
AGENTS = {
    "antigravity": "antigravity",
    "claude": "claude_code",
    "codex": "codex",
    "gemini": "gemini",
    "opencode": "opencode",
}

#: Name of each recording, such as ``codex/hi``: those of agents that have a row above.
RECORDINGS = [
    path.relative_to(FOLDER).with_suffix("").as_posix()
    for agent in AGENTS
    for path in sorted((FOLDER / agent).glob("**/*.jsonl"))
]


def agent_of(recording: str) -> str:
    return recording.partition("/")[0]


def adapter_of(recording: str) -> str:
    return AGENTS[agent_of(recording)]


def lines_of(recording: str) -> list[bytes]:
    """Return the lines that the agent printed."""
    lines = (FOLDER / f"{recording}.jsonl").read_bytes().splitlines()
    if "/bidi/" not in recording:
        return lines
    return [json.dumps(told["message"]).encode() for told in map(json.loads, lines) if told["to"] == "us"]


def sent_in(recording: str) -> list[Any]:
    """Return the messages that were written to the agent's stdin."""
    lines = (FOLDER / f"{recording}.jsonl").read_bytes().splitlines()
    return [told["message"] for told in map(json.loads, lines) if told["to"] == "agent"]


def told(parser: Parser, lines: list[bytes]) -> dict[str, Any]:
    """Feed a parser a whole stream; returns everything that it told, as JSON."""
    events: list[Event] = [event for line in lines for event in parser.feed(line)]
    end = parser.end and {"status": parser.end.status.value, "data": parser.end.data}
    return {
        "session_id": parser.session_id,
        "events": [[event.type.value, event.data] for event in events],
        "end": end,
    }


def expected(agent: str) -> dict[str, Any]:
    """Return what the parser made of each recording of an agent; empty if that was not written yet."""
    path = FOLDER / f"{agent}.expected.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write() -> None:
    for agent, name in AGENTS.items():
        mine = [recording for recording in RECORDINGS if recording.startswith(f"{agent}/")]
        everything = {recording: told(adapter_named(name).parser(), lines_of(recording)) for recording in mine}
        written = json.dumps(everything, indent=1, ensure_ascii=False)
        (FOLDER / f"{agent}.expected.json").write_text(written + "\n")


if __name__ == "__main__":
    _write()
