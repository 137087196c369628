"""The work for each ComfyUI server, and the reason that holds it up, in the database of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import submissions
from mcp_background_job.registry.text import storable

#: Larger than any position and any number of a server; see also ``take_back_single``.
_FAR = 1e12


@dataclass(frozen=True, kw_only=True)
class Server:
    """The facts about a server beside its prompts.

    Attributes:
        url: its base URL.
        paused_at: since when nothing is sent to it (seconds since the epoch).
        paused_by: who asked for that.
        hold: why nothing can be sent to it, in words; empty if something can.
        told: another message about it, in words.
        feeder_ended: id of the last job that fed it and declared that no work was left.
    """

    url: str
    paused_at: float | None = None
    paused_by: str = ""
    hold: str = ""
    told: str = ""
    feeder_ended: str = ""

    @property
    def is_paused(self) -> bool:
        """Whether nothing is to be sent for now."""
        return self.paused_at is not None


class SqliteServers:
    """The records about servers. Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def get(self, url: str) -> Server:
        """Return the facts about a server."""
        for row in self._database.rows("server", url=storable(url)):
            return Server(**{name: row[name] for name in Server.__dataclass_fields__})
        return Server(url=url)

    def with_work(self) -> list[str]:
        """Return the URLs of servers that have prompts to send, or work to look after."""
        return [str(row["server"]) for row in self._database.rows("servers_with_work")]

    def waits_alone(self, url: str) -> bool:
        """Tell whether a prompt without a batch waits to be sent."""
        return bool(self._database.rows("waits_alone", url=storable(url)))

    def hold(self, url: str, why: str, batch_ids: Iterable[str] = ()) -> None:
        """Note why nothing can be sent to a server, for it and these batches; an empty text clears it."""
        row = {"url": storable(url), "hold": storable(why)}
        with self._database.writing() as write:
            write("hold_batch", [{**row, "batch_id": batch_id} for batch_id in batch_ids])
            write("hold", [row])

    def pause(self, url: str, *, by: str, at: float) -> None:
        """Stop sending to a server; an earlier pause keeps its time."""
        self._write("pause_server", url=url, by=by, at=at)

    def resume(self, url: str) -> None:
        """Send to a server again."""
        self._write("resume_server", url=url)

    def to_be_fed(self, prompt_id: str) -> None:
        """Let the feeder send a waiting prompt without a batch."""
        self._write("to_be_fed", prompt_id=prompt_id)

    def move(self, prompt_id: str, *, to_front: bool, at: float) -> bool:
        """Move a waiting prompt before or behind all others; returns whether it waits."""
        # The prompt that was moved last becomes the first, or the last.
        rank = -2 * _FAR - at if to_front else _FAR + at
        return self._write("move", prompt_id=prompt_id, rank=rank, front=to_front) > 0

    def want_no_requeue(self, prompt_ids: Iterable[str]) -> None:
        """Note that prompts which were to be taken out and sent again are still where they were."""
        with self._database.writing() as write:
            write("want_no_requeue", [{"prompt_id": storable(prompt_id)} for prompt_id in prompt_ids])

    def waiting_singles(self, url: str) -> list[Submission]:
        """Return, without graphs, the prompts without a batch that wait for a server."""
        return submissions(self._database, "waiting_singles", url=storable(url))

    def tell(self, url: str, what: str) -> None:
        """Note another message about a server; an empty text clears it."""
        self._write("tell_of_server", url=url, told=what)

    def end_feeding(self, url: str, feeder: str) -> bool:
        """Declare that a feeder ends; returns whether it may: only if no work is left."""
        return self._write("end_feeding", url=url, feeder=feeder) > 0

    def _write(self, query: str, **values: Any) -> int:
        row = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
        with self._database.writing() as write:
            return write(query, [row])
