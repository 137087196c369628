"""A plain JSON-RPC client over stdio: a library's own time would be measured along with the server's."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, cast

#: A server that says nothing for this long has failed; no measured answer takes nearly as long.
ANSWER_TIMEOUT_S = 120.0

#: Time for a server to end after its stdin was closed.
_END_TIMEOUT_S = 20.0

#: How many requests ``call_many`` sends before it waits for an answer.
_MAX_UNANSWERED = 16

_READ_SIZE = 1024 * 1024


class ServerProcess:
    """A server under measurement or under test; every wait for it is bounded.

    Attributes:
        name: the server's name and version, as it says itself; empty before the handshake.
        notified: the number of notifications that the server has sent.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        cwd: str | None = None,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        """Starts the server; ``initialize`` makes it ready."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd=cwd,
            bufsize=0,
            start_new_session=True,  # a signal for one of the two process groups does not reach the other
        )
        self._answer_timeout_s = answer_timeout_s
        self._id = 0
        self._unread = b""
        self.name = ""
        self.notified = 0

    @property
    def pid(self) -> int:
        """The server's pid."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Shake hands."""
        self.initialize()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server's stdin, which ends it."""
        self.close()

    def initialize(self, client: str = "bench") -> None:
        """Shake hands in the widespread protocol version, under a client's name."""
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": client, "version": "1"}}
        server = self.request("initialize", hello).get("serverInfo", {})
        self.name = f"{server.get('name', 'unnamed')} {server.get('version', '')}".strip()
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        return self._result_of(self._ask(method, params))

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        return _checked(self.request("tools/call", {"name": tool, "arguments": arguments}))

    def call_many(self, tool: str, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Call a tool many times, several calls at once; returns the results in the order of the calls."""
        results: dict[int, dict[str, Any]] = {}
        ids: list[int] = []
        for arguments in calls:
            ids.append(self._ask("tools/call", {"name": tool, "arguments": arguments}))
            while len(ids) - len(results) >= _MAX_UNANSWERED:
                self._collect(results)
        while len(results) < len(ids):
            self._collect(results)
        return [_checked(results[request_id]) for request_id in ids]

    def begin(self, tool: str, **arguments: Any) -> int:
        """Call a tool without waiting for the answer; returns the number of the call."""
        return self._ask("tools/call", {"name": tool, "arguments": arguments})

    def next_answer(self, deadline: float) -> tuple[int, dict[str, Any]] | None:
        """Return the next answer and its call's number; ``None`` if none comes until ``deadline`` (``monotonic``)."""
        while (message := self._receive_by(deadline)) is not None:
            if "result" in message:
                return message["id"], _checked(message["result"])
        return None

    def close(self) -> None:
        """Close the server's stdin and wait for its end; a server that does not end in time is killed."""
        self._end(_END_TIMEOUT_S)

    def kill(self) -> None:
        """Kill the server, which ends as in a crash."""
        self._process.kill()
        assert self._process.stdout
        self._process.stdout.read()  # stdout ends when the server is dead, even if another process is its parent
        self.close()

    def _end(self, patience_s: float) -> bool:
        """Return whether the server ended by itself."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        finally:
            self._process.stdout.close()
        return True

    def _ask(self, method: str, params: dict[str, Any]) -> int:
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        return self._id

    def _result_of(self, request_id: int) -> dict[str, Any]:
        results: dict[int, dict[str, Any]] = {}
        while request_id not in results:
            self._collect(results)
        return results[request_id]

    def _collect(self, results: dict[int, dict[str, Any]]) -> None:
        message = self._receive_by(time.monotonic() + self._answer_timeout_s)
        if message is None:
            raise TimeoutError(f"no answer within {self._answer_timeout_s:g} s")
        if "error" in message:
            raise RuntimeError(message["error"])
        if "result" in message:
            results[message["id"]] = message["result"]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def _receive_by(self, deadline: float) -> dict[str, Any] | None:
        assert self._process.stdout
        descriptor = self._process.stdout.fileno()
        # Only new bytes are searched for the line's end, since an answer may come in many parts.
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                return None
            data = os.read(descriptor, _READ_SIZE)
            if not data:
                raise RuntimeError(f"the server ended with {self._process.wait(_END_TIMEOUT_S)}")
            self._unread += data
        line, self._unread = self._unread[:end], self._unread[end + 1 :]
        message = json.loads(line)
        self.notified += "method" in message and "id" not in message
        return message


def _checked(result: dict[str, Any]) -> dict[str, Any]:
    # An error that has facts is an answer to measure.
    if result.get("isError") and not result.get("structuredContent"):
        raise RuntimeError(text_of(result))
    return result


def text_of(result: dict[str, Any]) -> str:
    """Return the text of a tool's result."""
    return "\n".join(part["text"] for part in result["content"] if part["type"] == "text")


def facts_of(result: dict[str, Any]) -> dict[str, Any]:
    """Return the structured part of a tool's result; without one, the JSON in its text."""
    facts: Any = result.get("structuredContent")
    if facts is None:
        facts = json.loads(text_of(result))
    facts = cast("dict[str, Any]", facts)
    return facts["result"] if set(facts) == {"result"} else facts
