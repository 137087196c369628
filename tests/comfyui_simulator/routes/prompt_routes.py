"""Submit, look at, and stop prompts: /prompt, /queue, /history, /interrupt, /free."""

import contextlib
import json
import os
import threading
import time
import uuid
from typing import Any

from aiohttp import web

from tests.comfyui_simulator.flags import Flags
from tests.comfyui_simulator.interrupts import InterruptFlag
from tests.comfyui_simulator.ledger import Ledger
from tests.comfyui_simulator.logs import log
from tests.comfyui_simulator.nodes import validation
from tests.comfyui_simulator.prompt_queue import PromptQueue
from tests.comfyui_simulator.publisher import Publisher
from tests.comfyui_simulator.routes.job_routes import is_uuid

#: The exit code of --die-after-interrupt.
DEATH_CODE = 1


class PromptRoutes:
    def __init__(
        self, flags: Flags, queue: PromptQueue, flag: InterruptFlag, publisher: Publisher, ledger: Ledger
    ) -> None:
        self._flags = flags
        self._queue = queue
        self._flag = flag
        self._publisher = publisher
        self._ledger = ledger
        self._number = 0

    def register(self, router: web.UrlDispatcher) -> None:
        for prefix in ("", "/api"):
            router.add_get(f"{prefix}/prompt", self._get_prompt)
            router.add_post(f"{prefix}/prompt", self._submit)
            router.add_get(f"{prefix}/queue", self._get_queue)
            router.add_post(f"{prefix}/queue", self._change_queue)
            router.add_get(f"{prefix}/history", self._get_history)
            router.add_get(f"{prefix}/history/{{id}}", self._get_entry)
            router.add_post(f"{prefix}/history", self._change_history)
            router.add_post(f"{prefix}/interrupt", self._interrupt)
            router.add_post(f"{prefix}/free", self._free)

    async def _get_prompt(self, _request: web.Request) -> web.Response:
        return web.json_response(self._publisher.status())

    async def _submit(self, request: web.Request) -> web.Response:
        log.info("got prompt")
        body = await request.json()
        number = self._take_number(body)
        if "prompt" not in body:
            error = validation.problem("no_prompt", "No prompt provided", "No prompt provided")
            return _refused(error)
        prompt_id = self._prompt_id(body)
        if prompt_id is None:
            details = (
                "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
                "omit it to let the server generate one"
            )
            return _refused(validation.problem("invalid_prompt_id", "prompt_id must be a valid UUID", details))
        graph, targets = body["prompt"], body.get("partial_execution_targets")
        judgement = validation.judge(graph, targets, self._flags.output_directory, new=self._flags.new)
        if judgement.error is not None:
            log.warning("invalid prompt: %s", judgement.error)
            self._ledger.note("refused", prompt_id)
            return _refused(judgement.error, judgement.node_errors)
        self._queue.put((number, prompt_id, graph, self._extra_data(body), judgement.good_outputs))
        answer = {"prompt_id": prompt_id, "number": number, "node_errors": judgement.node_errors}
        return web.json_response(answer)

    def _take_number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = -self._number if body.get("front") else self._number
        self._number += 1
        return number

    def _prompt_id(self, body: dict[str, Any]) -> str | None:
        """Return the prompt's id, or None if the client's own id is refused."""
        if not self._flags.new:
            return str(body.get("prompt_id", uuid.uuid4()))
        prompt_id = body.get("prompt_id")
        if prompt_id is None:
            return str(uuid.uuid4())
        return prompt_id if is_uuid(prompt_id) else None

    def _extra_data(self, body: dict[str, Any]) -> dict[str, Any]:
        extra_data = dict(body.get("extra_data", {}))
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        if self._flags.new:
            extra_data["create_time"] = int(time.time() * 1000)
        return extra_data

    async def _get_queue(self, _request: web.Request) -> web.Response:
        running, pending = self._queue.snapshot()
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def _change_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.clear()
        for prompt_id in body.get("delete", []):
            self._queue.delete(prompt_id)
        return web.Response()

    async def _get_history(self, request: web.Request) -> web.Response:
        max_items = int(request.query["max_items"]) if "max_items" in request.query else None
        return web.json_response(self._queue.history(max_items, int(request.query.get("offset", -1))))

    async def _get_entry(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        entry = self._queue.entry(prompt_id)
        return web.json_response({} if entry is None else {prompt_id: entry})

    async def _change_history(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.clear_history()
        for prompt_id in body.get("delete", []):
            self._queue.delete_history(prompt_id)
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        body: Any = {}
        with contextlib.suppress(json.JSONDecodeError):
            body = await request.json()
        if self._flags.die_after_interrupt is not None:
            timer = threading.Timer(self._flags.die_after_interrupt, os._exit, [DEATH_CODE])
            timer.daemon = True
            timer.start()
        prompt_id = body.get("prompt_id")
        if prompt_id and not self._flags.old_interrupt:
            self._interrupt_one(prompt_id)
        else:
            log.info("Global interrupt (no prompt_id specified)")
            self._flag.request()
        return web.Response()

    def _interrupt_one(self, prompt_id: str) -> None:
        running, _ = self._queue.snapshot()
        if prompt_id in [item[1] for item in running]:
            log.info("Interrupting prompt %s", prompt_id)
            self._flag.request()
        else:
            log.info("Prompt %s is not currently running, skipping interrupt", prompt_id)

    async def _free(self, request: web.Request) -> web.Response:
        body = await request.json()
        for name in ("unload_models", "free_memory"):
            if body.get(name):
                self._queue.set_flag(name)
        return web.Response()


def _refused(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)
