"""What a newcomer runs first: it keeps what it promises."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess

import pytest

from tests.cli.command_line import CommandLine, end_of, line_of
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


@pytest.mark.real_process
def test_a_demonstration_that_is_interrupted_leaves_nothing_running(cli: CommandLine) -> None:
    child = cli.open("demo")
    while b"it runs as" not in (line := line_of(child.stdout)):
        assert line, end_of(child)
    tree = [os.pidfd_open(int(pid)) for pid in re.findall(rb"[a-z] (\d+)", line)]
    try:
        child.send_signal(signal.SIGINT)
        assert end_of(child)[0] == 130
        over = select.select(tree, [], [], 0)[0]
    finally:
        for process in tree:
            os.close(process)
    assert (len(tree), over) == (3, tree)
