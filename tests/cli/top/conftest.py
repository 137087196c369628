"""``top`` over jobs in memory, drawn on no terminal: tests read the screen as text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn

import pytest
from textual.pilot import Pilot

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.cli.top.app import Top
from mcp_background_job.cli.top.columns import Facts
from mcp_background_job.cli.top.desk import Desk
from mcp_background_job.core.job import Job
from mcp_background_job.core.news import Reader
from mcp_background_job.errors import ConfigError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from tests.jobs.conftest import memory_manager as memory_manager  # noqa: PLC0414  a fixture
from tests.jobs.conftest import memory_place as memory_place  # noqa: PLC0414  likewise
from tests.patience import until
from tests.places.memory import MemoryJob, MemoryPlace


async def nothing_there() -> NoReturn:
    raise ConfigError("COMFYUI_URL names no server")


class TestDesk(Desk):
    """A desk that knows some answers beforehand and remembers the questions."""

    __test__ = False

    def __init__(self, house: House, caller: Caller) -> None:
        super().__init__(house, caller)
        self.answers: dict[str, Facts | Callable[[dict[str, Any]], Facts]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.watched: list[tuple[str, dict[str, Any]]] = []

    async def do(self, name: str, **arguments: Any) -> Facts:
        self.asked.append((name, arguments))
        known = self.answers.get(name)
        if known is None:
            return await super().do(name, **arguments)
        return known(arguments) if callable(known) else known

    async def watch(self, name: str, take: Callable[[Facts], None], *, pace_s: float = 0.0, **arguments: Any) -> None:
        del pace_s  # nobody reads along
        self.watched.append((name, arguments))
        known = self.answers.get(name)
        if known is not None and not callable(known):
            take(known)
            await asyncio.Event().wait()  # nothing more comes
        await super().watch(name, take, **arguments)

    def calls(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.asked if called == name]


@pytest.fixture
def desk(memory_manager: JobManager) -> TestDesk:
    house = House(memory_manager, nothing_there, nothing_there)
    return TestDesk(house, Caller(client="test", directory="/", project="", reader=Reader("test")))


class Shown:
    """``top``, and its window as text."""

    def __init__(self, app: Top, pilot: Pilot[None]) -> None:
        self.app = app
        self.press = pilot.press

    def lines(self) -> list[str]:
        """The lines of the window."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines())

    async def sees(self, pattern: str) -> None:
        """Wait until the window shows something."""
        await self._until(lambda: re.search(pattern, self.text) is not None, f"{pattern!r} is shown")

    async def is_asked(self, pattern: str) -> None:
        """Wait until ``top`` asks for an answer from the keyboard."""
        await self.sees(pattern)
        await self._until(lambda: len(self.app.screen_stack) > 1 and self._takes_keys(), f"{pattern!r} can be answered")

    def _takes_keys(self) -> bool:
        return self.app.focused is not None or not self.app.screen.query("Input, OptionList")

    async def is_left(self) -> None:
        await self._until(lambda: not self.app.is_running, "it has ended")

    async def no_longer_sees(self, pattern: str) -> None:
        await self._until(lambda: re.search(pattern, self.text) is None, f"{pattern!r} is not shown")

    async def said(self, pattern: str) -> None:
        """Wait until one of ``top``'s notifications matches."""
        told = self.app._notifications
        await self._until(lambda: any(re.search(pattern, one.message) for one in told), f"{pattern!r} is told")

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        async def is_so() -> bool:
            return condition()

        try:
            await until(is_so, what)
        except AssertionError:
            raise AssertionError(f"not so: {what}, but:\n{self.text}") from None

    async def types(self, words: str) -> None:
        await self.press(*words)


#: Opens ``top`` in a window of so many columns and lines.
Open = Callable[..., AbstractAsyncContextManager[Shown]]


@pytest.fixture
def opened(desk: TestDesk) -> Open:
    @asynccontextmanager
    async def open_(width: int = 100, height: int = 30, *, in_colour: bool = True) -> AsyncGenerator[Shown]:
        app = Top(desk, in_colour=in_colour)
        async with app.run_test(size=(width, height), notifications=True) as pilot:
            yield Shown(app, pilot)

    return open_


#: Starts a job in memory; returns it, and its controls.
Start = Callable[..., Awaitable[tuple[Job, MemoryJob]]]


@pytest.fixture
def start(memory_manager: JobManager, memory_place: MemoryPlace) -> Start:
    async def start(name: str | None = None, **asked: Any) -> tuple[Job, MemoryJob]:
        request = StartRequest(**{"command": "obeys", "stdin": "pipe", "name": name, **asked})  # pyright: ignore[reportArgumentType]
        job = (await memory_manager.start(request)).job
        return job, memory_place.store.jobs[job.job_id]

    return start
