"""A client that speaks MCP line by line, and so can say what no library would."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.nursery.starts import program


class LineClient:
    """A server process and its two pipes."""

    def __init__(self, env: dict[str, str], cwd: str | None = None) -> None:
        self._process = subprocess.Popen(
            program(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **env},
            cwd=cwd,
        )
        self._asked = 0
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "lines", "version": "1"}}
        assert "result" in self.ask("initialize", hello)
        self.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def write(self, line: bytes) -> None:
        """Write a line, whatever it holds."""
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask, and return the answer; every line that comes must be JSON and UTF-8."""
        self._asked += 1
        request = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}
        self.write(json.dumps(request).encode())  # in ASCII: a lone surrogate goes as an escape
        while (answer := self.read()).get("id") != self._asked:
            pass
        return answer

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return its result."""
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        return answer["result"]

    def facts(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that returns facts; they must be the same in both forms."""
        result = self.call(tool, **arguments)
        assert not result["isError"], result
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return result["structuredContent"]

    def text(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return the text of its answer or error."""
        return self.call(tool, **arguments)["content"][0]["text"]

    def close(self, patience_s: float) -> int:
        """Close stdin, upon which the server ends; returns its exit code."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            return self._process.wait(patience_s)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def read(self) -> dict[str, Any]:
        """Return the next line; it must be JSON and UTF-8."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the server ended with {self._process.poll()}"
        return json.loads(line.decode("utf-8"), parse_constant=_no_constant)


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")
