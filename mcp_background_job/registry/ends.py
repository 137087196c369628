"""The commands that run at the ends of batches and prompts, in the database of the journal."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import submissions
from mcp_background_job.registry.text import storable


@dataclass(frozen=True, kw_only=True)
class DueEnd:
    """An end whose command has not run yet.

    Attributes:
        subject: id of the batch or prompt.
        command: command for the shell.
        ended_at: when it ended (seconds since the epoch).
        is_batch: whether it is a batch.
    """

    subject: str
    command: str
    ended_at: float
    is_batch: bool


class SqliteEnds:
    """The commands at ends. Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def wish(self, subject: str, server: str, command: str) -> None:
        """Record a command that is to run at the end of a recorded batch or prompt."""
        row = {"subject": storable(subject), "server": storable(server), "command": storable(command)}
        with self._database.writing() as write:
            write("wish_at_end", [row])

    def due(self, server: str) -> list[DueEnd]:
        """Return the ends on a server whose commands have not run yet."""
        return [
            DueEnd(
                subject=row["subject"],
                command=row["command"],
                ended_at=row["ended_at"],
                is_batch=bool(row["is_batch"]),
            )
            for row in self._database.rows("ends_due", server=storable(server))
        ]

    def awaited(self, server: str) -> list[Submission]:
        """Return, without graphs, the prompts that were sent and at whose ends a command is to run."""
        return submissions(self._database, "ends_awaited", server=storable(server))

    def told(self, subject: str, *, at: float) -> None:
        """Note that the command has run for the present end."""
        with self._database.writing() as write:
            write("end_told", [{"subject": storable(subject), "at": at}])

    def is_told(self, subject: str) -> bool:
        """Tell whether a command has run at the end of a batch or prompt."""
        return bool(self._database.rows("is_told_at_end", subject=storable(subject)))
