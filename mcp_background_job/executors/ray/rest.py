"""The only door to Ray: the REST of its head, each question with a deadline. Nothing of Ray is imported.

Every method waits for another machine: call it in a thread of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from mcp_background_job.core.text import one_line
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import EngineUnreachableError, LaunchError
from mcp_background_job.executors.nodes.watcher import Line

if TYPE_CHECKING:
    import httpx2

#: Seconds. A head across a network answers within milliseconds, and a busy one within some seconds.
CONNECT_S = 2.0
ANSWER_S = 6.0

#: Seconds: the head waits for one of its agents before it takes a job.
SUBMIT_S = 20.0

#: Seconds: the whole log of a job is one answer.
LOGS_S = 20.0

#: The key of our job id in the metadata of a job.
OURS = "mcp_bg_job"

#: Characters of Ray's own words in a message.
_TOLD = 300

_OK, _BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 400, 401, 403, 404


class UnsureError(Exception):
    """Ray was asked something, or may have been, and did not confirm it."""


@frozen
class Node:
    """A living machine of the cluster.

    Attributes:
        has: the amount of each resource, by Ray's names: ``CPU``, ``GPU``, ``memory`` in bytes, and its own.
    """

    has: Mapping[str, float]

    def count(self, name: str) -> float:
        """Return the amount of a resource that it has."""
        return self.has.get(name, 0.0)


class Head:
    """Talks to the head of a Ray cluster."""

    def __init__(self, address: str, token: str) -> None:
        """Takes the address of the dashboard, ``http://head:8265``, and the token for it."""
        self.address = address.rstrip("/")
        self._token = token
        self._http: httpx2.Client | None = None
        self._asks_for_tokens = False

    @property
    def cluster(self) -> str:
        """Distinguishes this cluster from others."""
        return self.address

    def session(self) -> str:
        """Return the name of the cluster's session; a head that has lost its state begins another.

        Raises:
            EngineUnreachableError: the head does not answer; or it asks nobody for a token, so anybody can use it.
        """
        if self.address and not self._token:
            raise EngineUnreachableError(
                f"there is no token for Ray at {self.address}: set MCP_BG_RAY_TOKEN to the one that its head was "
                "started with"
            )
        if not self._asks_for_tokens:
            self._check_mode()
        return str(self._object("GET", "/api/version").get("session_name", ""))

    def _check_mode(self) -> None:
        response = self._request("GET", "/api/authentication_mode", ANSWER_S)
        mode = _decoded(response).get("authentication_mode") if response.status_code == _OK else None
        if mode != "token":
            raise EngineUnreachableError(
                f"Ray at {self.address} lets everybody in, so anybody could read and run anything as you: start it "
                "with "
                "RAY_AUTH_MODE=token (Ray 2.52 and later)"
            )
        self._asks_for_tokens = True

    def put_package(self, name: str, content: bytes) -> None:
        """Give the cluster a package; it replaces one of the same name.

        Raises:
            EngineUnreachableError: the head did not take it.
        """
        self._checked(self._request("PUT", f"/api/packages/gcs/{name}", SUBMIT_S, content=content))

    def submit(self, asked: dict[str, Any]) -> None:
        """Submit a job under an unused id; submitting it again changes nothing.

        Raises:
            LaunchError: Ray refuses it; nothing was submitted.
            EngineUnreachableError: Ray could not be asked; nothing was submitted.
            UnsureError: it may have been submitted.
        """
        import httpx2  # noqa: PLC0415  see _client

        try:
            response = self._client().post(f"{self.address}/api/jobs/", json=asked, timeout=_timeout(SUBMIT_S))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise self._silent(error) from error
        except httpx2.HTTPError as error:
            raise UnsureError(str(error) or type(error).__name__) from error
        words = _last_line(response.text)
        if response.status_code == _BAD_REQUEST:
            raise LaunchError(f"Ray refuses the job: {words}")
        if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
            self._checked(response)
        if response.status_code != _OK and "already exists" not in response.text:
            raise UnsureError(words)

    def queue(self) -> list[Line]:
        """Return all jobs that any program like this one submitted, including ended ones.

        Raises:
            EngineUnreachableError: the head does not answer.
        """
        jobs = self._json("GET", "/api/jobs/")
        if not isinstance(jobs, list):
            raise EngineUnreachableError(f"{self.address} does not answer as Ray does: its list of jobs is not a list")
        return [line for job in cast("list[Any]", jobs) if (line := line_of(job))]

    def look_up(self, submission_id: str) -> Line | None:
        """Return one job, ``None`` if Ray does not know it.

        Raises:
            EngineUnreachableError: the head does not answer.
        """
        response = self._request("GET", f"/api/jobs/{submission_id}", ANSWER_S)
        if response.status_code == _NOT_FOUND and submission_id in response.text:
            return None
        return line_of(_decoded(self._checked(response)))

    def logs(self, submission_id: str) -> str:
        """Return the output of a job, as far as Ray has it.

        Raises:
            EngineUnreachableError: the head does not answer.
        """
        response = self._request("GET", f"/api/jobs/{submission_id}/logs", LOGS_S)
        if response.status_code == _NOT_FOUND and submission_id in response.text:
            return ""
        return str(_decoded(self._checked(response)).get("logs") or "")

    def stop(self, submission_id: str) -> None:
        """Ask Ray to stop a job. If the job still waits, Ray's yes means nothing.

        Raises:
            EngineUnreachableError: Ray could not be asked.
        """
        response = self._request("POST", f"/api/jobs/{submission_id}/stop", ANSWER_S)
        if response.status_code != _NOT_FOUND:
            self._checked(response)

    def nodes(self) -> list[Node]:
        """Return the living nodes.

        Raises:
            EngineUnreachableError: the head does not answer.
        """
        answer = self._object("GET", "/api/v0/nodes?detail=1&limit=10000")
        try:
            return [_node(one) for one in answer["data"]["result"]["result"] if one["state"] == "ALIVE"]
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise EngineUnreachableError(f"{self.address} does not say which nodes it has as Ray does") from error

    def status(self) -> dict[str, Any]:
        """Return the cluster's status, as Ray reports it to users.

        Raises:
            EngineUnreachableError: the head does not answer.
        """
        data = self._object("GET", "/api/cluster_status").get("data")
        status = cast("dict[str, Any]", data).get("clusterStatus") if isinstance(data, dict) else None
        return cast("dict[str, Any]", status) if isinstance(status, dict) else {}

    def get_ready(self) -> None:
        """Load the HTTP client, so that the first question does not spend its time on that."""
        self._client()

    # -- one request -----------------------------------------------------------------------------------------------

    def _object(self, method: str, path: str) -> dict[str, Any]:
        answer = self._json(method, path)
        if not isinstance(answer, dict):
            raise EngineUnreachableError(f"{self.address} does not answer as Ray does: {method} {path}")
        return cast("dict[str, Any]", answer)

    def _json(self, method: str, path: str) -> Any:
        response = self._checked(self._request(method, path, ANSWER_S))
        try:
            return json.loads(response.text)
        except (ValueError, RecursionError) as error:
            raise EngineUnreachableError(f"{self.address} does not answer as Ray does: {method} {path}") from error

    def _request(self, method: str, path: str, patience_s: float, content: bytes | None = None) -> httpx2.Response:
        import httpx2  # noqa: PLC0415  see _client

        if not self.address:
            raise EngineUnreachableError(
                "the address of Ray is not known: set MCP_BG_RAY_ADDRESS to its head's dashboard"
            )
        try:
            url = f"{self.address}{path}"
            return self._client().request(method, url, content=content, timeout=_timeout(patience_s))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._silent(error) from error

    def _checked(self, response: httpx2.Response) -> httpx2.Response:
        if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
            raise EngineUnreachableError(
                f"Ray at {self.address} does not accept our token: set MCP_BG_RAY_TOKEN to the one that its head was "
                "started with"
            )
        if response.status_code != _OK:
            raise EngineUnreachableError(f"Ray does not answer as it should: {_last_line(response.text)}")
        return response

    def _silent(self, error: Exception) -> EngineUnreachableError:
        return EngineUnreachableError(f"Ray at {self.address} does not answer: {error or type(error).__name__}")

    def _client(self) -> httpx2.Client:
        if self._http is None:
            import httpx2  # noqa: PLC0415  takes a third of a second, which commands without Ray need not pay

            self._http = httpx2.Client(
                headers={"Authorization": f"Bearer {self._token}"},
                # The user names the head; a proxy for the web does not lead to it.
                trust_env=False,
                # A connection kept from before a restart would fail, and it would be unknown whether a job was taken.
                # So there is nothing to close either while a thread may still ask something.
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
        return self._http


def line_of(job: Any) -> Line | None:
    """Return Ray's entry for a job as a line; ``None`` if no program like this one submitted it."""
    if not isinstance(job, dict):
        return None
    known = cast("dict[str, Any]", job)
    metadata: Any = known.get("metadata")
    ours = cast("dict[str, Any]", metadata).get(OURS) if isinstance(metadata, dict) else None
    submission_id = known.get("submission_id")
    if not isinstance(submission_id, str) or not isinstance(ours, str):
        return None
    agent = str(known.get("driver_agent_http_address") or "")
    node = agent.removeprefix("http://").rpartition(":")[0].strip("[]")
    why = f"{known.get('error_type') or ''}: {one_line(str(known.get('message') or ''), _TOLD)}"
    return Line(submission_id, str(known.get("status")), ours, node, why)


def _node(one: dict[str, Any]) -> Node:
    return Node({name: float(count) for name, count in one["resources_total"].items()})


def _timeout(patience_s: float) -> httpx2.Timeout:
    import httpx2  # noqa: PLC0415  see Head._client

    return httpx2.Timeout(patience_s, connect=CONNECT_S)


def _decoded(response: httpx2.Response) -> dict[str, Any]:
    try:
        said: object = json.loads(response.text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _last_line(text: str) -> str:
    """Return the relevant line of an answer that is not JSON: Ray sends a traceback, and the error is its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return one_line(lines[-1], _TOLD) if lines else "it gives no reason"
