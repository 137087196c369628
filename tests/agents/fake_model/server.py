"""A model on loopback that says what a scenario says, so that real agents can be run without a key and a network.

``python -m tests.agents.fake_model.server`` serves one until it is interrupted, and prints its address.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from tests.agents.fake_model.protocols import Messages, dialect_of
from tests.agents.fake_model.scenarios import COMMANDS, Err, Hang, Refuse, Reply, Say, reply


@dataclass(frozen=True)
class Asked:
    """A request of a conversation."""

    scenario: str
    body: Any


#: How often the server looks whether it is to end: what leaving its ``with`` block takes.
_POLL_S = 0.02


class FakeModel:
    """The server, while its ``with`` block runs.

    Attributes:
        commands: what the scenarios of commands run; tests may put their own here.
        asked: the requests, oldest first.
        is_over: the block was left.
    """

    def __init__(self, port: int = 0, commands: Mapping[str, str] = COMMANDS) -> None:
        self.commands = dict(commands)
        self.asked: list[Asked] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.is_over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"model": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, scenario: str) -> str:
        """Return the address at which the model plays a scenario."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{scenario}"

    def note(self, scenario: str, body: Any) -> int:
        """Keep a request; returns how many there were before in its scenario."""
        with self._lock:
            self.asked.append(Asked(scenario, body))
            self._counts[scenario] += 1
            return self._counts[scenario] - 1


class _Handler(BaseHTTPRequestHandler):
    model: FakeModel

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = urlsplit(self.path).path
        scenario, dialect = path.split("/")[1], dialect_of(path)
        if dialect is None:
            self._send(404, "application/json", json.dumps({"error": {"message": f"no {path} here"}}).encode())
            return
        if dialect.is_aside(body):
            self._send(200, "text/event-stream", b"".join(_as_events(dialect.chunks(Say("aside"), body))))
            return
        before = self.model.note(scenario, body)
        said = reply(scenario, asked=before, outputs=dialect.outputs(body), commands=self.model.commands)
        if isinstance(said, Refuse):
            self._refuse(said.status)
        elif isinstance(said, Hang):
            self._send(200, "text/event-stream", b"")
            self.model.is_over.wait()
        elif isinstance(dialect, Messages) and not body.get("stream"):
            self._answer_whole(dialect, said, body)
        else:
            self._send(200, "text/event-stream", b"".join(_as_events(dialect.chunks(said, body))))

    def _answer_whole(self, dialect: Messages, said: Reply, body: Any) -> None:
        """Answer a request that is not for a stream: Claude Code makes one when a stream broke off."""
        if isinstance(said, Say):
            self._send(200, "application/json", json.dumps(dialect.whole(said.text, body)).encode())
        elif isinstance(said, Err):
            self._refuse(500)
        # To what is dropped there is no answer at all.

    def _refuse(self, status: int) -> None:
        error = {"type": "fake_error", "message": f"fake error {status}", "code": status}
        self._send(status, "application/json", json.dumps({"error": error}).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()  # HTTP/1.0: the body ends where the connection does, so a dropped stream is a short one
        self.wfile.write(body)


def _as_events(chunks: Iterator[Any]) -> Iterator[bytes]:
    for chunk in chunks:
        name = f"event: {chunk['type']}\n" if "type" in chunk else ""
        yield f"{name}data: {json.dumps(chunk)}\n\n".encode()


def _main() -> None:
    with FakeModel() as model:
        print(model.url("SCENARIO"), flush=True)  # noqa: T201  it is what it is for
        threading.Event().wait()


if __name__ == "__main__":
    _main()
