"""Runs one prompt: nodes in the order of their links, results kept for identical nodes, events in ComfyUI's order."""

import json
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from tests.comfyui_simulator.flags import Flags
from tests.comfyui_simulator.interrupts import INTERRUPTIONS, InterruptFlag
from tests.comfyui_simulator.logs import LogRing, log
from tests.comfyui_simulator.nodes.catalogue import CATALOGUE
from tests.comfyui_simulator.nodes.node_class import Result
from tests.comfyui_simulator.progress import NodeContext, Progress
from tests.comfyui_simulator.progress_monitor import ProgressMonitor
from tests.comfyui_simulator.prompt_queue import Item
from tests.comfyui_simulator.publisher import Publisher

_OUT_OF_MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have "
    "accidentally set the batch_size to a large number."
)


class Executor:
    def __init__(self, flags: Flags, publisher: Publisher, flag: InterruptFlag, ring: LogRing) -> None:
        self._flags = flags
        self._publisher = publisher
        self._flag = flag
        self._ring = ring
        self._cache: dict[str, Result] = {}
        self._monitor = ProgressMonitor(flags.monitor_period)
        self.is_freed = False

    def free(self) -> None:
        self._cache.clear()
        self.is_freed = True

    def execute(self, item: Item) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a prompt until it ends; returns its outputs with meta, and its status, both for the history."""
        self.is_freed = False
        # The prompt is already visible in queue_running: an interrupt that comes now is lost by the next line.
        threading.Event().wait(self._flags.start_gap)
        self._flag.reset()
        self._publisher.client_id = item[3].get("client_id")
        run = PromptRun(item, self._flags, self._publisher, self._flag, self._ring, self._cache, self._monitor)
        try:
            succeeded = run.run()
        finally:
            # In the old generation, the cache does not keep nodes of earlier prompts.
            if not self._flags.new:
                self._cache = {key: result for key, result in self._cache.items() if key in run.signatures.values()}
        self._publisher.last_node_id = None
        status = {
            "status_str": "success" if succeeded else "error",
            "completed": succeeded,
            "messages": run.messages,
        }
        return {"outputs": run.outputs, "meta": run.meta}, status


class PromptRun:
    def __init__(  # noqa: PLR0917  all that one run needs
        self,
        item: Item,
        flags: Flags,
        publisher: Publisher,
        flag: InterruptFlag,
        ring: LogRing,
        cache: dict[str, Result],
        monitor: ProgressMonitor,
    ) -> None:
        _, self._prompt_id, self._graph, _, self._targets = item
        self._flags = flags
        self._publisher = publisher
        self._flag = flag
        self._ring = ring
        self._cache = cache
        self._monitor = monitor
        self._progress = Progress(self._prompt_id, publisher)
        self._executed: list[str] = []
        self.signatures: dict[str, str] = {}
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.outputs: dict[str, Any] = {}
        self.meta: dict[str, Any] = {}

    def run(self) -> bool:
        self._say("execution_start", {})
        for node_id in self._graph:
            self._sign(node_id)
        self._say("execution_cached", {"nodes": [node_id for node_id in self._graph if self._is_cached(node_id)]})
        for node_id in self._order():
            if not self._execute(node_id):
                return False
        self._say("execution_success", {})
        return True

    def _say(self, event: str, data: dict[str, Any], *, to_all: bool = False) -> None:
        prompt_id: dict[str, Any] = {"prompt_id": self._prompt_id}
        timestamp = {"timestamp": int(time.time() * 1000)}
        nodes_first = event == "execution_cached"
        data = data | prompt_id | timestamp if nodes_first else prompt_id | data | timestamp
        self.messages.append((event, data))
        if to_all or self._publisher.client_id is not None:
            self._publisher.send(event, data, self._publisher.client_id)

    def _sign(self, node_id: str) -> str:
        """Name a node by its class, its values and the nodes that it is linked to: equal names mean equal results."""
        if node_id not in self.signatures:
            # In a bad branch of the graph, a link may lead to no node.
            node = self._graph.get(node_id, {"class_type": None})
            inputs: dict[str, Any] = {
                name: [self._sign(value[0]), value[1]] if _is_link(value) else value
                for name, value in sorted(node.get("inputs", {}).items())
            }
            self.signatures[node_id] = json.dumps([node["class_type"], inputs])
        return self.signatures[node_id]

    def _is_cached(self, node_id: str) -> bool:
        return self.signatures[node_id] in self._cache

    def _order(self) -> list[str]:
        order: list[str] = []

        def add(node_id: str) -> None:
            if node_id in order:
                return
            if not self._is_cached(node_id):
                for value in self._graph[node_id]["inputs"].values():
                    if _is_link(value) and not self._is_cached(value[0]):
                        add(value[0])
            order.append(node_id)

        for node_id in self._targets:
            add(node_id)
        return order

    def _execute(self, node_id: str) -> bool:
        signature = self.signatures[node_id]
        if signature in self._cache:
            self._show(node_id, self._cache[signature])
            self._progress.finish(node_id)
            return True
        self._progress.start(node_id)
        if self._publisher.client_id is not None:
            self._publisher.last_node_id = node_id
        self._tell_owner("executing", node_id, {})
        inputs: dict[str, Any] = {}
        try:
            inputs = self._inputs(node_id)
            result = self._run_node(node_id, inputs)
        except INTERRUPTIONS:
            self._note_interruption(node_id)
            return False
        except Exception as exception:  # noqa: BLE001  a node may raise anything; SystemExit ends the worker
            self._note_error(node_id, inputs, exception)
            return False
        self._cache[signature] = result
        self._show(node_id, result)
        self._progress.finish(node_id)
        self._executed.append(node_id)
        return True

    def _run_node(self, node_id: str, inputs: dict[str, Any]) -> Result:
        self._flag.check()
        directory: Path = self._flags.output_directory
        context = NodeContext(
            node_id,
            self._progress,
            self._flag,
            self._ring,
            directory,
            new=self._flags.new,
            monitor=self._monitor,
        )
        return CATALOGUE[self._graph[node_id]["class_type"]].run(context, inputs)

    def _inputs(self, node_id: str) -> dict[str, Any]:
        return {
            name: self._cache[self.signatures[value[0]]].outputs[value[1]] if _is_link(value) else value
            for name, value in self._graph[node_id]["inputs"].items()
        }

    def _show(self, node_id: str, result: Result) -> None:
        if result.ui is None:
            return
        self._tell_owner("executed", node_id, {"output": result.ui})
        self.outputs[node_id] = result.ui
        self.meta[node_id] = {
            "node_id": node_id,
            "display_node": node_id,
            "parent_node": None,
            "real_node_id": node_id,
        }

    def _tell_owner(self, event: str, node_id: str, data: dict[str, Any]) -> None:
        message = {"node": node_id, "display_node": node_id} | data | {"prompt_id": self._prompt_id}
        self._publisher.send_to_owner(event, message)

    def _place(self, node_id: str) -> dict[str, Any]:
        node_type = self._graph[node_id]["class_type"]
        return {"node_id": node_id, "node_type": node_type, "executed": list(self._executed)}

    def _note_interruption(self, node_id: str) -> None:
        log.info("Processing interrupted")
        self._say("execution_interrupted", self._place(node_id), to_all=True)

    def _note_error(self, node_id: str, inputs: dict[str, Any], exception: Exception) -> None:
        log.error("!!! Exception during processing !!! %s", exception)
        log.error("%s", "".join(traceback.format_exception(exception)))
        kind = _full_name(type(exception))
        tips = _OUT_OF_MEMORY_TIPS if kind == "torch.OutOfMemoryError" else ""
        data = self._place(node_id) | {
            "exception_message": f"{exception}\n{tips}",
            "exception_type": kind,
            "traceback": traceback.format_tb(exception.__traceback__),
            "current_inputs": {name: [value] for name, value in inputs.items()},
            "current_outputs": list(self._graph),
        }
        self._say("execution_error", data)


def _is_link(value: Any) -> bool:
    return isinstance(value, list)


def _full_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
