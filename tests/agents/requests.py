"""Requests to start a run, as tests make them."""

from __future__ import annotations

from typing import Any

from mcp_background_job.agents.adapters.base import RunRequest


def request(
    prompt: str = "say hi", *, resume: str | None = None, output_schema: Any = None, **config: Any
) -> RunRequest:
    return RunRequest(
        run_id="r1",
        cwd="/workspace",
        prompt=prompt,
        directory="/runs/r1",
        resume=resume,
        output_schema=output_schema,
        config=config,
    )
