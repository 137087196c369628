"""A plain JSON-RPC client over stdio: nothing between the clock and the server."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any, Self


class ServerProcess:
    """A server under measurement."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        """Starts the server; ``initialize`` makes it ready."""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        )
        self._id = 0

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Shakes hands."""
        self.initialize()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes its stdin, which ends it."""
        self.close()

    def initialize(self) -> None:
        """Shake hands as clients of the widespread protocol version do."""
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.request("initialize", hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._id:
                if "error" in message:
                    raise RuntimeError(message["error"])
                return message["result"]

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
        return result

    def close(self) -> None:
        """Close the server's stdin and wait for its end."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def kill(self) -> None:
        """End the server as a crash would."""
        self._process.kill()
        self.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with {self._process.wait(5)}")
        return json.loads(line)


def text_of(result: dict[str, Any]) -> str:
    """Return the text of a tool's result."""
    return "\n".join(part["text"] for part in result["content"] if part["type"] == "text")
