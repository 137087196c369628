"""The spawner: a small warm process of a server that forks runners, one ahead of time.

An interpreter takes tens of milliseconds to start. To fork a running one takes one millisecond, and some more for the
pages that the new process touches first. So there is always a spare: a fork that has rehearsed once, and sleeps until
the next request makes it a runner. A request is a job directory, with the writing end of a pipe on which the runner
itself answers; the spawner does not see the answer. The spawner ends when the server closes the socket or dies. That
harms no runner: runners do not depend on it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket

from mcp_background_job.jobdir.runners import SPAWNER_NAME
from mcp_background_job.runner.main import Reply, be_runner, let_go_of_all_but
from mcp_background_job.runner.rehearsal import rehearse_all, rehearse_reading
from mcp_background_job.runner.system import name_process

#: A request is one path. No path is longer (PATH_MAX).
_MAX_REQUEST = 4096 + 1

#: Seconds after a launch before the next spare is made. An earlier request gets a fork that has not rehearsed.
_BREATH_S = 0.01

#: Seconds for a new runner to report before the next spare is made anyhow; it needs milliseconds.
_REPORT_S = 0.1


def serve(descriptor: int) -> None:
    """Keep a spare runner ready until the server is gone."""
    requests = socket.socket(fileno=descriptor)
    name_process(SPAWNER_NAME)
    gc.disable()  # nothing here makes cycles
    rehearse_all()
    let_go_of_all_but(descriptor)
    with contextlib.suppress(OSError):  # the server is gone, which is noticed below
        requests.send(str(os.getpid()).encode())  # so the server can see whether this process is suspended
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; this process needs no exit status of a runner
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while not _is_over(requests):
        # Right after a launch the new job needs the processor more than the next spare does.
        is_urgent = bool(poll.poll(_BREATH_S * 1000))
        taken, spare_is_free = os.pipe()
        if os.fork() == 0:
            os.close(taken)
            _be_spare(requests, spare_is_free, rehearsed=not is_urgent)
        os.close(spare_is_free)
        os.read(taken, 1)  # returns when the spare has got a request, or has ended
        _await_report(taken)
        os.close(taken)


def _await_report(taken: int) -> None:
    """Wait until the new runner has reported or ended, but not long: it may be stuck, for example on a dead mount."""
    poll = select.poll()
    poll.register(taken, 0)  # a hang-up is always reported
    poll.poll(_REPORT_S * 1000)


def _is_over(requests: socket.socket) -> bool:
    """Tell whether the server has hung up and left no request."""
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    events = dict(poll.poll(0)).get(requests.fileno(), 0)
    return bool(events & select.POLLHUP) and not _has_request(requests)


def _has_request(requests: socket.socket) -> bool:
    return bool(requests.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))


def _be_spare(requests: socket.socket, is_free: int, *, rehearsed: bool) -> None:
    exit_code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if rehearsed:
            rehearse_reading()
        request, descriptors, _, _ = socket.recv_fds(requests, _MAX_REQUEST, 1)
        requests.close()
        if request:
            os.set_inheritable(descriptors[0], False)  # noqa: FBT003  its only form
            with contextlib.suppress(BrokenPipeError):  # the spawner has died; this request is served anyhow
                os.write(is_free, b"r")
            # The next spare is made after this runner has reported: it must not take the processor away from it.
            be_runner(os.fsdecode(request), Reply(descriptors[0], also_close=is_free))
        exit_code = 0
    finally:
        os._exit(exit_code)
