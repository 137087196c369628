"""Servers of the page, each in a process of its own, and how a browser comes to see the page of each."""

from __future__ import annotations

import functools
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.cli.command_line import CommandLine
from tests.comfyui_simulator.process import free_port
from tests.patience import PATIENCE_S, wait_until

_HOST = Path(__file__).with_name("host.html")

#: What hosts allow an app that asks for nothing, and themselves: frames without an address have this of them.
_HOST_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'"
)


class Dashboard:
    """``mcp-background-job dashboard`` over the state directory of a command line.

    Attributes:
        cli: starts jobs that the page shows.
        link: lets one browser in.
        url: where the page is.
    """

    def __init__(self, cli: CommandLine, *options: str) -> None:
        self.cli = cli
        self._options = options
        self._port = 0
        self.start()

    def start(self) -> None:
        """Serve; again on the same port, if it was stopped."""
        self._process = self._opened()
        found = self._found(r"http://127\.0\.0\.1:(\d+)/enter\S+")
        self.link, self._port = found[0], int(found[1])
        self.url = self.link.partition("enter")[0]

    def stop(self) -> None:
        """Serve no more."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_S)

    def show(self, page: Any) -> Any:
        """Have a browser show the page; returns the frame that it is in."""
        page.goto(self.link)
        return page.main_frame

    def _opened(self) -> subprocess.Popen[bytes]:
        arguments = ("dashboard", "--port", str(self._port), "--no-open", *self._options)
        return self.cli.open(*arguments, stdin=subprocess.DEVNULL)

    def _found(self, pattern: str) -> re.Match[str]:
        assert self._process.stdout
        line = self._process.stdout.readline().decode()
        found = re.search(pattern, line)
        assert found, (line, self._process.poll())
        return found


class Chat(Dashboard):
    """``serve --http``, whose page is shown by a host of MCP Apps, in a sandbox."""

    def show(self, page: Any) -> Any:
        token = (self.cli.state_dir / "http-token").read_text().strip()
        host = f"{self.url}host.html"
        answer = {
            "content_type": "text/html",
            "headers": {"content-security-policy": _HOST_POLICY},
            "body": _HOST.read_text().replace("%TOKEN%", token),
        }

        def fulfill(route: Any) -> None:
            route.fulfill(**answer)

        page.route(host, fulfill)
        page.goto(host)
        return page.wait_for_selector("iframe").content_frame()

    def _opened(self) -> subprocess.Popen[bytes]:
        self._port = self._port or free_port()
        return self.cli.open("serve", "--http", "--port", str(self._port), stdin=subprocess.DEVNULL)

    def _found(self, pattern: str) -> re.Match[str]:
        assert self._process.stderr
        heard = ""
        while line := self._process.stderr.readline().decode():
            heard += line
            if found := re.search(pattern, line):
                wait_until(functools.partial(_listens, int(found[1])), "the server listens")
                return found
        raise AssertionError(heard)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
