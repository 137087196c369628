"""Ctrl-C while the libraries are loaded, which takes a second, ends every command without a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from mcp_background_job.__main__ import main
from tests.cli.command_line import CommandLine
from tests.patience import PATIENCE_S


class Importing:
    """Does something in place of the import of a module."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name, self._then = name, then

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        if name == self._name:
            self._then()
        return None


@pytest.fixture
def importing(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[str, Callable[[], None]], None]]:
    before = signal.getsignal(signal.SIGINT)

    def arrange(name: str, then: Callable[[], None]) -> None:
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "meta_path", [Importing(name, then), *sys.meta_path])

    yield arrange
    signal.signal(signal.SIGINT, before)


#: Runs a command that is interrupted while a class of the module that is named first is made. There Python 3.11 turns
#: each exception into another.
_STRUCK = """
import functools, signal, sys

strikes_in = sys.argv.pop(1)

class Struck(functools.cached_property):
    def __set_name__(self, owner, name):
        super().__set_name__(owner, name)
        if owner.__module__ == strikes_in:
            signal.raise_signal(signal.SIGINT)

functools.cached_property = Struck
from mcp_background_job.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("mcp_background_job.executors.local.place", ["list"]),
        ("mcp_background_job.executors.local.place", ["run", "--follow", "--", "echo started"]),
        ("mcp_background_job.cli.parser", ["list", "--help"]),
        ("mcp_background_job.cli.parser", ["lits"]),
    ],
)
def test_a_command_ends_without_a_word_as_one_that_was_interrupted(
    cli: CommandLine, module: str, arguments: list[str]
) -> None:
    command = [sys.executable, "-c", _STRUCK, module, *arguments]
    done = subprocess.run(command, env=cli.environment, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


#: Runs a command that leaves a thread behind, and is interrupted when it waits for that.
_LEAVES_A_THREAD = """
import signal, threading, time
from mcp_background_job.__main__ import main

wait = threading._shutdown

def struck():
    signal.raise_signal(signal.SIGINT)
    wait()

threading._shutdown = struck
main()
"""


def test_nor_does_one_that_has_written_all_of_its_output(cli: CommandLine) -> None:
    command = [sys.executable, "-c", _LEAVES_A_THREAD, "list"]
    done = subprocess.run(command, env=cli.environment, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_command_that_was_told_to_ignore_it_goes_on(cli: CommandLine) -> None:
    ignoring = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{_STRUCK}"
    command = [sys.executable, "-c", ignoring, "mcp_background_job.executors.local.place", "list"]
    done = subprocess.run(command, env=cli.environment, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        ([], "mcp_background_job.cli.serving.stdio"),
        (["hook", "stop"], "mcp_background_job.cli.hooks.stop"),
    ],
)
def test_what_clients_start_is_ended_by_the_signal_itself(
    importing: Callable[[str, Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    module: str,
) -> None:
    handlers: list[object] = []

    def look() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))
        raise SystemExit

    monkeypatch.setattr(sys, "argv", ["mcp-background-job", *arguments])
    importing(module, look)
    with pytest.raises(SystemExit):
        main()
    assert handlers == [signal.SIG_DFL]
