"""/api/jobs of the new generation."""

import uuid
from typing import Any

from aiohttp import web

from tests.comfyui_simulator import jobs
from tests.comfyui_simulator.interrupts import InterruptFlag
from tests.comfyui_simulator.prompt_queue import PromptQueue


class JobRoutes:
    def __init__(self, queue: PromptQueue, flag: InterruptFlag) -> None:
        self._queue = queue
        self._flag = flag

    def register(self, router: web.UrlDispatcher) -> None:
        for prefix in ("", "/api"):
            router.add_get(f"{prefix}/api/jobs", self._list)
            router.add_get(f"{prefix}/api/jobs/{{id}}", self._get)
            router.add_post(f"{prefix}/api/jobs/cancel", self._cancel_many)
            router.add_post(f"{prefix}/api/jobs/{{id}}/cancel", self._cancel)

    async def _list(self, request: web.Request) -> web.Response:
        statuses = [status for status in request.query.get("status", "").split(",") if status]
        if bad := [status for status in statuses if status not in jobs.STATUSES]:
            valid = ", ".join(jobs.STATUSES)
            error = f"Invalid status value(s): {', '.join(bad)}. Valid values: {valid}"
            return web.json_response({"error": error}, status=400)
        found = [job for job in jobs.all_jobs(self._queue) if not statuses or job["status"] in statuses]
        if workflow_id := request.query.get("workflow_id"):
            found = [job for job in found if job.get("workflow_id") == workflow_id]
        key = _duration if request.query.get("sort_by") == "execution_duration" else _created
        found.sort(key=key, reverse=request.query.get("sort_order", "desc") == "desc")
        return web.json_response(_page(found, request))

    async def _get(self, request: web.Request) -> web.Response:
        job = jobs.one_job(self._queue, request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Job not found"}, status=404)
        return web.json_response(job)

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response({"cancelled": self._stop(request.match_info["id"])})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        ids: Any = (await request.json()).get("job_ids")
        if not isinstance(ids, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        names: list[Any] = list(ids)  # pyright: ignore[reportUnknownArgumentType]
        if invalid := [name for name in names if not is_uuid(name)]:
            return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, status=400)
        stopped = [self._stop(name) for name in names]
        return web.json_response({"cancelled": any(stopped)})

    def _stop(self, prompt_id: str) -> bool:
        if self._queue.delete(prompt_id):
            return True
        running, _ = self._queue.snapshot()
        if prompt_id not in [item[1] for item in running]:
            return False
        self._flag.request()
        return True


def is_uuid(value: Any) -> bool:
    """Tell whether the value is a UUID in its canonical form."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _created(job: dict[str, Any]) -> float:
    return job["create_time"] or 0


def _duration(job: dict[str, Any]) -> float:
    return job.get("execution_end_time", 0) - job.get("execution_start_time", 0)


def _page(found: list[dict[str, Any]], request: web.Request) -> dict[str, Any]:
    offset = int(request.query.get("offset", 0))
    limit = int(request.query["limit"]) if "limit" in request.query else None
    end = len(found) if limit is None else offset + limit
    pagination = {"offset": offset, "limit": limit, "total": len(found), "has_more": end < len(found)}
    return {"jobs": found[offset:end], "pagination": pagination}
