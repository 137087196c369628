from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.comfyui_line import ComfyUILine, Renderer
from tests.cli.command_line import CommandLine
from tests.comfyui_simulator.process import Simulator, free_port
from tests.conftest import all_pids, processes_of, wait_for_end_of


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on a state directory of the test's own; after the test, none of its processes may be left."""
    before = all_pids()
    command_line = CommandLine(tmp_path)
    yield command_line
    command_line.tidy_up()
    assert wait_for_end_of(processes_of(str(tmp_path), before)) == {}


@pytest.fixture
def renderer(cli: CommandLine, tmp_path: Path) -> Iterator[Renderer]:
    """The commands for ComfyUI, with a ComfyUI that the user has started."""
    with Simulator.start("--startup-delay", "0") as simulator:
        yield Renderer(cli, tmp_path, simulator)


@pytest.fixture
def restartable(cli: CommandLine, tmp_path: Path) -> Iterator[Renderer]:
    """The commands for ComfyUI, with a ComfyUI whose command line says how it was started."""
    with Simulator.start("--startup-delay", "0", anew=True) as simulator:
        yield Renderer(cli, tmp_path, simulator)


@pytest.fixture
def nobody(cli: CommandLine, tmp_path: Path) -> ComfyUILine:
    """The commands for ComfyUI, with a port that nothing listens on."""
    return ComfyUILine(cli, tmp_path, free_port())
