"""The attempts of prompts, in the database of the journal, whose triggers begin and end them."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_background_job.core.comfyui.attempt import Attempt
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.text import storable


class SqliteAttempts:
    """Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def of(self, prompt_id: str) -> list[Attempt]:
        """Return the attempts of a prompt, oldest first."""
        return self._attempts("attempts_of", prompt_id=storable(prompt_id))

    def last_fatal(self, server: str) -> Attempt | None:
        """Return the newest attempt that ran when this server ended by itself."""
        return next(iter(self._attempts("last_fatal", server=storable(server))), None)

    def began(self, prompt_ids: Iterable[str], *, at: float) -> None:
        """Note that prompts run; a prompt that was already noted to run keeps its time."""
        self._write("began", prompt_ids, at=at)

    def server_ended(self, prompt_id: str, *, at: float) -> None:
        """Note that a prompt ran when its server ended by itself."""
        self._write("server_ended", [prompt_id], at=at)

    def about_to_end(self, server: str) -> None:
        """Note that this program is about to end a server: prompts that run there then did not cause its end."""
        with self._database.writing() as write:
            write("about_to_end", [{"server": storable(server)}])

    def _write(self, query: str, prompt_ids: Iterable[str], **values: object) -> None:
        with self._database.writing() as write:
            write(query, [{"prompt_id": storable(prompt_id), **values} for prompt_id in prompt_ids])

    def _attempts(self, query: str, **values: object) -> list[Attempt]:
        rows = self._database.rows(query, **values)
        return [Attempt(**{name: row[name] for name in Attempt.__dataclass_fields__}) for row in rows]
