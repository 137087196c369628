"""Stands for a process of the nursery: what this one is given is handed over, and how that one ends is our own end.

Run with -I -S and few imports, which takes a fiftieth of the time that a server takes to load.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

#: What is passed on; all that cannot be caught reaches the other by the end of our connection, as SIGKILL.
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(sys.argv[1])
        socket.send_fds(nursery, [b"\0"], [0, 1, 2])
        request = {"argv": sys.argv[2:], "env": dict(os.environ), "cwd": os.getcwd(), "session": False}
        nursery.sendall(json.dumps(request).encode() + b"\n")
        for descriptor in (0, 1, 2):
            os.close(descriptor)  # whoever reads from the other sees it close them
        for number in _PASSED_ON:
            signal.signal(number, lambda number, _: nursery.sendall(bytes([number])))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        _pid, code = map(int, nursery.makefile())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
