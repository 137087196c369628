"""Stands for a process of the nursery: it hands over its own arguments and streams, and ends as that process ends.

It runs with -I -S and loads only the C modules below the libraries. So it starts in a hundredth of the time that a
server takes to load, and the tests start thousands.
"""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False  # typing takes as long to load as Python itself, and so does signal beside _signal
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

#: Signals that are passed on. If a signal that cannot be caught ends this process, the other one gets SIGKILL.
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_STREAMS = (0, 1, 2)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    nursery = _socket.socket(_socket.AF_UNIX)
    nursery.connect(sys.argv[1])
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in _STREAMS)
    nursery.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    request = {"argv": sys.argv[2:], "env": dict(os.environ), "cwd": os.getcwd(), "session": False}
    nursery.sendall(ascii(request).encode() + b"\n")
    for descriptor in _STREAMS:
        os.close(descriptor)  # a reader of the other process's output must see its end
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: nursery.sendall(bytes([number])))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    answer = b""
    while received := nursery.recv(64):
        answer += received
    _pid, code = map(int, answer.split())
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
