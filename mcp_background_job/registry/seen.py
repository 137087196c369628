"""The last look at each server's queue, in the journal's database, with other clients' prompts and their graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.values import frozen
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import row_of, submissions
from mcp_background_job.registry.text import storable


@frozen
class SeenQueue:
    """A queue at the time of a look.

    Attributes:
        at: when the look was (seconds since the epoch).
        running: submissions that ran.
        pending: submissions that waited, in order.
    """

    at: float
    running: tuple[Submission, ...]
    pending: tuple[Submission, ...]


class SqliteSeen:
    """The queues that were seen. Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def note(self, server: str, *, at: float, places: Mapping[str, bool], made: Callable[[str], Submission]) -> None:
        """Record the content of a queue, in place of the earlier one.

        Args:
            server: the server of the queue.
            at: when it was seen (seconds since the epoch).
            places: ids of the prompts in it, and whether each runs.
            made: returns the submission of an id. It is called only for new ids: a graph is large.
        """
        known = {str(row["prompt_id"]) for row in self._database.rows("seen_ids", server=storable(server))}
        ids = {storable(prompt_id): prompt_id for prompt_id in places}
        new = [row_of(made(ids[one])) | {"is_running": places[ids[one]]} for one in ids.keys() - known]
        gone = [{"server": storable(server), "prompt_id": one} for one in known - ids.keys()]
        moved = [
            {"server": storable(server), "prompt_id": one, "is_running": places[ids[one]]} for one in ids.keys() & known
        ]
        with self._database.writing() as write:
            write("unsee", gone)
            write("see", new)
            write("see_place", moved)
            write("see_queue", [{"server": storable(server), "at": at}])

    def last(self, server: str) -> SeenQueue | None:
        """Return a queue as it was last seen; ``None`` if it was never seen."""
        looks = self._database.rows("seen_at", server=storable(server))
        if not looks:
            return None
        running, pending = (
            submissions(self._database, "seen", server=storable(server), is_running=is_running)
            for is_running in (True, False)
        )
        return SeenQueue(looks[0]["seen_at"], tuple(running), tuple(pending))
