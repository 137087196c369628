"""Whoever is killed at whatever moment, each prompt of a batch ends once, and none is lost.

The law, held against the ledger of ComfyUI, which no death reaches:

* Without the death of ComfyUI itself every prompt is submitted, begins and ends exactly once.
* Whoever is killed but ComfyUI, every prompt completes; what ran when ComfyUI died twice fails, and nothing else.
* With each death of ComfyUI at most those prompts are submitted again that were at it, which are never more than
  ``max_queued``, and of these only such whose end nobody had read by then: its history dies with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.attempt import FATAL
from mcp_background_job.core.naming import Asker
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import House, house, quick
from tests.patience import PATIENCE_S
from tests.survival.support import Server, runner_of

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.batch.survives")]

#: The moments are random, and the same in every run.
SEED = 20261126

#: Between two deaths, at most; a feeder lives for a part of a second before it sends its first prompt.
_LONGEST_S = 1.5

#: Whoever has read an end has noted it by then.
_NOTED_S = 0.2

MAX_QUEUED = 2

_OURS = ("feeder", "runner", "server")
_ALL = (*_OURS, "comfyui")


@dataclass
class _Assault:
    """A batch, its killers, and what was known of it at each death of ComfyUI."""

    home: House
    chance: random.Random
    server: Server
    batch_id: str = ""
    known: list[set[str]] = field(default_factory=list[set[str]])
    deaths: Counter[str] = field(default_factory=Counter[str])

    def submit(self, count: int) -> None:
        answer = self.server.call(
            "comfyui_submit",
            workflow=quick(),
            overrides={"1.inputs.seed": list(range(count))},
            max_queued=MAX_QUEUED,
            wait_s=0,
        )
        self.batch_id = answer["batch_id"]

    def look(self) -> str:
        return self.server.call("comfyui_batch", batch_id=self.batch_id)["status"]

    async def kill_one_of(self, victims: tuple[str, ...]) -> None:
        await asyncio.sleep(self.chance.uniform(0.0, _LONGEST_S))  # the random moment
        victim = self.chance.choice(victims)
        self.deaths[victim] += 1
        if victim == "server":
            self.server.kill()
            self.server = Server(COMFYUI_URL=self.home.place.simulator.url)
            self.server.initialize()
        elif victim == "comfyui":
            self.home.place.kill()
            await asyncio.sleep(_NOTED_S)
            self.known.append({row.prompt_id for row in self.home.rows(self.batch_id) if row.ending is not None})
            self.home.place.start()
        else:
            await self._kill_feeder(runner=victim == "runner")
        self.look()

    async def _kill_feeder(self, *, runner: bool) -> None:
        details = await self.home.manager.details(self.home.feeder_name, Asker(""))
        pid = details.seen.status.pid if details.seen.status else None
        with contextlib.suppress(AssertionError, ProcessLookupError):  # it may end by itself at this very moment
            pid = runner_of(self.home.state_dir, details.job.job_id) if runner else pid
            if pid and details.seen.exit is None:
                os.kill(pid, signal.SIGKILL)

    async def until_over(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while (status := self.look()) not in ("succeeded", "failed", "canceled"):
            assert time.monotonic() < deadline, f"{status}: {self.home.rows(self.batch_id)}"
            await asyncio.sleep(0.1)
        assert status in ("succeeded", "failed")

    def assert_lawful(self, count: int) -> None:
        rows = self.home.rows(self.batch_id)
        assert [row.position for row in rows] == list(range(count))
        lives = list(self.home.ledger.lives())
        # By chance one may run at two deaths of ComfyUI, or be next when none runs, and is then taken for the cause.
        suspects = {row.prompt_id for row in rows if row.ending == "failed"}
        assert {row.ending for row in rows if row.prompt_id not in suspects} == {"completed"}
        for suspect in suspects:
            assert sum(_may_have_ended(life, suspect) for life in lives[:-1]) >= FATAL
        assert len(lives) == len(self.known) + 1
        again: list[set[str]] = [set() for _ in lives]
        last: dict[str, int] = {}
        for number, life in enumerate(lives):
            for event, times in (("submitted", 1), ("began", 1), ("ended", 1)):
                counts = Counter(prompt_id for what, prompt_id in life if what == event)
                assert not [one for one, found in counts.items() if found > times], f"{event} twice in life {number}"
            for prompt_id in (one for what, one in life if what == "submitted"):
                if prompt_id in last:
                    again[last[prompt_id]].add(prompt_id)
                last[prompt_id] = number
        for number, known in enumerate(self.known):
            assert len(again[number]) <= MAX_QUEUED
            assert not again[number] & known
        assert last.keys() == {row.prompt_id for row in rows}
        ended = {prompt_id for life in lives for what, prompt_id in life if what == "ended"}
        assert ended | suspects == last.keys()
        assert self.home.ledger.most_at_once(last) <= MAX_QUEUED


def _may_have_ended(life: list[tuple[str, str]], prompt_id: str) -> bool:
    """Tell whether a prompt ran when its server was killed, or was there while none ran."""
    began = {one for event, one in life if event == "began"}
    ended = {one for event, one in life if event == "ended"}
    return ("submitted", prompt_id) in life and began - ended <= {prompt_id}


async def _assault(
    home: House, victims: tuple[str, ...], *, count: int, kills: int, seed: int, patience_s: float
) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    assault = _Assault(home, chance, Server(COMFYUI_URL=home.place.simulator.url))
    try:
        assault.server.initialize()
        assault.submit(count)
        while assault.deaths.total() < kills and assault.look() != "succeeded":
            await assault.kill_one_of(victims)
        await assault.until_over(patience_s)
        assault.assert_lawful(count)
    finally:
        await asyncio.to_thread(assault.server.kill)


@pytest.mark.parametrize("victims", [_OURS, _ALL], ids=["ours", "all"])
async def test_every_prompt_ends_once_whoever_is_killed(
    victims: tuple[str, ...], tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        await _assault(home, victims, count=60, kills=5, seed=SEED, patience_s=3 * PATIENCE_S)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victims", [_OURS, _ALL], ids=["ours", "all"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("version", ["new", "old"])
async def test_every_prompt_of_five_hundred_ends_once_whoever_is_killed(
    version: str, *, seed: int, victims: tuple[str, ...], tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, "--version", version, anew=True) as home:
        await _assault(home, victims, count=500, kills=40, seed=SEED + seed, patience_s=300)


_CANCELING = """
import sys, time
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal

