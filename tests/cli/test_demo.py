"""What a newcomer runs first: it keeps what it promises."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.command_line import CommandLine
from tests.patience import PATIENCE_S

#: It starts three servers in a row, each with the patience of one test.
_DEMO_S = 3 * PATIENCE_S


@pytest.mark.real_process
def test_the_demonstration_shows_what_it_promises(cli: CommandLine) -> None:
    done = subprocess.run(
        cli.argv("demo"), capture_output=True, env=cli.environment, timeout=_DEMO_S, check=False, text=True
    )
    assert done.returncode == 0, done
    for kept in ("completed, exit code 0", "alive now: none", "failed, exit code 42; output complete"):
        assert kept in done.stdout, done.stdout
