"""The one interrupt flag of the process, looked at by nodes."""

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
        """Raise, and forget the wish, if there is one."""
        with self._lock:
            if not self._requested:
                return
            self._requested = False
        raise self._exception
