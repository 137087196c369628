"""The HTTP client of a ComfyUI server. Every request has a time limit, and every failure has a name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from mcp_background_job.comfyui.wire import answers
from mcp_background_job.comfyui.wire.answers import Accepted, Finished, LogEntry, Queue, QueueItem, Refused, SystemStats
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_types import NodeTypes
from mcp_background_job.comfyui.wire.trouble import Trouble, unreachable
from mcp_background_job.errors import UnreachableError

if TYPE_CHECKING:
    import httpx2

#: Seconds. A server nearby accepts a connection in milliseconds; if it is suspended, the kernel still does.
CONNECT_S = 2.0

#: Seconds. A healthy server answers in milliseconds, one with a busy interpreter in tens of them. Loading a large model
#: may hold the interpreter for seconds.
READ_S = 5.0

#: Seconds. For the first request, the server reads all folders of models (2.5 s with 900 node types and no model).
NODE_TYPES_S = 18.0

#: Seconds for the whole of one request: a queue of many large graphs takes a while.
REQUEST_S = 20.0

#: From this HTTP status on, the server itself is at fault.
_SERVER_ERROR = 500
_OK, _BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED = 200, 400, 401, 403, 404, 405


class Client:
    """One server. Use it in one event loop, and close it there."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Takes the endpoint; opens no connection."""
        self.endpoint = endpoint
        self._http: httpx2.AsyncClient | None = None
        self._note: Callable[[Queue], Awaitable[None]] | None = None

    def when_seen(self, note: Callable[[Queue], Awaitable[None]]) -> None:
        """Call a function with every queue that is read."""
        self._note = note

    async def close(self) -> None:
        """Close all connections."""
        http, self._http = self._http, None
        if http:
            await http.aclose()

    async def queue(self, *, read_s: float = READ_S) -> Queue:
        """Return the running and the waiting prompts.

        Raises:
            UnreachableError: the server does not answer, or its answer makes no sense; all methods may raise this.
        """
        with self._read("/queue"):
            queue = answers.queue_of(await self._json("GET", "/queue", read_s=read_s))
        if self._note:
            await self._note(queue)
        return queue

    async def finished(self, prompt_id: str, *, read_s: float = READ_S) -> Finished | None:
        """Return how a prompt ended, ``None`` if the history does not have it."""
        response = await self._request("GET", f"/history/{_quoted(prompt_id)}", read_s=read_s)
        if response.status_code >= _SERVER_ERROR:
            # One output that is not JSON breaks the whole history; newer servers have a second path.
            finished = await self._finished_jobs(response, read_s=read_s)
            return next((one for one in finished if one.prompt_id == prompt_id), None)
        await self._check(response, "GET /history")
        with self._read("/history"):
            return answers.finished_of(self._decoded(response, "/history"), prompt_id)

    async def _finished_jobs(
        self, broken: httpx2.Response, *, limit: int | None = None, read_s: float = READ_S
    ) -> list[Finished]:
        """Return ended prompts, newest first, from the list: a broken prompt's own entry is broken too (measured)."""
        upto = f"&limit={limit}" if limit else ""
        response = await self._request("GET", f"/api/jobs?status=completed,failed,cancelled{upto}", read_s=read_s)
        if response.status_code == _BAD_REQUEST:  # the first servers with it (0.8) did not know the last word
            response = await self._request("GET", f"/api/jobs?status=completed,failed{upto}", read_s=read_s)
        if response.status_code == _NOT_FOUND:
            raise self._unreachable(Trouble.HISTORY, f"GET /history answered {broken.status_code}")
        if response.status_code != _OK:
            raise self._unreachable(Trouble.BROKEN, f"GET /history answered {broken.status_code}")
        with self._read("/api/jobs"):
            return answers.history_of_jobs(self._decoded(response, "/api/jobs"))

    async def submitted(self, prompt_id: str) -> QueueItem | None:
        """Return the prompt that was submitted under an id, ``None`` if neither the queue nor the history has it."""
        if item := (await self.queue()).find(prompt_id):
            return item
        with self._read("/history"):
            answer = await self._json("GET", f"/history/{_quoted(prompt_id)}")
            return answers.submitted_of(answer, prompt_id)

    async def history(self, limit: int | None) -> list[Finished]:
        """Return the newest entries of the history, or all of them without a limit; oldest first.

        If the server can only list them, their files are counted and not named.
        """
        path = "/history" if limit is None else f"/history?max_items={limit}"
        response = await self._request("GET", path)
        if response.status_code >= _SERVER_ERROR:
            return (await self._finished_jobs(response, limit=limit))[::-1]
        await self._check(response, "GET /history")
        with self._read("/history"):
            return answers.history_of(self._decoded(response, "/history"))

    async def clear_history(self) -> None:
        """Remove everything from the history."""
        await self._post("/history", {"clear": True}, read_s=READ_S)

    async def delete_history(self, prompt_ids: Sequence[str]) -> None:
        """Remove prompts from the history. The answer does not say whether they were there."""
        await self._post("/history", {"delete": list(prompt_ids)}, read_s=READ_S)

    async def stats(self, *, read_s: float = READ_S) -> SystemStats:
        """Return version, memory and devices."""
        with self._read("/system_stats"):
            return answers.stats_of(await self._json("GET", "/system_stats", read_s=read_s))

    async def node_types(self, name: str = "") -> NodeTypes:
        """Return the node types that the server has, or the one with this name."""
        path = f"/object_info/{_quoted(name)}" if name else "/object_info"
        with self._read(path):
            return NodeTypes(await self._json("GET", path, read_s=NODE_TYPES_S))

    async def model_folders(self) -> list[str]:
        """Return the folders in which the server looks for models."""
        with self._read("/models"):
            return answers.names_of(await self._json("GET", "/models"), "/models")

    async def models(self, folder: str) -> list[str]:
        """Return the models in a folder."""
        path = f"/models/{quote(folder, safe='')}"
        with self._read(path):
            return answers.names_of(await self._json("GET", path, read_s=NODE_TYPES_S), path)

    async def log(self) -> list[LogEntry]:
        """Return the newest lines of the server's log."""
        with self._read("/internal/logs/raw"):
            return answers.log_of(await self._json("GET", "/internal/logs/raw"))

    async def submit(
        self, graph: Mapping[str, Any], *, prompt_id: str, client_id: str, extra_data: Mapping[str, Any], front: bool
    ) -> Accepted | Refused:
        """Put a prompt into the queue, under our own id."""
        body: dict[str, Any] = {
            "prompt": graph,
            "prompt_id": prompt_id,
            "client_id": client_id,
            "extra_data": extra_data,
        }
        if front:
            body["front"] = True
        response = await self._request("POST", "/prompt", json=body)
        with self._read("/prompt"):
            if response.status_code == _BAD_REQUEST:
                return answers.refused_of(self._decoded(response, "/prompt"))
            await self._check(response, "POST /prompt")
            return answers.accepted_of(self._decoded(response, "/prompt"))

    async def interrupt(self, prompt_id: str, *, read_s: float = READ_S) -> None:
        """Ask the running prompt to stop if it is this one. The answer does not say whether it does."""
        await self._post("/interrupt", {"prompt_id": prompt_id}, read_s=read_s)

    async def delete_pending(self, prompt_ids: Sequence[str], *, read_s: float = READ_S) -> None:
        """Remove prompts from the queue. The answer does not say whether they were there."""
        await self._post("/queue", {"delete": list(prompt_ids)}, read_s=read_s)

    async def free(self, *, read_s: float = READ_S) -> None:
        """Ask the server to unload models and free memory; it does so after the running prompt."""
        await self._post("/free", {"unload_models": True, "free_memory": True}, read_s=read_s)

    async def reboot(self, method: str, path: str) -> bool:
        """Ask ComfyUI-Manager to restart the server; returns whether it did.

        The Manager replaces its process without an answer, so a dropped connection means yes.
        """
        try:
            response = await self._request(method, path)
        except UnreachableError as error:
            if error.trouble == Trouble.DROPPED:
                return True
            raise
        return response.status_code == _OK

    # -- one request -----------------------------------------------------------------------------------------------

    async def _post(self, path: str, body: Mapping[str, Any], *, read_s: float) -> None:
        await self._check(await self._request("POST", path, json=body, read_s=read_s), f"POST {path}")

    async def _json(self, method: str, path: str, *, read_s: float = READ_S) -> Any:
        response = await self._request(method, path, read_s=read_s)
        await self._check(response, f"{method} {path}")
        return self._decoded(response, path)

    async def _request(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, read_s: float = READ_S
    ) -> httpx2.Response:
        http = self._client()
        import httpx2  # noqa: PLC0415  takes a third of a second, which servers without ComfyUI need not pay

        try:
            async with asyncio.timeout(REQUEST_S):
                timeout = httpx2.Timeout(read_s, connect=CONNECT_S)
                return await http.request(method, self.endpoint.address + path, json=json, timeout=timeout)
        except httpx2.ConnectError as error:
            trouble = Trouble.REFUSED if _is_refusal(error) else Trouble.UNREACHABLE
            raise self._unreachable(trouble, f"{method} {path}: {error}") from error
        except httpx2.ConnectTimeout as error:
            raise self._unreachable(Trouble.UNREACHABLE, f"no connection within {CONNECT_S:g} s") from error
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise self._unreachable(Trouble.SILENT, f"{method} {path}: no answer within {read_s:g} s") from error
        except httpx2.InvalidURL as error:
            raise self._unreachable(Trouble.UNREACHABLE, f"{method} {path}: {error}") from error
        except httpx2.HTTPError as error:
            raise self._unreachable(Trouble.DROPPED, f"{method} {path}: {error or type(error).__name__}") from error

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            import httpx2  # noqa: PLC0415  see above

            self._http = httpx2.AsyncClient(
                headers=dict(self.endpoint.headers),
                verify=self.endpoint.is_encrypted,
                # A server on this machine is not reached through a proxy.
                trust_env=not self.endpoint.is_near,
                # A connection kept from before a restart would make the next request fail, and it would be unknown
                # whether a submission was taken.
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
        return self._http

    async def _check(self, response: httpx2.Response, what: str) -> None:
        status = response.status_code
        if status == _OK:
            return
        said = f"{what} answered {status}"
        if status in (_UNAUTHORIZED, _FORBIDDEN):
            raise self._unreachable(Trouble.FORBIDDEN, said)
        if status not in (_NOT_FOUND, _NOT_ALLOWED):
            raise self._unreachable(Trouble.BROKEN, said)
        health = await self._request("GET", "/api/v2/health")
        if behind := answers.behind_api_v2(health.text):
            said += f"; it is a proxy of Comfy API v2, and ComfyUI is behind it: set COMFYUI_URL to {behind}"
        raise self._unreachable(Trouble.NOT_COMFYUI, said)

    def _decoded(self, response: httpx2.Response, what: str) -> Any:
        try:
            return answers.decode(response.text)
        except ValueError as error:
            kind = response.headers.get("content-type", "no content type")
            raise self._unreachable(Trouble.NOT_COMFYUI, f"{what} answered with {kind}, not JSON") from error

    @contextlib.contextmanager
    def _read(self, what: str) -> Generator[None]:
        try:
            yield
        except (ValueError, RecursionError) as error:
            raise self._unreachable(Trouble.NOT_COMFYUI, f"{what}: {error}") from error

    def _unreachable(self, trouble: Trouble, detail: str) -> UnreachableError:
        return unreachable(self.endpoint.url, trouble, detail, is_near=self.endpoint.is_near)


def _is_refusal(error: BaseException) -> bool:
    """Tell whether nothing listens; if several addresses were tried, one refusal is enough."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        if isinstance(cause, BaseExceptionGroup):
            return any(map(_is_refusal, cast("BaseExceptionGroup[BaseException]", cause).exceptions))
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _quoted(text: str) -> str:
    """Return text as a part of a path, also text with bytes that are no UTF-8."""
    return quote(text, safe="", errors="surrogateescape")
