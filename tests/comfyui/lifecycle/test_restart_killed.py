"""Whenever a server is killed that restarts ComfyUI, the next makes it right: one ComfyUI, and no prompt in doubt."""

from __future__ import annotations

import random
import select
from collections import Counter
from pathlib import Path

import pytest

from mcp_background_job.jobdir import lock
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.lifecycle.lifecycle_support import (
    Control,
    a_checkout,
    control_of,
    queued,
    simulators,
    stuck,
    the_listener,
)
from tests.comfyui.talk import submit
from tests.comfyui_simulator.process import Simulator
from tests.patience import wait_until
from tests.survival.support import Server

pytestmark = pytest.mark.real_process

#: The moments are random, and the same in every run.
SEED = 20261130

#: A restart takes about this long, with the start of the new process.
_LONGEST_S = 1.6


async def _assaulted(directory: Path, manager: JobManager, kills: int, seed: int) -> None:
    generator = random.Random(seed)  # noqa: S311  no secret
    with a_checkout(directory) as simulator:
        async with control_of(manager, simulator.port) as control:
            prompts: list[str] = []
            for _ in range(kills):
                mine = [await control.submit(stuck(), f"note {number}") for number in range(2)]
                others = [submit(simulator, stuck())]
                requeue = generator.choice(["none", "pending", "all"])
                server = Server(COMFYUI_URL=simulator.url)
                try:
                    server.initialize()
                    server.send_call("restart_comfyui", force=True, requeue=requeue)
                    select.select([], [], [], generator.random() * _LONGEST_S)  # the random moment
                finally:
                    server.kill()
                prompts += [*mine, *others]
                await _made_right(control, simulator, prompts)


def _is_free(path: str) -> bool:
    with lock.held(path) as is_ours:
        return is_ours


async def _made_right(control: Control, simulator: Simulator, prompts: list[str]) -> None:
    # The kernel lets go of its lock a moment after it has closed its streams.
    wait_until(lambda: _is_free(control.lifecycle._lock_path), "the killed server is gone")
    started = await control.start()
    assert started.status in ("started", "already_running"), started
    await control.comfyui.status()
    assert simulators(simulator.port) == [the_listener(simulator.port)]
    there = Counter(queued(simulator))
    assert not [prompt_id for prompt_id, count in there.items() if count > 1]
    for prompt_id in prompts:
        state = await control.state_of(prompt_id)
        assert state in (("in_progress", "pending") if there[prompt_id] else ("lost_to_restart", "unknown")), prompt_id
        known = control.journal.get(prompt_id)
        if known:
            assert known.requeue is False
            assert (known.end is None) == bool(there[prompt_id])
    assert [entry.prompt_id for entry in control.journal.open_on(simulator.url) if not there[entry.prompt_id]] == []
    assert there.keys() <= set(prompts)


async def test_whenever_the_server_is_killed_in_a_restart_the_next_makes_it_right(
    tmp_path: Path, manager: JobManager
) -> None:
    await _assaulted(tmp_path, manager, 3, SEED)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(6))
async def test_sixty_kills_in_restarts_are_made_right(tmp_path: Path, manager: JobManager, part: int) -> None:
    await _assaulted(tmp_path, manager, 10, SEED + 1000 + part)
