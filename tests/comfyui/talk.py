"""Talks to a simulator without any code of the project: plain HTTP, and a websocket that is read until an event."""

import http.client
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S, scaled

Event = dict[str, Any]

#: A server that has not answered in this time counts as silent.
_SILENT_S = scaled(1.0)


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str | None
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    simulator: Simulator,
    method: str,
    path: str,
    body: Any = None,
    *,
    raw: bytes | None = None,
    headers: dict[str, str] | None = None,
    patience_s: float = PATIENCE_S,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=patience_s)
    try:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("Content-Type"), response.read())
    finally:
        connection.close()


def submit(simulator: Simulator, graph: Any, **fields: Any) -> str:
    """Submit a graph; returns its prompt_id."""
    answer = ask(simulator, "POST", "/prompt", {"prompt": graph, **fields})
    assert answer.status == 200, answer.text
    return answer.json["prompt_id"]


def skip_numbers(simulator: Simulator, count: int) -> None:
    """Give the next prompt this number: a refused submission uses one up, too."""
    for _ in range(count):
        ask(simulator, "POST", "/prompt", {})


def entry(simulator: Simulator, prompt_id: str) -> Any:
    """Return the history entry of a prompt, or None."""
    return ask(simulator, "GET", f"/history/{prompt_id}").json.get(prompt_id)


def running(simulator: Simulator) -> list[str]:
    return [item[1] for item in ask(simulator, "GET", "/queue").json["queue_running"]]


def wait_until_silent(simulator: Simulator) -> None:
    """Wait until requests are accepted but not answered."""
    deadline = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline:
            ask(simulator, "GET", "/prompt", patience_s=_SILENT_S)
    except TimeoutError:
        return
    raise AssertionError("it still answers")


class Listener:
    """One websocket, and all messages that came over it."""

    def __init__(self, simulator: Simulator, client_id: str) -> None:
        url = f"ws://127.0.0.1:{simulator.port}/ws?clientId={client_id}"
        self.events: list[Event] = []
        with ExitStack() as stack:
            self._connection = stack.enter_context(connect(url, close_timeout=1))
            self.until(is_type("status"))
            self._stack = stack.pop_all()

    def until(self, is_last: Callable[[Event], bool], patience_s: float = PATIENCE_S) -> Event:
        """Read until an event, and return the event."""
        while True:
            event = json.loads(self._connection.recv(patience_s))
            self.events.append(event)
            if is_last(event):
                return event

    def until_closed(self) -> None:
        """Read until the end of the connection."""
        try:
            self.until(lambda _event: False)
        except ConnectionClosed:
            return

    def send(self, message: Any) -> None:
        self._connection.send(json.dumps(message))

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_type(name: str, count: int = 1) -> Callable[[Event], bool]:
    """Return a condition that holds at the n-th event of a type from now on."""
    seen = 0

    def is_it(event: Event) -> bool:
        nonlocal seen
        seen += event["type"] == name
        return seen == count

    return is_it


def is_status(remaining: int) -> Callable[[Event], bool]:
    return lambda event: (
        event["type"] == "status" and event["data"]["status"]["exec_info"]["queue_remaining"] == remaining
    )


def is_end(event: Event) -> bool:
    """Tell whether an event is the last of a prompt, on its owner's socket."""
    return event["type"] == "executing" and event["data"]["node"] is None


def run(simulator: Simulator, graph: Any, client_id: str = "runner", **fields: Any) -> Any:
    """Run a graph until it ends; returns its history entry."""
    with Listener(simulator, client_id) as listener:
        prompt_id = submit(simulator, graph, client_id=client_id, **fields)
        listener.until(is_end)
    return entry(simulator, prompt_id)
