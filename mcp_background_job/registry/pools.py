"""Pools of servers, in the database of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.pool import Member
from mcp_background_job.registry.batches import batches_of
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.text import storable


class SqlitePools:
    """The records about pools. Any thread may call any method, each of which raises RegistryError."""

    def __init__(self, database: Database) -> None:
        """Takes the journal's database."""
        self._database = database

    def join(self, pool: str, urls: Iterable[str]) -> None:
        """Make servers members of a pool."""
        with self._database.writing() as write:
            write("join", [{"pool": storable(pool), "url": storable(url)} for url in urls])

    def part(self, url: str) -> None:
        """Remove a server from its pools."""
        self._write("part", url=url)

    def members(self, pool: str) -> list[Member]:
        """Return the members of a pool, in the order of their names."""
        return [
            Member(
                url=row["url"],
                hold=row["hold"],
                is_paused=bool(row["is_paused"]),
                heard_at=row["heard_at"],
                queued=row["queued"],
                sent=row["sent"],
                has_choice=bool(row["has_choice"]),
            )
            for row in self._database.rows("members", pool=storable(pool))
        ]

    def parted(self, limit: int) -> list[str]:
        """Return the servers of prompts that were jobs of a cluster and have left their pools, the newest first."""
        return [str(row["server"]) for row in self._database.rows("parted", limit=limit)]

    def share(self, url: str, other: str) -> bool:
        """Tell whether two servers are members of one pool."""
        return bool(self._database.rows("share_a_pool", url=storable(url), other=storable(other)))

    def server_of(self, prompt_id: str) -> str | None:
        """Return the server of a prompt, or the pool that it waits for; ``None`` for an unknown prompt."""
        rows = self._database.rows("server_of", prompt_id=storable(prompt_id))
        return str(rows[0]["server"]) if rows else None

    def open_batches(self, url: str) -> list[Batch]:
        """Return the batches of a member's pools that are not known to be over, oldest first."""
        return batches_of(self._database, "open_batches_of_pools", url=storable(url))

    def move_wished(self, old: str, new: str) -> None:
        """Move prompts without a batch that are to be submitted again to another server."""
        self._write("move_wished", old=old, new=new)

    def hear(self, url: str, *, at: float, queued: int) -> None:
        """Note that a member's feeder reports, and how many prompts it has seen in the queue."""
        self._write("hear", url=url, at=at, queued=queued)

    def refused(self, prompt_id: str, server: str, reason: str) -> dict[str, str]:
        """Note that a member has refused a prompt; returns all members that have, with their reasons."""
        self._write("refused_by", prompt_id=prompt_id, server=server, reason=reason)
        return self.refusals(prompt_id)

    def refusals(self, prompt_id: str) -> dict[str, str]:
        """Return the members that have refused a prompt, with their reasons."""
        rows = self._database.rows("refusals", prompt_id=storable(prompt_id))
        return {str(row["server"]): str(row["reason"]) for row in rows}

    def give_up(self, server: str, prompt_ids: Iterable[str], *, by: str, at: float) -> None:
        """Let prompts that were sent to a member which does not answer wait for other members."""
        rows = [
            {"prompt_id": storable(prompt_id), "server": storable(server), "by": storable(by), "at": at}
            for prompt_id in prompt_ids
        ]
        with self._database.writing() as write:  # both or neither, or a prompt could run twice unnoticed
            write("give_up", rows)
            write("take_back", rows)

    def given_up_on(self, server: str) -> list[str]:
        """Return the prompts that were given up at a member."""
        return [str(row["prompt_id"]) for row in self._database.rows("given_up_on", server=storable(server))]

    def forget_given_up(self, server: str, prompt_id: str) -> None:
        """Note that a member no longer has a prompt that was given up there."""
        self._write("forget_given_up", server=server, prompt_id=prompt_id)

    def _write(self, query: str, **values: Any) -> None:
        row = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
        with self._database.writing() as write:
            write(query, [row])
