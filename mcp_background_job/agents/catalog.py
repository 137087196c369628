"""Which runs there are: the listing of their directory says it, and nothing else does."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass

from mcp_background_job.agents import records
from mcp_background_job.agents.records import RunRecord
from mcp_background_job.errors import CorruptRecordError, InvalidRequestError, StateDirError, UnknownRunError
from mcp_background_job.jobdir.layout import RunDir, StateDir, is_run_id

#: As those of jobs: letters and digits that cannot be taken for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 6

#: Attempts to find a free id; with as many runs as fit on a disk one in thousands is taken.
_ID_ATTEMPTS = 20


@dataclass(frozen=True)
class Reference:
    """How a caller names a run: by its id, or by its agent's name, and where."""

    run_id: str | None = None
    agent_name: str | None = None
    cwd: str | None = None


class Catalog:
    """The runs of a state directory. Methods read files."""

    def __init__(self, state: StateDir) -> None:
        """Names the state directory; the directory of runs is made with the first of them."""
        self._state = state

    def claim(self) -> RunDir:
        """Take a free run id by making its directory.

        Raises:
            StateDirError: it cannot be made.
        """
        for _ in range(_ID_ATTEMPTS):
            run = self.directory("r" + new_id())
            try:
                os.makedirs(self._state.runs, mode=0o700, exist_ok=True)
                os.mkdir(run.path, 0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise StateDirError(f"cannot make a directory in {self._state.runs}: {error.strerror}") from error
            return run
        raise StateDirError(f"no free run id found in {self._state.runs}: prune old runs")

    def directory(self, run_id: str) -> RunDir:
        """Return the paths of a run."""
        return self._state.run(run_id)

    def all(self, *, backend: str | None = None, cwd: str | None = None) -> list[RunRecord]:
        """Return all runs, newest first; one whose record cannot be read is left out.

        Args:
            backend: only runs of this kind of agent.
            cwd: only runs in this workspace.
        """
        workspace = None if cwd is None else os.path.normpath(cwd)
        found: list[RunRecord] = []
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._state.runs):
                with contextlib.suppress(CorruptRecordError):
                    record = self.get(name)
                    if record and backend in (None, record.backend) and workspace in (None, record.cwd):
                        found.append(record)
        return sorted(found, key=lambda record: (record.created_at, record.run_id), reverse=True)

    def get(self, run_id: str) -> RunRecord | None:
        """Return a run's record, ``None`` if there is no such run.

        Raises:
            CorruptRecordError: it cannot be read.
        """
        return records.read(RunRecord, self.directory(run_id).record) if is_run_id(run_id) else None

    def find(self, reference: Reference) -> RunRecord:
        """Return the run that is meant: by id, or the newest of an agent's name.

        Raises:
            UnknownRunError: there is none.
            InvalidRequestError: neither is given, or the name means agents in several places.
        """
        if reference.run_id:
            record = self.get(reference.run_id)
            if record is None:
                raise UnknownRunError(f"Unknown run_id: {reference.run_id}")
            return record
        if not reference.agent_name:
            raise InvalidRequestError("Provide run_id or agent_name")
        return self._newest_named(reference.agent_name, reference.cwd)

    def _newest_named(self, name: str, cwd: str | None) -> RunRecord:
        named = [record for record in self.all(cwd=cwd) if record.agent_name == name]
        if not named:
            where = "" if cwd is None else f" in cwd {cwd}"
            raise UnknownRunError(f"Unknown agent_name{where}: {name}")
        if len({record.cwd for record in named}) > 1:
            raise InvalidRequestError(f"agent_name is ambiguous across multiple cwd values: {name}")
        return named[0]

    def of_session(self, session_id: str) -> list[RunRecord]:
        """Return the runs of a session, newest first."""
        return [record for record in self.all() if record.session_id == session_id]


def new_id() -> str:
    """Return letters and digits that make an id with one letter before them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
