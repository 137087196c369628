"""The one thread that runs prompts. If a node kills it, nothing runs any more, and nobody is told."""

import threading
import time

from tests.comfyui_simulator.executor import Executor
from tests.comfyui_simulator.flags import Flags
from tests.comfyui_simulator.logs import log
from tests.comfyui_simulator.prompt_queue import Item, PromptQueue
from tests.comfyui_simulator.publisher import Publisher


class Worker:
    def __init__(self, queue: PromptQueue, executor: Executor, publisher: Publisher, flags: Flags) -> None:
        self._queue = queue
        self._executor = executor
        self._publisher = publisher
        self._flags = flags

    def start(self) -> None:
        threading.Thread(target=self._work, name="prompt_worker", daemon=True).start()

    def _work(self) -> None:
        while True:
            found = self._queue.get()
            if found is not None:
                self._run(*found)
            if self._queue.take_flags().get("free_memory"):
                self._executor.free()
            # The prompt is in the history, and the next one still waits.
            threading.Event().wait(self._flags.next_gap)

    def _run(self, key: int, item: Item) -> None:
        began = time.perf_counter()
        result, status = self._executor.execute(item)
        # execution_success has been sent, but the prompt is still in queue_running.
        threading.Event().wait(self._flags.history_gap)
        self._queue.finish(key, result, status)
        self._publisher.send_to_owner("executing", {"node": None, "prompt_id": item[1]})
        log.info("Prompt executed in %.2f seconds", time.perf_counter() - began)
