"""The thread that tqdm starts with its first progress bar: for good, it wakes now and then for microseconds."""

import threading


class ProgressMonitor:
    """A thread that begins with the first printed bar."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="TMonitor", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        never = threading.Event()
        while not never.wait(self._period_s):
            pass
