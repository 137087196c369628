"""Stands for a process of the nursery: what this one is given is handed over, and how that one ends is our own end.

Run with -I -S and of all libraries only what they are made of: it is there in a hundredth of the time that a server
takes to load, and the tests start thousands.
"""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False  # that of typing, which takes as long to load as Python itself, as does all that signal adds
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

#: What is passed on; all that cannot be caught reaches the other by the end of our connection, as SIGKILL.
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
        os.close(descriptor)  # whoever reads from the other sees it close them
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
