"""Loads a package and its libraries once, and forks for each process that is asked for.

Each fork is a process of its own, with the arguments, environment, directory and descriptors that it is given. It lacks
Python's own steps before a program: options like ``-X`` and variables like ``PYTHON…`` have no effect. Other processes
see the command line and environment of this process.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import gc
import importlib
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from typing import Any

#: Modules that the libraries load when they first need them: without this, each process would load them again.
_LATE = ("anyio._backends._asyncio", "anyio.streams.tls", "difflib", "httpcore2", "truststore", "rich.markdown")

#: Modules that start by themselves, without libraries.
_APART = ("mcp_background_job.runner.", "mcp_background_job.__main__")


def main() -> list[str]:
    """Fork until stdin is closed; in each new process, returns the program and its arguments."""
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        _load(sys.argv[2])
        if sys.argv[3:]:
            _have_runners_forked(sys.argv[3])
        sys.executable = os.path.join(os.path.dirname(listener.getsockname()), "python")
        os.dup2(2, 1)  # releases the lock, on which other processes wait
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the keepers
        while 0 not in select.select([0, listener], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    return _keep(connection)
    os._exit(0)


def _load(name: str) -> None:
    loaded = importlib.import_module(name)
    for late in _LATE if hasattr(loaded, "__path__") else ():
        importlib.import_module(late)
    for module in pkgutil.walk_packages(getattr(loaded, "__path__", []), f"{name}."):
        if not module.name.startswith(_APART):
            importlib.import_module(module.name)
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has only one of these threads"
    gc.collect()
    gc.freeze()  # no collection writes to these objects, which would copy them


def _have_runners_forked(address: str) -> None:
    launcher = importlib.import_module("mcp_background_job.executors.local.launcher")
    start = runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "runners.py"))["start"]
    own_arguments = len(launcher._INTERPRETER)

    def start_forked(command: list[str], descriptor: int) -> None:
        start(address, command[own_arguments:], descriptor)

    launcher._exec = start_forked  # pyright: ignore[reportAttributeAccessIssue]


def _keep(connection: socket.socket) -> list[str]:
    """Be the parent of one process until its end; in that process, returns the program and its arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 4)
    with connection.makefile() as lines:
        request = ast.literal_eval(lines.readline())
    pid = os.fork()
    if pid == 0:
        if request["session"]:
            os.setsid()
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(b"%d\n" % os.getpid())
        for number, stream in enumerate(descriptors[:3]):
            os.dup2(stream, number)
            os.close(stream)
        return _become(request)
    os.closerange(0, 3)
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(pid)
    while ended not in select.select([connection, ended], [], [])[0]:
        for number in connection.recv(16) or [signal.SIGKILL]:  # without its relay, it has to go
            os.kill(pid, number)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(b"%d\n" % code)
    os._exit(0)


def _become(request: dict[str, Any]) -> list[str]:
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        # Python's own streams remember the files that were open before, so new ones are made, as Python makes them.
        old = getattr(sys, name)
        buffering = 1 if name == "stderr" or os.isatty(number) else -1
        stream = os.fdopen(number, mode, buffering, encoding=old.encoding, errors=old.errors, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return request["argv"]


program, *sys.argv[1:] = main()
try:
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
except SystemExit as end:
    # End as the interpreter does, but do not take shared objects apart, which would copy them.
    code = end.code or 0
    assert isinstance(code, int)
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    atexit._run_exitfuncs()
    for written in (sys.stdout, sys.stderr):
        written.flush()
    os._exit(code)
