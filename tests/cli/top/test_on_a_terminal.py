"""``top`` as a person starts it: a process on a terminal of its own, which is left, or goes away."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios

import pytest

from tests.cli.command_line import CommandLine, read_until
from tests.patience import PATIENCE_S

LEAVES_SCREEN = b"\x1b[?1049l"


def on_own_terminal(cli: CommandLine, width: int, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in cli.environment.items() if name not in ("COLUMNS", "LINES")}
    child = subprocess.Popen(
        cli.argv(*arguments),
        env=environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return child, ours


@pytest.mark.parametrize(("width", "leaves"), [(60, b"q"), (200, None)])
def test_it_draws_on_the_terminal_and_leaves_nothing_behind(cli: CommandLine, width: int, leaves: bytes | None) -> None:
    job = cli.start("--name", "onlooker", "--stdin", "pipe", "--", "echo here I am; cat")
    child, terminal = on_own_terminal(cli, width, "top")
    try:
        drawn = read_until(terminal, b"here I am")
        assert b"onlooker" in drawn
        if leaves:
            os.write(terminal, leaves)
            read_until(terminal, LEAVES_SCREEN)
            assert child.wait(PATIENCE_S) == 0
        else:
            os.close(terminal)  # as when ssh ends; no signal tells, since the terminal is that of no session
            assert child.wait(PATIENCE_S) != 0
    finally:
        if leaves:
            os.close(terminal)
        child.kill()
        child.wait(PATIENCE_S)
    assert cli.status(job)["status"] == "running"


@pytest.mark.parametrize("terminal", ["dumb", "vt100"])
def test_where_nothing_can_be_drawn_a_sentence_says_so(cli: CommandLine, terminal: str) -> None:
    done = cli("top", env={"TERM": terminal})
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"top draws on a terminal" in done.stderr
