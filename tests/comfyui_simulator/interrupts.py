"""The one interrupt flag of the process, which nodes look at."""

import threading


class Interrupted(BaseException):
    pass


class InterruptedOld(Exception):  # noqa: N818  in old cores any `except Exception` of a node swallows it
    pass


INTERRUPTIONS = (Interrupted, InterruptedOld)


class InterruptFlag:
    def __init__(self, *, new: bool) -> None:
        self._exception = Interrupted if new else InterruptedOld
        self._lock = threading.Lock()
        self._requested = False

    def request(self) -> None:
        with self._lock:
            self._requested = True

    def reset(self) -> None:
        with self._lock:
            self._requested = False

    def check(self) -> None:
        """If an interrupt was requested, forget the request and raise the interruption."""
        with self._lock:
            if not self._requested:
                return
            self._requested = False
        raise self._exception
