"""What tests of ComfyUI's process share: a control of one port that leaves nothing behind, and facts of the kernel."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from mcp_background_job.app import build_comfyui
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.lifecycle import checks
from mcp_background_job.comfyui.lifecycle.lifecycle import Lifecycle
from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.config import load_comfyui_settings
from mcp_background_job.core.states import State
from mcp_background_job.errors import BackgroundJobError, UnknownJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.registry.journal_base import Journal
from tests.comfyui.talk import ask, entry, running, submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S, WAIT_S, scaled, wait_until

#: The simulator in the place of a checkout of ComfyUI.
CHECKOUT = Path(__file__).parents[2] / "comfyui_simulator"

QUICK = ("--startup-delay", "0")


#: Time after which a condition that nobody announces is looked at again.
_LOOK_AGAIN_S = 0.02


class Watched:
    """A process held by a descriptor, so that the kernel tells whether this very one is dead."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.began = psutil.Process(pid).create_time()
        self._descriptor = os.pidfd_open(pid)

    def is_dead(self) -> bool:
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def wait_dead(self) -> None:
        assert select.select([self._descriptor], [], [], PATIENCE_S)[0], f"{self.pid} lives"

    def kill(self) -> None:
        """End it as a crash would; harmless when it is over."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shorten_patience(monkeypatch: pytest.MonkeyPatch, read_s: float = scaled(0.5)) -> None:
    """Have a server taken for silent sooner than it would be."""
    methods: list[Any] = [Client._json, Client._request, Client.queue, Client.stats]
    for method in methods:
        monkeypatch.setitem(method.__kwdefaults__, "read_s", read_s)
    monkeypatch.setattr(checks, "READ_S", read_s)


@contextlib.contextmanager
def watching(*pids: int) -> Generator[list[Watched]]:
    """Hold processes, to ask later whether they are dead."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Watched(pid)) for pid in pids]


def listening_pids(port: int) -> set[int]:
    """Return who listens on a port of the loopback, as the system's own tool would tell."""
    found: set[int] = set()
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid is not None:
            found |= {connection.pid} if connection.laddr.port == port else set()
    return found


def the_listener(port: int) -> int:
    """Return the one process that listens on a port."""
    [pid] = listening_pids(port)
    return pid


def simulators(port: int) -> list[int]:
    """Return all simulators that were told to use a port, whether they listen or not."""
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            script = any(part.endswith("main.py") for part in command)
            if script and str(port) in command and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


@dataclass
class Control:
    """The control of the ComfyUI on one port, as one server has it."""

    comfyui: ComfyUI
    manager: JobManager

    @property
    def journal(self) -> Journal:
        """What is known of prompts, without asking the server."""
        return self.lifecycle._journal

    @property
    def lifecycle(self) -> Lifecycle:
        return self.comfyui.lifecycle

    async def start(self, wait_s: float = WAIT_S) -> Outcome:
        return await self.lifecycle.start(client="test", wait_s=wait_s)

    async def stop(self, *, force: bool = False) -> Outcome:
        return await self.lifecycle.stop(client="test", force=force)

    async def restart(self, *, force: bool = False, requeue: Any = "none", wait_s: float = WAIT_S) -> Outcome:
        return await self.lifecycle.restart(client="test", force=force, requeue=requeue, wait_s=wait_s)

    async def submit(self, graph: Any, note: str = "", *, front: bool = False) -> str:
        """Submit a graph, as the tool does; returns its prompt_id."""
        submitted = await self.comfyui.submitter.submit(workflow.of_api(graph), note=note, front=front)
        assert submitted.prompt is not None, submitted.refused
        return submitted.prompt_id

    async def state_of(self, prompt_id: str) -> str:
        """Return what the tool says of a prompt."""
        return (await self.comfyui.prompts.get(prompt_id)).status

    async def refusal(self, action: Any) -> str:
        """Await what must be refused; returns the sentence in which it is."""
        try:
            outcome = await action
        except BackgroundJobError as error:
            sentence = str(error)
            assert sentence
            assert "\n" not in sentence
            return sentence
        raise AssertionError(f"not refused: {outcome}")


@contextlib.asynccontextmanager
async def control_of(manager: JobManager, port: int, **settings: Any) -> AsyncGenerator[Control]:
    """Control the ComfyUI on a port; afterwards all jobs of the manager are ended."""
    given = {"url": f"http://127.0.0.1:{port}", "dir": None, "command": None, "restart_command": None, **settings}
    comfyui = build_comfyui(manager, load_comfyui_settings(**given))
    try:
        yield Control(comfyui, manager)
    finally:
        await comfyui.close()
        await end_all_jobs(manager)


async def end_all_jobs(manager: JobManager) -> None:
    """Kill every job that has not ended."""
    for job in await manager.list(limit=100):
        if job.state is not State.EXITED:
            with contextlib.suppress(UnknownJobError):
                await manager.kill(job.job_id, by="test", grace_s=0)


def a_checkout(tmp_path: Path, *flags: str, env: Mapping[str, str] | None = None, port: int | None = None) -> Simulator:
    """Start a simulator as somebody starts ComfyUI in its checkout, with an environment that tells it from others."""
    directory = tmp_path / "simulator"
    directory.mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    given = () if port is None else ("--port", str(port))
    return Simulator.start(*QUICK, *given, *flags, directory=directory, cwd=CHECKOUT, env=environment)


def children_of(simulator: Simulator) -> list[int]:
    """Return the processes that its nodes have started."""
    registered = simulator.directory / "children"
    return [int(pid) for pid in registered.read_text().split()] if registered.exists() else []


def run_to_its_end(simulator: Simulator, graph: Any) -> None:
    """Submit by plain HTTP, and wait for the end."""
    prompt_id = submit(simulator, graph)
    wait_until(lambda: entry(simulator, prompt_id) is not None, f"the end of {prompt_id}")


def wait_running(simulator: Simulator, prompt_id: str) -> None:
    """Wait until a prompt runs."""
    wait_until(lambda: prompt_id in running(simulator), f"{prompt_id} runs")


def pending(simulator: Simulator) -> list[str]:
    """Return what waits, in the order in which it will run."""
    items = ask(simulator, "GET", "/queue").json["queue_pending"]
    return [item[1] for item in sorted(items, key=lambda item: (item[0], item[1]))]


def queued(simulator: Simulator) -> list[str]:
    """Return what runs and what waits, in one look: what begins between two looks is in neither."""
    queue = ask(simulator, "GET", "/queue").json
    waiting = sorted(queue["queue_pending"], key=lambda item: (item[0], item[1]))
    return [item[1] for item in (*queue["queue_running"], *waiting)]


def stuck(seconds: float = 250.0) -> Any:
    """Return a graph that no interrupt ends."""
    return graphs.sleeping(seconds)
