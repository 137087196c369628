"""Drives a real host process over real pipes, as a runner and an adapter do together."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp_background_job.agents.adapters.base import Adapter, Event, ParsedEnd, RunRequest
from mcp_background_job.core.run import EventType, RunStatus
from tests.nursery.starts import NURSERY
from tests.patience import PATIENCE_S


class Host:
    """One host process; what it prints goes through the adapter's parser.

    It is forked from one that has its libraries, unless ``anew``: for a test of how it loads them.
    """

    def __init__(
        self,
        adapter: Adapter,
        directory: Path,
        prompt: str,
        resume: str | None,
        config: Mapping[str, Any],
        *,
        anew: bool = False,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.workspace = directory / "workspace"
        self.workspace.mkdir(exist_ok=True)
        run = str(directory)
        workspace = str(self.workspace)
        request = RunRequest(run_id="r", cwd=workspace, prompt=prompt, directory=run, resume=resume, config=config)
        binary = adapter.available(config, os.environ).path
        assert binary
        launch = adapter.launch(request, binary)
        for name, content in launch.files.items():
            (directory / name).write_bytes(content)
        self.adapter = adapter
        self.parser = adapter.parser()
        self.events: list[Event] = []
        self.lines: list[bytes] = []
        self.stderr = directory / "stderr"
        self._unread = b""
        with self.stderr.open("wb") as stderr:
            pipe = subprocess.PIPE
            # By the variable all that it starts is found, if anything should outlive the test.
            env = {**os.environ, "HOST_DIRECTORY": run}
            *_, module, kind, _ = launch.argv
            command = launch.argv if anew else NURSERY.command(module, kind, run)
            self.process = subprocess.Popen(command, cwd=workspace, env=env, stdin=pipe, stdout=pipe, stderr=stderr)

    def wait_for(self, kind: EventType) -> Event:
        """Read until an event of this kind is told; returns it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            before = len(self.events)
            assert self._read_line(deadline), f"the host ended without {kind}: {self.events} {self.stderr.read_text()}"
            for event in self.events[before:]:
                if event.type is kind:
                    return event

    def say(self, data: bytes) -> None:
        """Write to its stdin."""
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def answer(self, text: str = "", **data: Any) -> None:
        """Answer what is asked."""
        self.say(self.adapter.answer(self.parser, text, data))

    def cancel(self) -> None:
        """Ask it to stop."""
        message = self.adapter.cancel_message(self.parser)
        assert message
        self.say(message)

    def hang_up(self) -> None:
        """Close its stdin."""
        assert self.process.stdin
        self.process.stdin.close()

    def finish(self) -> ParsedEnd | None:
        """Read to the end, and wait for it; returns how the agent says that it ended."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read_line(deadline):
            pass
        self.process.wait(PATIENCE_S)
        return self.parser.end

    def ended(self) -> ParsedEnd:
        """Read to the end, which must be told."""
        end = self.finish()
        assert end, f"no end was told: {self.stderr.read_text()}"
        assert (self.process.returncode == 0) == (end.status is RunStatus.COMPLETED)
        return end

    def told(self, *kinds: EventType) -> list[Event]:
        """Return the events of these kinds."""
        return [event for event in self.events if event.type in kinds]

    def texts(self, kind: EventType) -> list[str]:
        """Return the texts of the events of a kind."""
        return [event.data["text"] for event in self.told(kind)]

    def close(self) -> None:
        """End it, if it is still there."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(PATIENCE_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream and not stream.closed:
                stream.close()

    def _read_line(self, deadline: float) -> bool:
        assert self.process.stdout
        while b"\n" not in self._unread:
            patience_s = max(0.0, deadline - time.monotonic())
            assert select.select([self.process.stdout], [], [], patience_s)[0], f"the host is silent: {self.events}"
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                assert not self._unread, f"half a line: {self._unread!r}"
                return False
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        self.lines.append(line)
        self.events += self.parser.feed(line)
        return True
