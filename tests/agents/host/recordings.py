"""What real agents sent over the wire, recorded against a fake model, and what it told when people last looked.

``python -m tests.agents.host.recordings`` writes ``recordings/*.expected.json`` anew: look at the difference before you
commit it. Long texts and lists of commands and models were cut out of the messages.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.host import a2a_updates, acp_ends, acp_updates
from mcp_background_job.core.run import EventType

FOLDER = Path(__file__).parent / "recordings"


def messages(protocol: str) -> dict[str, list[Any]]:
    """Return the messages of each case, in order."""
    cases: dict[str, list[Any]] = defaultdict(list)
    for line in (FOLDER / f"{protocol}.jsonl").read_text().splitlines():
        told = json.loads(line)
        cases[told["case"]].append(told)
    return cases


def acp_told(told: list[Any]) -> list[Event | ParsedEnd]:
    """Return what the messages of an ACP agent tell."""
    updates = acp_updates.Updates()
    heard: list[Event | ParsedEnd] = []
    for message in told:
        match message:
            case {"kind": "update", "message": update}:
                heard += updates.feed(update)
            case {"kind": "request_permission", "message": {"tool_call": call, "options": options}}:
                heard += [*updates.before_permission(call), Event(EventType.INPUT_REQUIRED, {"options": options})]
            case {"kind": "prompt_result", "message": answer}:
                heard += [*updates.end_turn(), acp_ends.end_of_turn(answer, updates)]
            case _:
                heard += [*updates.end_turn(), acp_ends.refused(-32603, message["message"], None)]
    return heard


def a2a_told(told: list[Any]) -> list[Event | ParsedEnd]:
    """Return what the responses of an A2A agent tell."""
    updates = a2a_updates.Updates()
    heard: list[Event | ParsedEnd] = [event for message in told for event in updates.feed(message["message"])]
    if updates.is_settled:
        heard.append(updates.question or updates.end)
    return heard


TOLD = {"acp": acp_told, "a2a": a2a_told}


def as_json(heard: list[Event | ParsedEnd]) -> list[Any]:
    """Return what was told as it stands in the file."""
    rows = [[item.type if isinstance(item, Event) else f"end {item.status}", item.data] for item in heard]
    return json.loads(json.dumps(rows))


def expected(protocol: str) -> dict[str, list[Any]]:
    """Return what people last saw."""
    return json.loads((FOLDER / f"{protocol}.expected.json").read_text())


def actual(protocol: str) -> dict[str, list[Any]]:
    """Return what is told now."""
    return {case: as_json(TOLD[protocol](told)) for case, told in messages(protocol).items()}


if __name__ == "__main__":
    for name in TOLD:
        text = json.dumps(actual(name), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.expected.json").write_text(text + "\n")
