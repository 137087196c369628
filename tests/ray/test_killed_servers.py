"""Servers are killed around the submission of a job, and each command runs exactly once.

It takes minutes: ``make .ray``, then ``RAY_CLUSTER=1 pytest -m "ray and nightly" tests/ray --timeout 1800``.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from mcp_background_job.executors.ray import submitting
from tests.nodes.killing import kill_servers
from tests.patience import ASK_AGAIN_S, PATIENCE_S, until
from tests.ray.conftest import Managers

pytestmark = [pytest.mark.ray, pytest.mark.nightly, pytest.mark.real_process]

#: Servers that are killed. Ray takes seconds of a processor for each job that it starts.
_POINTS = int(os.environ.get("RAY_POINTS", "20"))

#: What they load before they are let go.
_MODULES = ("mcp_background_job.executors.ray.place", "mcp_background_job.executors.ray.parcel", "httpx2")


async def test_each_command_runs_exactly_once_although_its_server_is_killed(
    managers: Managers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "REPEAT_AFTER_S", 3.0)
    ran = tmp_path / "ran"
    await asyncio.to_thread(kill_servers, "ray", f"echo $MCP_BG_JOB_ID >> {ran}", _POINTS, _MODULES)
    manager = managers()
    store = manager.places.named("ray").store
    accepted = {job_id for job_id in store.discover() if store.is_recorded(job_id)}

    async def all_ended() -> bool:
        await manager.recover()
        return not manager.places.open_jobs()

    await until(all_ended, "the end of all jobs", PATIENCE_S + 10 * _POINTS, pause_s=ASK_AGAIN_S)
    assert Counter(ran.read_text().split()) == dict.fromkeys(accepted, 1)
    assert {(await manager.find(job_id)).status for job_id in accepted} == {"completed"}
