"""A server that starts a run, prints its id, and does nothing more until it is killed: what it is told is on stdin."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from tests.agents.real.speaking import runs_of


async def _serve(told: dict[str, Any]) -> None:
    manager = build(load_settings(state_dir=told["state_dir"]))
    await manager.places.start()
    runs = runs_of(manager, told["environment"])
    run = await runs.spawn(SpawnRequest(**told["request"]))
    print(run.record.run_id, flush=True)  # noqa: T201  it is what it is for
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(json.load(sys.stdin)))
