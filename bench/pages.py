"""Open pages without a browser: they ask the dashboard over HTTP as a page does."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bench.plan import Plan
from mcp_background_job.jobdir.layout import StateDir

#: A dashboard that has not ended by then has failed.
_END_S = 20.0

_WAIT_S = 25


class PageServer:
    """A dashboard that is served.

    Attributes:
        pid: the dashboard's pid.
        address: the dashboard's host and port.
        cookie: the cookie that the link brought, as it is sent back.
    """

    def __init__(self, process: subprocess.Popen[bytes], link: str) -> None:
        """Open the link that the process printed, and keep the cookie."""
        self.pid = process.pid
        parts = urlsplit(link)
        self.address = parts.netloc
        connection = http.client.HTTPConnection(self.address)
        connection.request("GET", f"{parts.path}?{parts.query}")
        self.cookie = (connection.getresponse().getheader("set-cookie") or "").partition(";")[0]
        connection.close()

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection, for one page."""
        return http.client.HTTPConnection(self.address)

    def call(self, connection: http.client.HTTPConnection, action: str, args: Mapping[str, Any]) -> Any:
        """Call an action; returns its facts."""
        headers = {"content-type": "application/json", "mcp-bg-page": "1", "cookie": self.cookie}
        connection.request("POST", "/api/call", json.dumps({"action": action, "args": args}), headers)
        answer = json.loads(connection.getresponse().read())
        assert "facts" in answer, answer
        return answer["facts"]

    @contextlib.contextmanager
    def open_page(
        self, name: str, subjects: Mapping[str, Mapping[str, Any]], take: Callable[[str, Any], None] | None = None
    ) -> Generator[None]:
        """Keep a page open that shows these subjects; another thread passes each subject's news to ``take``."""
        over = threading.Event()
        page = threading.Thread(target=self._watch, args=(name, subjects, take, over), name=name)
        page.start()
        try:
            yield
        finally:
            over.set()
            with contextlib.closing(self.connection()) as connection:  # ends the poll that the page waits for
                self.call(connection, "watch", {"page": name, "shown": {}, "wait_s": 0})
            page.join()

    def _watch(
        self,
        name: str,
        subjects: Mapping[str, Mapping[str, Any]],
        take: Callable[[str, Any], None] | None,
        over: threading.Event,
    ) -> None:
        shown = {key: {"subject": key, "args": args, "cursor": None} for key, args in subjects.items()}
        with contextlib.closing(self.connection()) as connection:
            while not over.is_set():
                answer = self.call(connection, "watch", {"page": name, "shown": shown, "wait_s": _WAIT_S})
                for key, told in answer["changed"].items():
                    assert "error" not in told, told
                    shown[key]["cursor"] = told["cursor"]
                    if take:
                        take(key, told["facts"])


@contextlib.contextmanager
def serving(plan: Plan, state: StateDir) -> Generator[PageServer]:
    """Serve a dashboard over a state directory."""
    process = plan.workspace.dashboard(state)
    assert process.stdout
    link = re.search(rb"http://\S+", process.stdout.readline())
    assert link
    try:
        yield PageServer(process, link[0].decode())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_END_S)
        process.stdout.close()
