"""What tests of batches share: a ComfyUI whose ledger outlives it, batches on it, and what the journal's file says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from mcp_background_job.comfyui.batches import feeder_job
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.batches.batches import Batches
from mcp_background_job.comfyui.batches.feeder_job import name_of
from mcp_background_job.comfyui.batches.making import items_of
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.core.comfyui.batch import TERMINAL
from mcp_background_job.core.job import Job
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.states import State
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.lifecycle.lifecycle_support import CHECKOUT, Control, control_of
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.nodes.graphs import Graph
from tests.comfyui_simulator.process import Simulator
from tests.nursery.starts import NURSERY
from tests.patience import PATIENCE_S

QUICK = ("--startup-delay", "0")
VERSIONS = ["new", "old"]

#: Time after which what nobody announces is looked at again.
_LOOK_AGAIN_S = 0.05

#: A request that its sender has written is taken by a living server long before.
IN_FLIGHT_S = 0.5


@dataclass(frozen=True)
class Ledger:
    """What the simulators on one port have done, and when they died."""

    path: Path

    def events(self) -> list[tuple[str, str]]:
        """Return all lines, in order: the event and the id of the prompt."""
        if not self.path.exists():
            return []
        return [(event, prompt_id) for event, prompt_id in map(str.split, self.path.read_text().splitlines())]

    def count(self, event: str, ids: Iterable[str] | None = None) -> Counter[str]:
        """Return how often an event happened to each prompt, or to each of these."""
        wanted = None if ids is None else set(ids)
        return Counter(one for what, one in self.events() if what == event and (wanted is None or one in wanted))

    def total(self, event: str) -> int:
        """Return how often an event happened."""
        return self.count(event).total()

    def note_death(self) -> None:
        """Note that a simulator was killed."""
        with self.path.open("a") as file:
            file.write("died -\n")

    def lives(self) -> Iterator[list[tuple[str, str]]]:
        """Yield what each simulator did, one after another."""
        life: list[tuple[str, str]] = []
        for event in self.events():
            if event[0] == "died":
                yield life
                life = []
            else:
                life.append(event)
        yield life

    def most_at_once(self, ids: Iterable[str]) -> int:
        """Return how many of these prompts were at the server at once, at most."""
        wanted, most = set(ids), 0
        for life in self.lives():
            there: set[str] = set()
            for event, prompt_id in life:
                if prompt_id in wanted:
                    there = there | {prompt_id} if event in ("submitted", "began") else there - {prompt_id}
                    most = max(most, len(there))
        return most


@dataclass
class Place:
    """A port, the simulator on it, and its ledger."""

    port: int
    ledger: Ledger
    flags: tuple[str, ...]
    simulator: Simulator
    _started: list[Simulator] = field(default_factory=list[Simulator])

    @classmethod
    def open(cls, directory: Path, *flags: str, port: int | None = None, anew: bool = True) -> Place:
        """Start the first simulator: anew, as somebody starts ComfyUI in its checkout, so that it can be restarted."""
        ledger = Ledger(directory / "ledger")
        given = (*QUICK, *flags, "--ledger", str(ledger.path))
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        at = ("--port", str(port)) if port else ()
        simulator = Simulator.start(*given, *at, directory=directory, cwd=CHECKOUT if anew else None, env=environment)
        port = simulator.port
        given = (*given, "--port", str(port))
        return cls(port, ledger, given, simulator, [simulator])

    def kill(self) -> None:
        """End the simulator as a crash would."""
        self.simulator.stop()
        self.ledger.note_death()

    def start(self) -> None:
        """Start another on the same port."""
        self.simulator = Simulator.start(*self.flags, directory=self.ledger.path.parent)
        self._started.append(self.simulator)

    def close(self) -> None:
        for simulator in self._started:
            simulator.stop()


@dataclass
class House:
    """A ComfyUI, its control, and the state directory of both."""

    control: Control
    place: Place
    state_dir: str

    @property
    def batches(self) -> Batches:
        return self.control.comfyui.batches

    @property
    def manager(self) -> JobManager:
        return self.control.manager

    @property
    def ledger(self) -> Ledger:
        return self.place.ledger

    @property
    def gate(self) -> Path:
        """What the prompts of ``graphs.gated`` wait for here: they end when a test has touched it."""
        return self.ledger.path.with_name("gate")

    async def create(self, count: int = 1, graph: Graph | None = None, **options: Any) -> str:
        """Make a batch of so many prompts of one workflow; returns its id."""
        values = {"1.inputs.seed": list(range(count))}
        items = items_of([workflow.of_api(graph or quick())], values, "product")
        return (await self.batches.create(items, client="test", **options)).batch.batch_id

    async def create_of(self, several: Sequence[Graph], **options: Any) -> str:
        """Make a batch of these workflows; returns its id."""
        items = items_of([workflow.of_api(graph) for graph in several], {}, "product")
        return (await self.batches.create(items, client="test", **options)).batch.batch_id

    async def over(self, batch_id: str, patience_s: float = PATIENCE_S) -> BatchView:
        """Return a batch when it is over."""
        return await self.until(batch_id, lambda view: view.status in TERMINAL, "it is over", patience_s)

    async def until(
        self, batch_id: str, condition: Callable[[BatchView], bool], what: str, patience_s: float = PATIENCE_S
    ) -> BatchView:
        """Look at a batch until something is so."""
        deadline = time.monotonic() + patience_s
        while not condition(view := await self.batches.view(batch_id)):
            assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}; {view}"
            await asyncio.sleep(_LOOK_AGAIN_S)
        return view

    async def until_ledger(self, event: str, count: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until something has happened so often at the server."""
        deadline = time.monotonic() + patience_s
        while self.ledger.total(event) < count:
            assert time.monotonic() < deadline, f"{event} only {self.ledger.total(event)} of {count} times"
            await asyncio.sleep(_LOOK_AGAIN_S)

    @property
    def feeder_name(self) -> str:
        return name_of(self.place.simulator.url)

    async def feeder(self) -> Job:
        return await self.manager.find(self.feeder_name, Asker(""))

    async def feeder_pid(self) -> int:
        """Return the process that feeds the server, once there is one."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen = (await self.manager.details(self.feeder_name, Asker(""))).seen
            if seen.status is not None and seen.status.pid:
                return seen.status.pid
            assert time.monotonic() < deadline, seen
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def feeder_gone(self) -> None:
        """Wait for the end of the job that feeds the server."""
        deadline = time.monotonic() + PATIENCE_S
        while (job := await self.feeder()).state is not State.EXITED:
            assert time.monotonic() < deadline, f"{job.label} is {job.status}"
            await asyncio.sleep(_LOOK_AGAIN_S)

    def rows(self, batch_id: str) -> list[Row]:
        return rows_of(self.state_dir, batch_id)


@dataclass(frozen=True)
class Row:
    """A prompt as it stands in the file."""

    prompt_id: str
    position: int
    stage: str
    ending: str | None
    reason: str
    retried_as: str | None


def rows_of(state_dir: str, batch_id: str) -> list[Row]:
    """Return the prompts of a batch as they stand in the journal's file, whatever any code makes of them."""
    with contextlib.closing(sqlite3.connect(f"file:{StateDir(state_dir).comfyui_journal}?mode=ro", uri=True)) as db:
        found = db.execute(
            "SELECT prompt_id, position, stage, ending, reason, retried_as FROM submissions WHERE batch_id = ? "
            "ORDER BY position, submitted_at",
            (batch_id,),
        )
        return [Row(*row) for row in found]


def quick(seconds: float = 0.005) -> Graph:
    """Return a graph that takes no time to speak of."""
    return graphs.sleeping(seconds)


@contextlib.asynccontextmanager
async def house(
    directory: Path, state_dir: str, manager: JobManager, *flags: str, anew: bool = False, **settings: Any
) -> AsyncGenerator[House]:
    """Start a simulator and control it; afterwards nothing of both is left.

    Args:
        directory: where the simulator has its files.
        state_dir: that of the manager.
        manager: starts the jobs that feed the simulator.
        flags: for the simulator.
        anew: whether it and what feeds it have a start and a process of their own, so that both can be killed, held
            and restarted; otherwise they come from the nursery.
        settings: of the control.
    """
    place = await asyncio.to_thread(Place.open, directory, *flags, anew=anew)
    python = sys.executable if anew else await asyncio.to_thread(NURSERY.python)
    try:
        with patch.object(feeder_job, "sys", SimpleNamespace(executable=python)):
            async with control_of(manager, place.port, **settings) as control:
                yield House(control, place, state_dir)
    finally:
        await asyncio.to_thread(place.close)


@contextlib.contextmanager
def suspended(pid: int) -> Generator[None]:
    """Stop a process of the test's for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
