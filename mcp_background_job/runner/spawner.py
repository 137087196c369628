"""The spawner: a small warm process of a server that forks runners on request.

An interpreter takes tens of milliseconds to start, a fork of one that is already there less than one. A request is a job
directory, with the writing end of a pipe on which the new runner itself will answer; the spawner never looks back. Its
end, when the server closes the socket or dies, hurts nobody: runners do not depend on it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket

from mcp_background_job.runner.main import be_runner
from mcp_background_job.runner.system import name_process

#: A request is one path; longer ones do not exist (PATH_MAX).
_MAX_REQUEST = 4096 + 1


def serve(descriptor: int) -> None:
    """Fork a runner for every request until the server is gone."""
    requests = socket.socket(fileno=descriptor)
    name_process("mcp-bg spawner")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; runners end long after we care
    gc.collect()
    gc.freeze()  # what runners share stays shared
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _MAX_REQUEST, 1)
        if not request:
            return
        if os.fork() == 0:
            _become_runner(requests, os.fsdecode(request), descriptors[0])
        os.close(descriptors[0])


def _become_runner(requests: socket.socket, directory: str, reply: int) -> None:
    exit_code = 1
    try:
        requests.close()
        os.setsid()
        os.set_inheritable(reply, False)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        be_runner(directory, reply)
        exit_code = 0
    finally:
        os._exit(exit_code)
