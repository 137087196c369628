"""Carries requests and answers between another machine (stdin and stdout) and the socket of the runner on this one.

An engine starts it within the job, and so on the runner's node, under the job's user. One relay serves many clients.
Each line begins with the number of a client; then come a blank, and a line to or from the runner. A number alone hangs
up, from either side. The relay's first line, its greeting, marks the end of lines that the engine may have printed
before. The relay ends when its stdin does.
"""

from __future__ import annotations

import json
import os
import select
import socket

from mcp_background_job.jobdir.address import GREETING
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import write_all

_READ_SIZE = 65536


def serve(job: JobDir) -> None:
    """Be a relay until stdin ends."""
    relay = _Relay(job)
    write_all(1, GREETING + b"\n")
    while relay.turn():
        pass


class _Relay:
    def __init__(self, job: JobDir) -> None:
        self._job = job
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._unread = b""
        self._clients: dict[bytes, socket.socket] = {}
        self._numbers: dict[int, bytes] = {}
        self._heard: dict[bytes, bytes] = {}

    def turn(self) -> bool:
        """Carry the bytes that are there; returns whether more may come."""
        for descriptor, _ in self._poll.poll():
            if descriptor:
                self._from_runner(self._numbers[descriptor])
            elif not self._from_afar():
                return False
        return True

    def _from_afar(self) -> bool:
        data = os.read(0, _READ_SIZE)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            number, blank, said = line.partition(b" ")
            if blank:
                self._say(number, said + b"\n")
            else:
                self._hang_up(number)
        return bool(data)

    def _say(self, number: bytes, said: bytes) -> None:
        try:
            if number not in self._clients:
                self._connect(number)
            self._clients[number].sendall(said)
        except (OSError, ValueError, KeyError):  # the runner is not there yet, or has just ended
            self._hang_up(number)
            write_all(1, number + b"\n")

    def _connect(self, number: bytes) -> None:
        with open(self._job.address, "rb") as file:
            name = str(json.loads(file.read())["socket"])
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(f"\0{name}")
        except OSError:
            sock.close()
            raise
        self._clients[number], self._numbers[sock.fileno()], self._heard[number] = sock, number, b""
        self._poll.register(sock, select.POLLIN)

    def _from_runner(self, number: bytes) -> None:
        if number not in self._clients:  # an earlier event of this turn may have closed it
            return
        try:
            data = self._clients[number].recv(_READ_SIZE)
        except OSError:
            data = b""
        *lines, self._heard[number] = (self._heard[number] + data).split(b"\n")
        write_all(1, b"".join(number + b" " + line + b"\n" for line in lines))
        if not data:
            self._hang_up(number)
            write_all(1, number + b"\n")

    def _hang_up(self, number: bytes) -> None:
        sock = self._clients.pop(number, None)
        if sock is not None:
            self._poll.unregister(sock)
            del self._numbers[sock.fileno()], self._heard[number]
            sock.close()
