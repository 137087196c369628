"""``python -m tests.clients.model DIRECTORY COMMAND``: a model on loopback that starts one job and has nothing to say.

A conversation whose prompt holds ``start-the-job`` calls ``execute_command`` once; every other request is answered with
a word. Each request is a line of ``requests.jsonl``.
"""

from __future__ import annotations

import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.clients.says import MESSAGE, Tool, events, tool_named

DIRECTORY = Path(sys.argv[1])
ARGUMENTS = {"command": sys.argv[2], "name": "train", "wait_s": 0}

#: How the four protocols write that the tool has been called; Claude Code also writes that it may be called now.
CALLED = re.compile(r'(?<!"tool_reference", )"name": "[^"]*execute_command"')

#: While a server is still connecting, Claude Code tells its model to search for the server's tools, which waits for it.
SEARCH = "ToolSearch"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  its name there

    def do_GET(self) -> None:
        self._json({"data": [], "models": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        said = json.dumps(body.get("messages") or body.get("input") or body.get("contents"))
        tool, arguments = _call(said, body.get("tools"))
        is_streamed = bool(body.get("stream")) or "stream" in path
        if is_streamed or body.get("tools"):
            # Beside its turns a client asks for titles and the like, and offers no tools for that.
            searches = bool(tool and tool.name == SEARCH)
            is_turn = bool(body.get("tools")) and not searches
            asked = {"at": time.time(), "turn": is_turn, "starts": bool(tool) and is_turn, "said": said}
            with (DIRECTORY / "requests.jsonl").open("a") as log:
                log.write(json.dumps(asked) + "\n")
        if is_streamed:
            self._events(events(path, tool, arguments))
        elif ":" in path:
            self._json(events(path, None, {})[0] | {"totalTokens": 1})
        else:
            text = {"type": "text", "text": "{}"}
            self._json({**MESSAGE, "content": [text], "stop_reason": "end_turn", "input_tokens": 1})

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self, stream: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in stream:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())


def _call(said: str, offered: Any) -> tuple[Tool | None, dict[str, Any]]:
    """Return which tool to call now, and with what."""
    if "start-the-job" not in said or CALLED.search(said):
        return None, {}
    if tool := tool_named("execute_command", offered):
        return tool, ARGUMENTS
    return tool_named(SEARCH, offered), {"query": "+execute_command"}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (DIRECTORY / "port.new").write_text(str(server.server_address[1]))
    (DIRECTORY / "port.new").rename(DIRECTORY / "port")
    server.serve_forever()
