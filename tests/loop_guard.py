"""Watches which files a thread touches: the event loop's thread must touch none, since a disk may be slow.

The interpreter announces most calls by audit events. It does not announce ``stat`` and similar calls, so these are
wrapped.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sqlite3
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

#: Events of calls that may wait for a disk, another process or the network.
_EVENTS = ("open", "os.", "shutil.", "glob.", "tempfile.", "sqlite3.", "fcntl.", "subprocess.", "socket.getaddrinfo")

#: Events with such a name, of calls that never wait.
_HARMLESS = ("os.putenv", "os.unsetenv")

_SILENT = (
    *("stat", "lstat", "access", "readlink", "fsync", "fdatasync", "sync", "statvfs", "fstatvfs", "ftruncate"),
    *("pread", "pwrite", "sendfile", "getcwd", "waitpid", "mkfifo", "mknod"),
)

#: Directories of code. Python loads code when it is first needed: that is bounded, and on the interpreter's own disk.
_CODE = tuple(
    dict.fromkeys([sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sys.prefix, sys.base_prefix])
)

_PROJECT = str(Path(__file__).parent.parent / "mcp_background_job")


class Guard:
    """Notes which files the event loop's thread touches."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}
        self._thread = 0
        self._is_noting = False

    @contextlib.contextmanager
    def watching(self) -> Generator[None]:
        """Watch the calling thread."""
        self._thread = threading.get_ident()
        try:
            yield
        finally:
            self._thread = 0

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a call if the watched thread makes it."""
        if self._thread != threading.get_ident() or self._is_noting:
            return
        self._is_noting = True
        try:
            self._note(event, arguments)
        finally:
            self._is_noting = False

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        stack = traceback.extract_stack()
        ours = [frame for frame in stack if frame.filename.startswith(_PROJECT)]
        if not ours or _is_import(stack) or _is_code(arguments):
            return
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(ours[-4:]))
        self.done.setdefault(f"{event} by {where}", repr(arguments[:2]))


def _is_import(stack: traceback.StackSummary) -> bool:
    return any(frame.filename.startswith("<frozen importlib") for frame in stack)


def _is_code(arguments: tuple[Any, ...]) -> bool:
    first = arguments[0] if arguments else None
    return isinstance(first, str) and first.startswith((*_CODE, _PROJECT))


_guard = Guard()
_sqlite_connect = sqlite3.connect


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _guard._thread and event.startswith(_EVENTS) and event not in _HARMLESS:
        _guard.note(event, arguments)
    elif _guard._thread and event == "socket.connect":
        sock = arguments[0]
        if isinstance(sock, socket.socket) and sock.gettimeout() != 0:  # a socket that does not block makes nobody wait
            _guard.note(event, arguments)


def _told(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        if _guard._thread:
            _guard.note(f"os.{name}", arguments)
        return function(*arguments, **options)

    return called


def _connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
    connection = _sqlite_connect(*arguments, **options)
    connection.set_trace_callback(lambda statement: _guard.note("sqlite3.execute", (statement,)))
    return connection


@functools.cache
def _install() -> None:
    sys.addaudithook(_audit)  # it cannot be removed


@contextlib.contextmanager
def files_of_this_thread() -> Generator[Guard]:
    """Watch which files this thread touches: ``done`` has the arguments, by the call and the lines that made it."""
    _install()
    _guard.done = {}
    kept = {name: getattr(os, name) for name in _SILENT if hasattr(os, name)}
    for name, function in kept.items():
        setattr(os, name, _told(name, function))
    sqlite3.connect = _connect
    try:
        with _guard.watching():
            yield _guard
    finally:
        sqlite3.connect = _sqlite_connect
        for name, function in kept.items():
            setattr(os, name, function)
