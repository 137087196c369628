"""``python -I -S …/login_helper.py ATTEMPTS``: asks a login shell for its environment; run by path.

It is a process of its own: nothing of the user's profile may outlive the server or the time limit. It ends the shell's
whole process group if it has the answer, if the time is over, or if its stdin ends, as at the server's death. It and
the shell have a session without a terminal: if a profile asks something, it reads the end of input.

ATTEMPTS is JSON: objects with ``argv`` and ``limit_s``. The first that answers is the last. The answer goes to stdout
as ``ANSWER`` wrote it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

#: The shell's child writes its answer here: to a pipe of its own, since profiles print. No profile uses this number.
ANSWER_DESCRIPTOR = 199

#: Runs in the shell and writes the environment. An empty entry marks its end, since a profile's daemons may hold the
#: pipe.
ANSWER = (
    "import os; data = b''.join(k + b'=' + v + b'\\0' for k, v in os.environb.items()) + b'\\0'\n"
    f"while data: data = data[os.write({ANSWER_DESCRIPTOR}, data):]"
)

_END = b"\0\0"


def main(attempts: list[dict[str, object]]) -> None:
    """Make the attempts, and write the first answer."""
    for attempt in attempts:
        argv = [str(word) for word in attempt["argv"]]  # type: ignore[attr-defined]
        answer = _ask(argv, float(str(attempt["limit_s"])))
        if answer.endswith(_END):
            sys.stdout.buffer.write(answer)
            return


def _ask(argv: list[str], limit_s: float) -> bytes:
    read, write = os.pipe()
    os.dup2(write, ANSWER_DESCRIPTOR)
    os.close(write)
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    try:
        # Python ignores SIGPIPE. If the shell inherited that, a profile that pipes into head would go on for ever.
        signals = signal.valid_signals()
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=nowhere, setpgroup=0, setsigdef=signals)
    finally:
        os.close(ANSWER_DESCRIPTOR)
    try:
        return _read(read, time.monotonic() + limit_s)
    finally:
        os.killpg(pid, signal.SIGKILL)  # not reaped yet, so the number still means this group
        os.waitpid(pid, 0)
        os.close(read)


def _read(descriptor: int, deadline: float) -> bytes:
    answer = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.register(sys.stdin, 0)  # a hang-up is always reported
    while not answer.endswith(_END):
        ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if descriptor not in ready:  # the time is over, or the server waits no longer
            break
        data = os.read(descriptor, select.PIPE_BUF)
        if not data:
            break
        answer += data
    return answer


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
