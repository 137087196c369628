"""Puts back into an event what was cut out of it: a model pays for what it reads, a person does not."""

from __future__ import annotations

import json
from typing import Any

from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.events.cutting import CUT_MARK
from mcp_background_job.agents.runs import MAX_ARTIFACT_BYTES, RunManager
from mcp_background_job.cli.wording import PROGRAM

#: Bytes of a field that are shown; nobody reads more on a screen.
_MOST = 1024 * 1024


async def whole(runs: RunManager, run_id: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with the whole of its fields; of one that is too large it says how to read it.

    Raises:
        StateDirError: what was cut cannot be read.
    """
    data = dict(event["data"])
    for pointer, about in data.pop("artifact_refs", {}).items():
        name = pointer[1:].replace("~1", "/").replace("~0", "~")  # RFC 6901
        if about["total_bytes"] <= _MOST and about.get("stored", True):
            text = await _read(runs, run_id, event["seq"], pointer)
            data[name] = json.loads(text) if about["mime"] == "application/json" else text
        elif isinstance(data[name], str):
            data[name] = data[name].removesuffix(CUT_MARK) + f"\n... {_rest(run_id, event['seq'], name, about)}"
    return {**event, "data": data}


async def _read(runs: RunManager, run_id: str, seq: int, pointer: str) -> str:
    reference, offset, pieces = Reference(run_id), 0, list[str]()
    while True:
        piece = await runs.artifact(reference, seq=seq, field_path=pointer, offset=offset, limit=MAX_ARTIFACT_BYTES)
        pieces.append(piece.content)
        offset = piece.offset + piece.returned_bytes
        if not piece.returned_bytes or offset >= piece.reference["total_bytes"]:
            return "".join(pieces)


def _rest(run_id: str, seq: int, name: str, about: dict[str, Any]) -> str:
    size = f"{about['total_bytes']:,} bytes in all"
    if not about.get("stored", True):
        return f"{size}, of which no more was kept"
    return f"{size}: `{PROGRAM} runs artifact {run_id} {seq} {name}` prints them"
