"""A random test of projects: sessions of several clients, in two projects that use the same names.

No session may be handed a job of another project, end such a job, or be told of a job that another session has started.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

NAMES = ("dev", "test", "db")


class Session(Protocol):
    """A client's conversation in a project; ``who`` distinguishes it from the others."""

    who: tuple[str, str, int]

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; returns its facts, with ``endings``, or ``{"error": code}``."""
        ...


@dataclass
class Played:
    """The events of a game, as far as the answers tell them.

    Attributes:
        owner: the session that started each job, as its ``who``.
        told: how often its owner was told of each job's end.
        live: the jobs of each project that lived at the last look, if no session of the project has acted since.
        counts: the number of operations by their kind and outcome, such as ``kill refused``.
    """

    owner: dict[str, tuple[str, str, int]] = field(default_factory=dict[str, tuple[str, str, int]])
    told: dict[str, int] = field(default_factory=dict[str, int])
    live: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    counts: dict[str, int] = field(default_factory=dict[str, int])


async def play(sessions: Sequence[Session], seed: int, rounds: int) -> Played:
    """Let random sessions start, restart and kill jobs; fails if one of them gets at a job of another project."""
    chance = random.Random(seed)  # noqa: S311  no secret
    played = Played()
    for _ in range(rounds):
        session = chance.choice(sessions)
        await _turn(session, chance, played)
        await _nobody_elses_is_touched(sessions, session, played)
    for session in sessions:
        _hear(session, await session.ask("list_jobs", status="running"), played)
    return played


async def _turn(session: Session, chance: random.Random, played: Played) -> None:
    name = chance.choice(NAMES)
    kind = chance.choice(["start", "start", "restart", "kill"])
    if kind == "start":
        arguments: dict[str, Any] = {
            "command": chance.choice(["sleep 1000", "sleep 2000"]),
            "if_running": chance.choice(["return", "return", "restart", "new"]),
        }
        answer = await session.ask("execute_command", name=name, stdin="pipe", wait_s=0, **arguments)
    elif kind == "restart":
        answer = await session.ask("restart_job", job_id=name, wait_s=0)
    else:
        answer = await session.ask("kill_job", job_id=name, grace_s=0)
    outcome = "refused" if "error" in answer else str(answer.get("status"))
    played.counts[f"{kind} {outcome}"] = played.counts.get(f"{kind} {outcome}", 0) + 1
    _hear(session, answer, played)
    if job_id := answer.get("job_id") if "error" not in answer and outcome != "not_found" else None:
        owner = played.owner.setdefault(job_id, session.who)
        assert owner[0] == session.who[0], f"{session.who} was handed {job_id} of {owner}"


async def _nobody_elses_is_touched(sessions: Sequence[Session], actor: Session, played: Played) -> None:
    """Let one session of each other project look whether its project's jobs still run."""
    for project in {session.who[0] for session in sessions} - {actor.who[0]}:
        looker = next(session for session in sessions if session.who[0] == project)
        answer = await looker.ask("list_jobs", limit=200)
        _hear(looker, answer, played)
        for row in answer["jobs"]:
            assert played.owner[row["job_id"]][0] == project, f"{looker.who} is shown {row['job_id']}"
        live = {row["job_id"] for row in answer["jobs"] if row["status"] in ("running", "queued")}
        gone = played.live.get(project, set[str]()) - live
        assert not gone, f"{actor.who} ended {gone}"
        played.live[project] = live
    played.live.pop(actor.who[0], None)


def _hear(session: Session, answer: dict[str, Any], played: Played) -> None:
    for sentence in answer.get("endings", ()):
        job_id = sentence.split()[0]
        starter = played.owner.get(job_id)
        assert starter == session.who, f"{session.who} was told of {job_id}, which {starter} started: {sentence}"
        played.told[job_id] = played.told.get(job_id, 0) + 1
        assert played.told[job_id] == 1, f"{session.who} was told twice: {sentence}"
