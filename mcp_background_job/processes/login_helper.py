"""``python -I -S …/login_helper.py ATTEMPTS``: asks a login shell for its environment; run by path.

A process of its own, so that nothing of the user's profile outlives the server or the time limit: it ends the shell's
whole process group when it has its answer, when the time is over, and when its stdin ends, which is the server's death.
It has a session without a terminal, and so has the shell: what a profile asks finds nobody, and the end of input.

ATTEMPTS is JSON: objects with ``argv`` and ``limit_s``, of which the first that answers is the last. The answer goes to
stdout as it was written by ``ANSWER``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

#: Where the shell's child writes its answer: a pipe of its own, since profiles print; no profile uses this number.
ANSWER_DESCRIPTOR = 199

#: Run in the shell: writes the environment. An empty entry is its end, since daemons of a profile may hold the pipe.
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
        # A profile that pipes into head would go on for ever with SIGPIPE ignored, as Python has it.
        signals = signal.valid_signals()
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=nowhere, setpgroup=0, setsigdef=signals)
    finally:
        os.close(ANSWER_DESCRIPTOR)
    try:
        return _read(read, time.monotonic() + limit_s)
    finally:
        os.killpg(pid, signal.SIGKILL)  # not reaped yet, so the number is still this group's
        os.waitpid(pid, 0)
        os.close(read)


def _read(descriptor: int, deadline: float) -> bytes:
    answer = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.register(sys.stdin, 0)  # a hang-up is always told
    while not answer.endswith(_END):
        ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if descriptor not in ready:  # the time is over, or nobody waits for the answer
            break
        data = os.read(descriptor, select.PIPE_BUF)
        if not data:
            break
        answer += data
    return answer


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
