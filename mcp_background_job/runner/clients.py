"""The clients of a runner: watchers, who get news, and stoppers, who wait for the end of the job."""

from __future__ import annotations

from collections.abc import Callable

from mcp_background_job.jobdir.requests import BadRequestError, Stop, Watch, Wish, parse
from mcp_background_job.runner import control
from mcp_background_job.runner.family.family import Family
from mcp_background_job.runner.log.output import Log

Answer = dict[str, object]


class Clients:
    """The clients of one runner."""

    def __init__(
        self,
        doors: list[control.Door],
        family: Family,
        log: Log,
        *,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        carry_out: Callable[[Wish], Answer],
    ) -> None:
        """Begins to listen.

        Args:
            doors: the sockets at which they connect.
            family: watchers are told when its leader has ended.
            log: watchers are told when it has grown.
            watch: makes the loop call a function when a descriptor can be read.
            unwatch: undoes that.
            carry_out: carries out a request about the job, and returns the answer.
        """
        self._doors = doors
        self._family = family
        self._log = log
        self._watch = watch
        self._unwatch = unwatch
        self._carry_out = carry_out
        self._connections: list[control.Connection] = []
        self._stoppers: list[control.Connection] = []
        for door in doors:
            watch(door.fileno(), lambda door=door: self._on_client(door))

    def tell_watchers(self) -> None:
        """Tell the watchers their news."""
        for connection in list(self._connections):
            if connection.watching is None:
                continue
            leader_exited = self._family.leader_exit is not None
            if self._log.end > connection.watching or leader_exited != connection.knows_leader_exit:
                connection.watching = None
                self._log.share()
                if not connection.send(size=self._log.end, leader_exited=leader_exited):
                    self._hang_up(connection)

    def tell_stoppers(self, survivors: list[int]) -> None:
        """Tell those who wait for the end of the job which processes prevent it."""
        for connection in list(self._stoppers):
            connection.send(survivors=survivors)

    def close(self, last_words: Answer) -> None:
        """Send all clients the last words, if there are any, and hang up, which tells them that the job is over."""
        for connection in self._connections:
            if last_words:
                connection.send(**last_words)
            connection.close()
        for door in self._doors:
            door.close()

    def _on_client(self, door: control.Door) -> None:
        connection = door.accept()
        if connection is None:
            return
        self._connections.append(connection)
        self._watch(connection.fileno(), lambda: self._on_request(connection))

    def _on_request(self, connection: control.Connection) -> None:
        lines = connection.read()
        if lines is None:
            self._hang_up(connection)
            return
        for line in lines:
            answer = self._answer(connection, line)
            if answer is not None and not connection.send(**answer):
                self._hang_up(connection)
                return

    def _answer(self, connection: control.Connection, line: bytes) -> Answer | None:
        try:
            request = parse(line)
        except BadRequestError as error:  # the client may go on with other requests
            return {"error": f"bad request: {error}"}
        if isinstance(request, Watch):
            connection.watching = request.size
            connection.knows_leader_exit = request.leader_exited
            self.tell_watchers()
            return None
        if isinstance(request, Stop) and connection not in self._stoppers:
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
