"""A home directory of the test's own, and functions that install into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_background_job.install.clients import Client, Machine
from mcp_background_job.install.installing import Change, installed, uninstalled, wanted_by
from mcp_background_job.install.records import Records

COMMAND = ["/opt/my tools/bin/mcp-background-job"]


@dataclass(frozen=True)
class Home:
    """A home directory, with a state directory in it."""

    machine: Machine
    records: Records

    def install(
        self, client: Client, *, project: Path | None = None, command: Sequence[str] = COMMAND, hooks: bool = True
    ) -> list[Change]:
        """Install, and return the changes."""
        wanted = wanted_by(client, self.machine, project, [*command], hooks=hooks)
        return self.made(installed(wanted, self.records))

    def uninstall(self, client: Client, *, project: Path | None = None) -> list[Change]:
        """Uninstall, and return the changes."""
        return self.made(uninstalled(wanted_by(client, self.machine, project, [""], hooks=True), self.records))

    def made(self, changes: list[Change]) -> list[Change]:
        for change in changes:
            change.make(self.records)
        return changes

    def paths(self, client: Client, project: Path | None = None) -> set[Path]:
        """Return the files that a client has something in."""
        return {one.path for one in wanted_by(client, self.machine, project, COMMAND, hooks=True)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(Machine(tmp_path / "home", {}, "linux"), Records(tmp_path / "state"))
