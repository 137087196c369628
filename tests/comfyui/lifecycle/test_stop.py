"""A stop is answered when nothing of ComfyUI is left, or names what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.comfyui.lifecycle import server_job
from mcp_background_job.errors import SurvivorsError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.processes.family import Ended
from tests.comfyui.lifecycle.lifecycle_support import (
    CHECKOUT,
    a_checkout,
    children_of,
    control_of,
    listening_pids,
    run_to_its_end,
    simulators,
    stuck,
    wait_running,
    watching,
)
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import free_port

pytestmark = pytest.mark.real_process


@pytest.mark.parametrize("whose", ["ours", "somebody else's"])
async def test_nothing_of_it_is_left(tmp_path: Path, manager: JobManager, whose: str) -> None:
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as control:
            pid = simulator.pid
            job_id = None
            if whose == "ours":
                restarted = await control.restart()
                assert restarted.pid is not None
                pid, job_id = restarted.pid, restarted.job_id
            run_to_its_end(simulator, graphs.spawn_child(ignore_sigterm=True))
            run_to_its_end(simulator, graphs.spawn_child(ignore_sigterm=True, new_session=True))
            prompt_id = submit(simulator, stuck())
            wait_running(simulator, prompt_id)
            with watching(pid, *children_of(simulator)) as watched:
                outcome = await control.stop(force=True)
                assert [process.pid for process in watched if not process.is_dead()] == []
                assert {process.pid for process in watched} <= set(outcome.stopped)
            assert (outcome.status, outcome.job_id, outcome.lost) == ("stopped", job_id, (prompt_id,))
            assert listening_pids(simulator.port) == set()
            assert simulators(simulator.port) == []
            assert await control.state_of(prompt_id) in ("lost_to_restart", "unknown")
            assert (await control.stop()).status == "not_running"


async def test_one_that_still_starts_is_stopped_too(manager: JobManager) -> None:
    port = free_port()
    command = f"sleep 1; exec sleep 100 # {CHECKOUT}"
    async with control_of(manager, port, command=command) as control:
        started = await control.start(wait_s=0.3)
        assert started.status == "starting"
        assert started.job_id is not None
        assert (await control.stop()).status == "stopped"
        assert (await manager.find(started.job_id)).status == "killed"
        assert (await control.stop()).status == "not_running"


def _nobody_ends(_process: object, *, grace_s: float, patience_s: float) -> Ended:
    assert grace_s + patience_s > 0
    return Ended((), (4711,))


async def test_what_survives_is_named_and_nothing_is_started(
    tmp_path: Path, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process that SIGKILL does not end cannot be made; the answer of those who kill is made up.
    monkeypatch.setattr(server_job, "end_family", _nobody_ends)
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as control:
            with pytest.raises(SurvivorsError, match="4711"):
                await control.stop()
            with pytest.raises(SurvivorsError, match="4711"):
                await control.restart()
            assert await manager.list() == []
