"""Batches of prompts, in the database of the journal.

Single statements change the flags of a batch and the stages of its prompts. So a process that cancels and a process
that sends agree on which prompts were sent.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcp_background_job.core.comfyui.batch import Batch, Counts, count
from mcp_background_job.core.comfyui.pool import is_pool
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import RegistryError
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import row_of, submissions, tracked_row
from mcp_background_job.registry.text import storable


class SqliteBatches:
    """The batches of all servers. Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def create(
        self,
        batch: Batch,
        prompts: Sequence[Submission],
        graphs: Mapping[str, tuple[str, str]],
        *,
        session_id: str | None = None,
    ) -> None:
        """Add a batch with its prompts, tracked in a session: all or nothing, and durable when this returns.

        Args:
            batch: the batch as it was asked for.
            prompts: its prompts, each with the id of its graph.
            graphs: by their ids: the graph and its extra data, as JSON text.
            session_id: the session that tracks its prompts.
        """
        rows = [row_of(prompt) for prompt in prompts]
        with self._database.writing() as write:
            write("create_batch", [_row_of(batch)])
            write("record_graph", [_graph_row(graph_id, *texts) for graph_id, texts in graphs.items()])
            write("record", rows)
            if session_id is not None:
                write("track", [tracked_row(session_id, row) for row in rows])

    def get(self, batch_id: str) -> Batch | None:
        """Return a batch."""
        return next(iter(self._batches("batch", batch_id=storable(batch_id))), None)

    def newest(self, server: str, limit: int) -> list[Batch]:
        """Return the batches of a server, newest first."""
        return self._batches("newest_batches", server=storable(server), limit=limit)

    def ended_since(self, since: float) -> list[Batch]:
        """Return the batches of all servers that have ended after a moment, in the order of their ends."""
        return self._batches("ended_batches", since=since)

    def counts(self, batch_id: str) -> Counts:
        """Return how many prompts of a batch are in each state; a prompt that was retried counts once."""
        return count(
            (Stage(row["stage"]), End(row["ending"]) if row["ending"] is not None else None, row["number"])
            for row in self._database.rows("counts", batch_id=batch_id)
        )

    def at_server(self, batch_id: str) -> list[Submission]:
        """Return, without graphs, the prompts that were sent and have no end, or were lost with their server."""
        return submissions(self._database, "at_server", batch_id=batch_id)

    def is_sending(self, server: str, *, batch_id: str | None = None) -> bool:
        """Tell whether a prompt is being sent to a server: any prompt, or one of this batch."""
        return bool(self._database.rows("is_sending", server=storable(server), batch_id=batch_id))

    def fed_singles(self, server: str) -> list[Submission]:
        """Return, without graphs, the prompts without a batch that a feeder has sent and that have no end."""
        return submissions(self._database, "fed_singles", server=storable(server))

    def failed(self, batch_id: str, *, limit: int = -1) -> list[Submission]:
        """Return, without graphs, the prompts that failed or were refused and not retried; a limit of -1 is none."""
        return submissions(self._database, "failed_in", batch_id=batch_id, limit=limit)

    def prompt_at(self, batch_id: str, position: int) -> str | None:
        """Return the prompt at a position of a batch, counted from 0; if it was retried, the last retry."""
        rows = self._database.rows("prompt_at", batch_id=storable(batch_id), position=position)
        return next((row["prompt_id"] for row in rows), None)

    def claim_next(
        self, server: str, batch_ids: Iterable[str], *, at: float, is_alone: bool = True, boot: str = ""
    ) -> Submission | None:
        """Mark the next waiting prompt as being sent, and return it; ``None`` if none waits or none may be sent.

        This and ``request_cancel`` are one critical section: a claimed prompt was not canceled, and after a cancel is
        recorded no prompt of the batch is claimed.

        Args:
            server: the server that the prompt is sent to.
            batch_ids: ids of the batches whose turn it may be; a prompt without a batch may be next at any time.
            at: when it is sent.
            is_alone: nothing else is at the server, so the prompt may be one that ran when its server ended.
            boot: the life of the server that it is sent to.
        """
        wanted = json.dumps([storable(batch_id) for batch_id in batch_ids])
        with self._database.writing() as write:  # the boot is stored together with the attempt, or not at all
            rows = self._database.rows(
                "claim_next", server=storable(server), batch_ids=wanted, at=at, is_alone=is_alone
            )
            write("attempt_boot", [{"prompt_id": row["prompt_id"], "boot": boot} for row in rows])
        return submissions(self._database, "get", prompt_id=rows[0]["prompt_id"])[0] if rows else None

    def request_cancel(self, batch_id: str, *, by: str, at: float) -> int:
        """Record the wish to cancel a batch, and cancel its unsent prompts; returns how many those were."""
        values = {"batch_id": batch_id, "by": storable(by), "at": at}
        # In one transaction: a batch that is to be canceled would never be over if a prompt of it still waited.
        with self._database.writing() as write:
            write("request_cancel", [values])
            return write("cancel_unsent", [values])

    def canceled_among(self, prompt_ids: Iterable[str]) -> list[str]:
        """Return those of these prompts that were canceled."""
        found = [submissions(self._database, "get", prompt_id=prompt_id) for prompt_id in prompt_ids]
        return [one.prompt_id for rows in found for one in rows if one.end is End.CANCELLED]

    def pause(self, batch_id: str, *, at: float | None, why: str = "") -> None:
        """Stop sending prompts of a batch; without a time, go on."""
        self._write("pause", batch_id=batch_id, at=at, trouble=storable(why))

    def take_back(self, prompt_ids: Iterable[str]) -> None:
        """Let prompts of batches wait again if they did not reach the server or were lost with it."""
        with self._database.writing() as write:
            write("take_back", [{"prompt_id": storable(prompt_id)} for prompt_id in prompt_ids])

    def take_back_singles(self, prompt_ids: Iterable[str]) -> None:
        """Let prompts without a batch wait to be sent to their server if they are not there."""
        with self._database.writing() as write:
            write("take_back_single", [{"prompt_id": storable(prompt_id)} for prompt_id in prompt_ids])

    def pause_all(self, server: str, *, at: float, why: str) -> None:
        """Stop sending prompts of all batches of a server that are not paused or canceled already."""
        self._write("pause_all", server=storable(server), at=at, trouble=storable(why))

    def retry(self, batch_id: str, again: Mapping[str, Submission], *, session_id: str | None = None) -> int:
        """Record prompts that replace failed ones, by the ids of those, and open the batch again.

        Returns how many were recorded: a failed prompt is not replaced twice, and nothing is retried in a batch that is
        to be canceled.
        """
        with self._database.writing() as write:
            rows = [
                row_of(new)
                for old, new in again.items()
                if write("retried", [{"prompt_id": old, "retried_as": new.prompt_id}])
            ]
            if rows:
                write("record", rows)
                write("reopen_batch", [{"batch_id": batch_id}])
                write("wish_at_end_again", [{"batch_id": batch_id}])
            if session_id is not None:
                write("track", [tracked_row(session_id, row) for row in rows])
        return len(rows)

    def take_over(self, batch_ids: Iterable[str]) -> None:
        """Clear the trouble of batches that other processes worked on before."""
        with self._database.writing() as write:
            write("take_over", [{"batch_id": batch_id} for batch_id in batch_ids])

    def tell(self, batch_id: str, what: str) -> None:
        """Note a message about a batch that does not hold it up; an empty text clears it."""
        self._write("tell_of_batch", batch_id=storable(batch_id), told=storable(what))

    def told(self, batch_id: str) -> str:
        """Return the message about a batch that does not hold it up."""
        return next((str(row["told"]) for row in self._database.rows("told_of_batch", batch_id=batch_id)), "")

    def on_server(self, server: str) -> list[Batch]:
        """Return the batches of a server that are not known to be over, oldest first."""
        return self._batches("open_batches", server=storable(server))

    def ended(self, batch_id: str, *, at: float) -> bool:
        """Note that a batch was found to be over; returns whether it still is: a retry may have opened it again."""
        self._write("end_batch", batch_id=batch_id, at=at)
        batch = self.get(batch_id)
        return batch is not None and batch.ended_at is not None

    def _write(self, query: str, **values: object) -> None:
        with self._database.writing() as write:
            write(query, [values])

    def _batches(self, query: str, **values: object) -> list[Batch]:
        return batches_of(self._database, query, **values)


def batches_of(database: Database, query: str, **values: object) -> list[Batch]:
    """Return the batches that a query finds.

    Raises:
        RegistryError: the database cannot be used, or a row of it does not have the format's form.
    """
    try:
        return [_batch_of(row) for row in database.rows(query, **values)]
    except TypeError as error:
        raise RegistryError(f"the journal {database.path} has a row that cannot be read: {error}") from error


def _graph_row(graph_id: str, graph: str, extra_data: str) -> dict[str, Any]:
    return {"prompt_id": graph_id, "graph": storable(graph), "extra_data": storable(extra_data)}


def _row_of(batch: Batch) -> dict[str, Any]:
    row = {name: storable(value) if isinstance(value, str) else value for name, value in vars(batch).items()}
    return row | {"ended_at": 0.0} if is_pool(batch.server) and batch.ended_at is None else row


def _batch_of(row: sqlite3.Row) -> Batch:
    values: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    values["may_restart"] = bool(row["may_restart"])
    values["ended_at"] = row["ended_at"] or None  # 0: it is a pool's batch, and not over
    return Batch(**values)
