"""The news of a running node: progress_state and progress events, and the printed bar."""

import time
from pathlib import Path
from typing import Any

from tests.comfyui_simulator.interrupts import InterruptFlag
from tests.comfyui_simulator.logs import LogRing
from tests.comfyui_simulator.progress_monitor import ProgressMonitor
from tests.comfyui_simulator.publisher import Publisher

#: In this time, the new generation sends at most one event of a bar, apart from the first and the last.
THROTTLE_S = 0.1
_BAR_WIDTH = 10


class Progress:
    """The states of all nodes of one prompt that have started or come from the cache."""

    def __init__(self, prompt_id: str, publisher: Publisher) -> None:
        self.prompt_id = prompt_id
        self._publisher = publisher
        self._nodes: dict[str, dict[str, Any]] = {}

    def start(self, node_id: str) -> None:
        self._set(node_id, 0.0, 1.0, "running")

    def update(self, node_id: str, value: int, maximum: int) -> None:
        self._set(node_id, value, maximum, "running")
        data = {"value": value, "max": maximum, "prompt_id": self.prompt_id, "node": node_id}
        self._publisher.send("progress", data, self._publisher.client_id)

    def preview(self, node_id: str, png: bytes) -> None:
        names = {"node_id": node_id, "display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
        self._publisher.send_preview(png, names | {"prompt_id": self.prompt_id})

    def finish(self, node_id: str) -> None:
        """Send the end of a node; a node that comes from the cache has not started."""
        maximum = self._nodes[node_id]["max"] if node_id in self._nodes else 1
        self._set(node_id, maximum, maximum, "finished")

    def _set(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._nodes[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            "node_id": node_id,
            "prompt_id": self.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        # A copy, because another thread writes the message later.
        data = {"prompt_id": self.prompt_id, "nodes": dict(self._nodes)}
        self._publisher.send("progress_state", data, self._publisher.client_id)


class NodeContext:
    """The server, as one running node sees it."""

    def __init__(
        self,
        node_id: str,
        progress: Progress,
        flag: InterruptFlag,
        ring: LogRing,
        output_directory: Path,
        *,
        new: bool,
        monitor: ProgressMonitor,
    ) -> None:
        self._node_id = node_id
        self._progress = progress
        self._flag = flag
        self._ring = ring
        self._monitor = monitor
        self._throttle_s = THROTTLE_S if new else 0.0
        self._last_sent = 0.0
        self.output_directory = output_directory

    def progress(self, value: int, maximum: int) -> None:
        now = time.monotonic()
        if value not in {1, maximum} and now - self._last_sent < self._throttle_s:
            return
        self._last_sent = now
        self._flag.check()
        self._progress.update(self._node_id, value, maximum)

    def preview(self, png: bytes) -> None:
        self._progress.preview(self._node_id, png)

    def print_progress(self, value: int, maximum: int, seconds: float) -> None:
        self._monitor.begin()
        filled = _BAR_WIDTH * value // maximum
        bar = "█" * filled + " " * (_BAR_WIDTH - filled)
        rate = value / seconds if seconds else 0.0
        left = _clock((maximum - value) / rate) if rate else "?"
        end = "\n" if value == maximum else ""
        self._ring.write(
            f"\r{100 * value // maximum:3}%|{bar}| {value}/{maximum} [{_clock(seconds)}<{left}, {rate:5.2f}it/s]{end}"
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"
