"""``python model.py DIRECTORY COMMAND``: a model on loopback that starts one job and has nothing else to say.

Speaks Messages (Claude Code) and Responses (Codex). A conversation whose prompt holds ``start-the-job`` calls
``execute_command`` once; every other request is answered with a word. Each request is a line of ``requests.jsonl``.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DIRECTORY = Path(sys.argv[1])
ASKED = {"command": sys.argv[2], "name": "train", "wait_s": 0}

_USAGE = {"input_tokens": 1, "output_tokens": 1}
_USAGE_OF_RESPONSES = {
    **_USAGE,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}
_MESSAGE = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None, "usage": _USAGE}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  its name there

    def do_GET(self) -> None:
        self._json({"data": [], "models": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        said = json.dumps(body.get("messages") or body.get("input"))
        starts = "start-the-job" in said and '"tool_result"' not in said and "call_output" not in said
        is_turn = bool(body.get("stream"))
        if is_turn:
            with (DIRECTORY / "requests.jsonl").open("a") as log:
                log.write(json.dumps({"at": time.time(), "starts": starts, "said": said}) + "\n")
        if self.path.partition("?")[0].endswith("/responses"):
            self._events(_of_responses(starts=starts))
        elif is_turn:
            self._events(_of_messages(starts=starts))
        else:
            text = {"type": "text", "text": "{}"}
            self._json({**_MESSAGE, "content": [text], "stop_reason": "end_turn", "input_tokens": 1})

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self, events: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())


def _of_messages(*, starts: bool) -> list[dict[str, Any]]:
    block: dict[str, Any]
    if starts:
        block = {"type": "tool_use", "id": "toolu_1", "name": "mcp__bg__execute_command", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(ASKED)}
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": "ok"}
    end = {"stop_reason": "tool_use" if starts else "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def _of_responses(*, starts: bool) -> list[dict[str, Any]]:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "namespace": "mcp__bg"}
    text: dict[str, Any] = {"type": "output_text", "text": "ok", "annotations": []}
    item: dict[str, Any] = (
        {**call, "name": "execute_command", "arguments": json.dumps(ASKED)}
        if starts
        else {"type": "message", "role": "assistant", "id": "msg_1", "content": [text]}
    )
    return [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "output": [item], "usage": _USAGE_OF_RESPONSES}},
    ]


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (DIRECTORY / "port.new").write_text(str(server.server_address[1]))
    (DIRECTORY / "port.new").rename(DIRECTORY / "port")
    server.serve_forever()