batches = SqliteBatches(SqliteJournal(sys.argv[1]).database)
for number in range(10_000):
    batch_id = f"b{sys.argv[2]}-{number}"
    batch = Batch(batch_id=batch_id, server="http://test", created_at=time.time())
    prompt = Submission(
        prompt_id=f"{batch_id}-p", server=batch.server, submitted_at=0.0, graph="", stage=Stage.WAITING,
        batch_id=batch_id, position=0, graph_id=batch_id,
    )
    batches.create(batch, [prompt], {batch_id: ("{}", "{}")})
    assert batches.request_cancel(batch_id, by="test", at=time.time()) == 1
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    "deaths", [pytest.param(5, id="some"), pytest.param(100, id="many", marks=pytest.mark.nightly)]
)
def test_whoever_dies_while_it_cancels_leaves_nothing_that_waits_for_ever(deaths: int, tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311  no secret
    path = tmp_path / "journal"
    for death in range(deaths):
        command = [sys.executable, "-c", _CANCELING, str(path), str(death)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as canceling:
            assert canceling.stdout
            canceling.stdout.readline()
            threading.Event().wait(chance.uniform(0.0, 0.2))  # the random moment
            canceling.kill()
    with contextlib.closing(sqlite3.connect(path)) as db:
        (canceled,) = db.execute("SELECT count(*) FROM batches WHERE cancel_requested_at IS NOT NULL").fetchone()
        left = db.execute(
            "SELECT batch_id FROM submissions JOIN batches USING (batch_id) "
            "WHERE cancel_requested_at IS NOT NULL AND ending IS NULL"
        ).fetchall()
    assert canceled > deaths
    assert left == []
