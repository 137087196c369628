"""The queue of prompts and their history, as in ComfyUI's ``execution.PromptQueue``."""

import copy
import heapq
import threading
from collections.abc import Callable
from typing import Any

from tests.comfyui_simulator.ledger import Ledger

MAXIMUM_HISTORY = 10_000

#: number, prompt_id, graph, extra_data, outputs to execute
Item = tuple[float, str, dict[str, Any], dict[str, Any], list[str]]


class PromptQueue:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._mutex = threading.RLock()
        self._not_empty = threading.Condition(self._mutex)
        self._heap: list[Item] = []
        self._running: dict[int, Item] = {}
        self._counter = 0
        self._history: dict[str, dict[str, Any]] = {}
        self._flags: dict[str, bool] = {}
        self.on_change: Callable[[], None] = lambda: None

    def put(self, item: Item) -> None:
        with self._mutex:
            # If number and id are equal, the heap compares the graphs, which raises, as in ComfyUI, which answers 500.
            heapq.heappush(self._heap, item)
            self._ledger.note("submitted", item[1])
            self.on_change()
            self._not_empty.notify()

    def get(self) -> tuple[int, Item] | None:
        """Move the first prompt to running and return it; None if only flags need a look."""
        with self._mutex:
            while not self._heap:
                if self._flags:
                    return None
                self._not_empty.wait()
            item = heapq.heappop(self._heap)
            self._counter += 1
            self._running[self._counter] = item
            self._ledger.note("began", item[1])
            self.on_change()
            return self._counter, item

    def finish(self, key: int, result: dict[str, Any], status: dict[str, Any]) -> None:
        """Move a prompt from running to history: it is never in neither or in both."""
        with self._mutex:
            item = self._running.pop(key)
            if len(self._history) >= MAXIMUM_HISTORY:
                self._history.pop(next(iter(self._history)))
            self._history[item[1]] = {"prompt": item, "outputs": {}, "status": status} | result
            self._ledger.note("ended", item[1])
            self.on_change()

    def snapshot(self) -> tuple[list[Item], list[Item]]:
        """Return the running and the pending prompts, the latter in the order of the heap."""
        with self._mutex:
            return list(self._running.values()), list(self._heap)

    def remaining(self) -> int:
        with self._mutex:
            return len(self._heap) + len(self._running)

    def clear(self) -> None:
        with self._mutex:
            for item in self._heap:
                self._ledger.note("deleted", item[1])
            self._heap = []
            self.on_change()

    def delete(self, prompt_id: str) -> bool:
        """Remove a pending prompt, which leaves no trace; returns whether it was there."""
        with self._mutex:
            for index, item in enumerate(self._heap):
                if item[1] == prompt_id:
                    self._heap.pop(index)
                    self._ledger.note("deleted", prompt_id)
                    heapq.heapify(self._heap)
                    self.on_change()
                    return True
        return False

    def history(self, max_items: int | None = None, offset: int = -1) -> dict[str, Any]:
        with self._mutex:
            if offset < 0:
                offset = 0 if max_items is None else max(0, len(self._history) - max_items)
            end = None if max_items is None else offset + max_items
            return {key: copy.copy(self._history[key]) for key in list(self._history)[offset:end]}

    def entry(self, prompt_id: str) -> dict[str, Any] | None:
        with self._mutex:
            return self._history.get(prompt_id)

    def clear_history(self) -> None:
        with self._mutex:
            self._history = {}

    def delete_history(self, prompt_id: str) -> None:
        with self._mutex:
            self._history.pop(prompt_id, None)

    def set_flag(self, name: str) -> None:
        with self._mutex:
            self._flags[name] = True
            self._not_empty.notify()

    def take_flags(self) -> dict[str, bool]:
        with self._mutex:
            flags, self._flags = self._flags, {}
            return flags
