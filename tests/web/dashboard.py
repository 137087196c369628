"""A dashboard in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess

from tests.cli.command_line import CommandLine
from tests.patience import PATIENCE_S


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
        self._process: subprocess.Popen[bytes] = self.cli.open(
            "dashboard", "--port", str(self._port), "--no-open", *self._options, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout
        self.link = self._process.stdout.readline().decode().strip()
        found = re.match(r"http://127\.0\.0\.1:(\d+)/", self.link)
        assert found, (self.link, self._process.poll())
        self._port = int(found[1])
        self.url = found[0]

    def stop(self) -> None:
        """Serve no more."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_S)
