from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine
from tests.conftest import processes_of, wait_for_end_of


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on a state directory of the test's own; afterwards no process of it may be left."""
    command_line = CommandLine(tmp_path)
    yield command_line
    command_line.tidy_up()
    assert wait_for_end_of(processes_of(str(tmp_path))) == {}
