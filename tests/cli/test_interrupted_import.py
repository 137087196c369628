"""Ctrl-C while the libraries are loaded, which takes a second, ends every command without a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from mcp_background_job.__main__ import main


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


def test_a_command_ends_as_one_that_was_interrupted(
    importing: Callable[[str, Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["mcp-background-job", "list"])
    importing("mcp_background_job.cli.main", interrupt)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


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
