"""A browser, a dashboard, and an open page of it: an error that the page logs fails the test."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from bench.workspace import end_jobs
from mcp_background_job.jobdir.layout import StateDir
from tests.browser import browsing
from tests.cli.command_line import CommandLine
from tests.comfyui_simulator.process import Simulator
from tests.conftest import all_pids, processes_of, wait_for_end_of
from tests.patience import PATIENCE_S
from tests.web.dashboard import Chat, Dashboard
from tests.web.looks import look_at
from tests.web.renderer import Renderer, rendering

#: Of a view: shows what stands behind this ``#`` of the address.
Open = Callable[..., None]


class Complaints:
    """The errors that a page logs, and the requests that its browser refuses."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._expected: list[str] = []

    def hear_console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.heard.append(said.text)

    def hear_error(self, error: Any) -> None:
        self.heard.append(str(error))

    def expect(self, pattern: str) -> None:
        """Expect an error that matches, since the test causes it."""
        self._expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [text for text in self.heard if not any(re.search(pattern, text) for pattern in self._expected)]


def _as_long_as_may_be(fixture_name: str, config: pytest.Config) -> Literal["session", "module"]:
    """Return the scope of the browser: while it is open, no test of its process may have an event loop."""
    del fixture_name
    return "session" if config.option.markexpr == "browser" else "module"


@pytest.fixture(scope=_as_long_as_may_be)
def browser() -> Generator[Any]:
    """A browser."""
    with browsing("make test-web") as one:
        yield one


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on a state directory of the test's own: it starts the jobs that pages show."""
    before = all_pids()
    command_line = CommandLine(tmp_path)
    yield command_line
    command_line.end_children()
    end_jobs(StateDir(str(command_line.state_dir)))  # by the runners: one command for each test would take a second
    assert wait_for_end_of(processes_of(str(tmp_path), before)) == {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of the page over both carriers, unless the test names one: ``carriers("browser")``."""
    if "carrier" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("carriers")
        metafunc.parametrize("carrier", mark.args if mark else ("browser", "chat"))


@pytest.fixture
def simulator(cli: CommandLine) -> Generator[Simulator]:
    """A simulated ComfyUI, which dashboards that are made after it use."""
    with Simulator.start("--startup-delay", "0") as one:
        cli.environment |= {"COMFYUI_URL": one.url, "COMFYUI_OUTPUT_DIR": cli.environment["HOME"]}
        yield one


@pytest.fixture
def renderer(cli: CommandLine, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Generator[Renderer]:
    """Another process of the project, like an MCP server, that renders with ComfyUI over the same state directory."""
    for name in ("HOME", "MCP_BG_STATE_DIR"):  # what it starts is of the same
        monkeypatch.setenv(name, cli.environment[name])
    monkeypatch.setenv("MCP_BG_LOGIN_ENV", "never")
    with rendering(cli.state_dir, simulator.port) as one:
        yield one


@pytest.fixture
def dashboard(cli: CommandLine, carrier: str) -> Dashboard:
    """A server of the page over the same state directory: for a browser, or for a chat."""
    return Dashboard(cli) if carrier == "browser" else Chat(cli)


@pytest.fixture
def complaints() -> Generator[Complaints]:
    """The page's complaints; a complaint that the test did not expect fails it."""
    one = Complaints()
    yield one
    assert one.unexpected() == []


@pytest.fixture
def view(browser: Any, dashboard: Dashboard, complaints: Complaints) -> Generator[Any]:
    """The open page, with access: a frame of Playwright's, whose ``page`` has keyboard, mouse and pictures."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_S * 1000)
    page = context.new_page()
    page.on("console", complaints.hear_console)
    page.on("pageerror", complaints.hear_error)
    yield dashboard.show(page)
    context.close()


@pytest.fixture
def open_at(view: Any) -> Open:
    """Show a page, one thing of it, or both with filters: ``open_at("/jobs/abc?status=running")``."""

    def go(to: str) -> None:
        view.evaluate("to => { location.hash = to }", f"#{to}")

    return go


@pytest.fixture
def shot(view: Any, carrier: str) -> Callable[[str], None]:
    """Take pictures of the page, and check what every page must keep: see ``looks``."""
    return lambda name: look_at(view, f"{name}-{carrier}")
