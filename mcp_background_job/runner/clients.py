"""Who is connected to a runner: watchers, who are told of news, and stoppers, who wait for the end of the job."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from mcp_background_job.jobdir.records import StopRequest
from mcp_background_job.runner import control
from mcp_background_job.runner.exit_record import MAX_REASON
from mcp_background_job.runner.family import Family
from mcp_background_job.runner.output import Log

Request = dict[str, Any]
Answer = dict[str, object]


class Clients:
    """The clients of one runner."""

    def __init__(
        self,
        listener: socket.socket,
        family: Family,
        log: Log,
        *,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        carry_out: Callable[[Request], Answer],
    ) -> None:
        """Begins to listen.

        Args:
            listener: where they connect.
            family: watchers are told when its leader has ended,
            log: and when there is more of this.
            watch: has the loop call something when a descriptor can be read.
            unwatch: the reverse.
            carry_out: does what is asked of the job, and says what to answer.
        """
        self._listener = listener
        self._family = family
        self._log = log
        self._watch = watch
        self._unwatch = unwatch
        self._carry_out = carry_out
        self._connections: list[control.Connection] = []
        self._stoppers: list[control.Connection] = []
        watch(listener.fileno(), self._on_client)

    def tell_watchers(self) -> None:
        """Tell those who watch what they do not know yet."""
        for connection in list(self._connections):
            if connection.watching is None:
                continue
            leader_exited = self._family.leader_exit is not None
            if self._log.end > connection.watching or leader_exited != connection.knows_leader_exit:
                connection.watching = None
                if not connection.send(size=self._log.end, leader_exited=leader_exited):
                    self._hang_up(connection)

    def tell_stoppers(self, survivors: list[int]) -> None:
        """Tell those who wait for the end of the job what prevents it."""
        for connection in list(self._stoppers):
            connection.send(survivors=survivors)

    def close(self) -> None:
        """Hang up on all, which tells them that the job is over."""
        for connection in self._connections:
            connection.close()
        self._listener.close()

    def _on_client(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it has gone again, or we are out of descriptors: it will try again
            return
        connection = control.Connection(sock)
        self._connections.append(connection)
        self._watch(connection.fileno(), lambda: self._on_request(connection))

    def _on_request(self, connection: control.Connection) -> None:
        requests = connection.read()
        if requests is None:
            self._hang_up(connection)
            return
        for request in requests:
            try:
                answer = self._answer(connection, request)
            except (KeyError, ValueError, TypeError) as error:
                answer = {"error": f"bad request: {error!r}"}
            if answer is not None and not connection.send(**answer):
                self._hang_up(connection)
                return

    def _answer(self, connection: control.Connection, request: Request) -> Answer | None:
        if request["op"] == "watch":
            connection.watching = int(request["size"])
            connection.knows_leader_exit = bool(request["leader_exited"])
            self.tell_watchers()
            return None
        if request["op"] == "stop":
            self._stoppers.append(connection)
        return self._carry_out(request)

    def _hang_up(self, connection: control.Connection) -> None:
        if connection not in self._connections:
            return
        self._unwatch(connection.fileno())
        self._connections.remove(connection)
        if connection in self._stoppers:
            self._stoppers.remove(connection)
        connection.close()


def stop_request(request: Request) -> StopRequest:
    """Return what a client's request to stop says.

    Raises:
        ValueError: it names no signal.
    """
    name = str(request["signal"])
    if not name.startswith("SIG") or not hasattr(signal, name):
        raise ValueError(f"no such signal: {name}")
    return StopRequest(
        at=time.time(),
        by=str(request["by"])[:200],
        why=str(request["why"])[: MAX_REASON // 2],
        signal=name,
        grace_s=float(request["grace_s"]),
    )
