"""Forks runners and spawners: each would take a tenth of a second to load, and a spawner as long again to rehearse.

This process has done both once. Other processes see its command line as that of each fork. A test of a runner's start
or command line has runners executed, by the fixture ``runners_by_exec``.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

#: Room for a runner's arguments: paths, and the killer of its predecessor.
_MAX_REQUEST = 65536


def start(address: str, arguments: list[str], descriptor: int) -> None:
    """Start a process of ``runner/__main__.py`` with these arguments, and wait until it has detached itself.

    Args:
        address: the path of the forking process's socket.
        arguments: the process's arguments; the second is the number of the descriptor that is handed over.
        descriptor: a pipe or a socket.
    """
    os.umask(umask := os.umask(0o077))
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(address)
        socket.send_fds(nursery, [json.dumps([umask, arguments]).encode()], [descriptor])
        assert not nursery.recv(1)


def main() -> None:
    """Fork until stdin is closed."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from mcp_background_job.runner import __main__ as program  # noqa: PLC0415  the tests load another part of this
    from mcp_background_job.runner import main as runner  # noqa: PLC0415
    from mcp_background_job.runner import spawner  # noqa: PLC0415

    listener = socket.socket(fileno=int(sys.argv[1]))
    program.signals.settle()
    gc.disable()
    spawner.rehearse_all()
    spawner.rehearse_all = lambda: None
    gc.enable()
    runner.let_go_of_all_but(listener.fileno())
    os.dup2(2, 1)  # releases the lock, on which other processes wait
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries those who have detached what they forked
    while 0 not in select.select([0, listener], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            program.detach = _told(program.detach, connection)
            program.main(_taken(connection))
            return
        connection.close()


def _told(detach: Callable[[list[int]], None], connection: socket.socket) -> Callable[[list[int]], None]:
    def detach_and_hang_up(keep: list[int]) -> None:
        detach(keep)
        connection.close()

    return detach_and_hang_up


def _taken(connection: socket.socket) -> list[str]:
    request, (descriptor,), _, _ = socket.recv_fds(connection, _MAX_REQUEST, 1)
    umask, (first, _number, *others) = json.loads(request)
    os.umask(umask)
    return [first, str(descriptor), *others]


if __name__ == "__main__":
    main()
