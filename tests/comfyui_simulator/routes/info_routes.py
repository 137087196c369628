"""Everything but prompts and files: statistics, features, node classes, models, logs, the page."""

from typing import Any

from aiohttp import web

from tests.comfyui_simulator import stats
from tests.comfyui_simulator.executor import Executor
from tests.comfyui_simulator.flags import Flags
from tests.comfyui_simulator.logs import LogRing
from tests.comfyui_simulator.nodes.catalogue import CATALOGUE, object_info
from tests.comfyui_simulator.nodes.sim_nodes import CHECKPOINTS
from tests.comfyui_simulator.publisher import Publisher

PAGE = "<!DOCTYPE html><html><head><title>ComfyUI</title></head><body></body></html>"
_ASSETS_DISABLED: dict[str, Any] = {
    "error": {
        "code": "SERVICE_DISABLED",
        "message": "Assets system is disabled. Start the server with --enable-assets to use this feature.",
        "details": {},
    }
}


class InfoRoutes:
    def __init__(self, flags: Flags, ring: LogRing, publisher: Publisher, executor: Executor) -> None:
        self._executor = executor
        self._new = flags.new
        self._old_interrupt = flags.old_interrupt
        self._output_directory = flags.output_directory
        self._ring = ring
        self._publisher = publisher

    def register(self, router: web.UrlDispatcher) -> None:
        fixed: dict[str, Any] = {
            "/embeddings": [],
            "/extensions": ["/extensions/core/simulated.js"],
            "/models": ["checkpoints", "loras", "vae"],
            "/models/checkpoints": CHECKPOINTS,
            "/users": {"storage": "server", "migrated": False},
            "/features": stats.features(new=self._new),
        }
        for prefix in ("", "/api"):
            router.add_get(f"{prefix}/system_stats", self._system_stats)
            router.add_get(f"{prefix}/object_info", self._object_info)
            router.add_get(f"{prefix}/object_info/{{name}}", self._one_object_info)
            router.add_get(f"{prefix}/userdata", self._no_directory)
            router.add_get(f"{prefix}/ws", self._publisher.serve)
            for path, answer in fixed.items():
                router.add_get(prefix + path, _always(answer))
        if self._new:
            router.add_get("/api/assets", _always(_ASSETS_DISABLED, status=503))
        router.add_get("/internal/logs", self._logs)
        router.add_get("/internal/logs/raw", self._raw_logs)
        router.add_get("/internal/files/output", self._files)
        router.add_get("/", self._page)

    async def _system_stats(self, _request: web.Request) -> web.Response:
        return web.json_response(
            stats.system_stats(new=self._new, old_interrupt=self._old_interrupt, is_freed=self._executor.is_freed)
        )

    async def _object_info(self, _request: web.Request) -> web.Response:
        return web.json_response({name: object_info(node, new=self._new) for name, node in CATALOGUE.items()})

    async def _one_object_info(self, request: web.Request) -> web.Response:
        node = CATALOGUE.get(request.match_info["name"])
        return web.json_response({} if node is None else {node.name: object_info(node, new=self._new)})

    async def _no_directory(self, _request: web.Request) -> web.Response:
        return web.Response(status=404, text="Directory not found")

    async def _logs(self, _request: web.Request) -> web.Response:
        return web.json_response(self._ring.text())

    async def _raw_logs(self, _request: web.Request) -> web.Response:
        return web.json_response({"entries": list(self._ring.entries), "size": {"cols": 80, "rows": 24}})

    async def _files(self, _request: web.Request) -> web.Response:
        names = [path.name for path in self._output_directory.glob("*") if path.is_file()]
        return web.json_response([f"{name} [output]" for name in ["_output_images_will_be_put_here", *names]])

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(body=PAGE.encode(), headers={"Content-Type": "text/html"})


def _always(answer: Any, status: int = 200) -> Any:
    async def handle(_request: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    return handle
