"""The state of a job now: from the files that are here, and from Ray's last answer. Reads files, asks nobody."""

from __future__ import annotations

import dataclasses
import os
import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.claims import Claim
from mcp_background_job.executors.nodes.ending import as_ended
from mcp_background_job.executors.nodes.signs import changed_at
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.watcher import Known, Picture, Watcher
from mcp_background_job.executors.ray import native, states, words
from mcp_background_job.executors.ray.native import Noted
from mcp_background_job.jobdir.ancestry import withdrawn
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import Observation, told
from mcp_background_job.jobdir.records import Exit

#: Seconds after a submission in which an answer that was under way may lack the job.
SHOWS_AFTER_S = 5.0

#: Seconds without any sign after which a runner counts as dead. If a head is gone, its nodes go on with their jobs for
#: a minute; then they end.
_SIGN_OF_LIFE_S = 120.0


class Seeing:
    """Looks at jobs."""

    def __init__(self, store: NodeStore, watcher: Watcher, cluster: str) -> None:
        """Takes its parts, and the value that distinguishes this cluster from others."""
        self._store = store
        self._watcher = watcher
        self._cluster = cluster
        self._ends: dict[str, Exit] = {}
        #: Jobs that are over, and whose log in Ray was searched since and has no record.
        self.without_record: set[str] = set()

    def end_was_told(self, job_id: str, record: Exit) -> None:
        """Keep a runner's report of an end that is not on record here yet."""
        self._ends[job_id] = record

    def told_end(self, job_id: str) -> Exit | None:
        """Return the reported end of a job, ``None`` if there is none."""
        return self._ends.get(job_id)

    def seen(self, job_id: str) -> Observation | None:
        """Return the state of a job, ``None`` if there is no such job."""
        if not self._store.has(job_id):
            return None
        job, picture = self._store.job(job_id), self._watcher.picture
        noted = native.read(job) or Noted("", "", self._cluster)
        known = self.known(job_id, noted, picture)
        claim = claims.claim_of(job)
        files = told(job)
        submission_id = noted.submission_id(job_id) if noted.is_confirmed else ""
        engine = words.engine(submission_id, _node(claim, known), noted.gpus)
        if files.state is State.EXITED:
            self._ends.pop(job_id, None)
            return dataclasses.replace(files, engine=engine)
        if record := self._ends.get(job_id):
            return Observation(State.EXITED, Outcome(record.outcome), exit=record, engine=engine)
        return dataclasses.replace(self._live(job, files, noted, known, claim), engine=engine)

    def known(self, job_id: str, noted: Noted, picture: Picture | None = None) -> Known | None:
        """Return Ray's entry for the last submission of our job; other users' jobs may have the same id of ours."""
        jobs = (picture or self._watcher.picture).jobs.get(job_id, ())
        submission_id = noted.submission_id(job_id)
        return next((one for one in jobs if one.line.native_id == submission_id), None)

    def word(self, job_id: str, noted: Noted) -> str | None:
        """Return Ray's word for a job, ``None`` if it has none that can be believed."""
        picture = self._watcher.picture
        known = self.known(job_id, noted, picture)
        if known is not None:
            return known.line.state
        is_asked_since = picture.answered_at > noted.asked_at + SHOWS_AFTER_S
        is_ours = noted.cluster == self._cluster
        return states.GONE if is_ours and noted.is_confirmed and is_asked_since else None

    def changed_at(self, job_id: str) -> int:
        """Return when Ray's word for a job changed last (nanoseconds since the epoch)."""
        since = [known.since for known in self._watcher.picture.jobs.get(job_id, ())]
        return int(max(since, default=0.0) * 1e9)

    def _live(
        self, job: JobDir, files: Observation, noted: Noted, known: Known | None, claim: Claim | None
    ) -> Observation:
        word = self.word(job.job_id, noted)
        has_begun = os.path.exists(job.address)
        never_ran = not has_begun and not (known and known.line.nodes)
        if claim and claim.withdrawn and never_ran and (not noted.asked_at or states.is_over(word)):
            return as_ended(files, withdrawn(claim.withdrawn))
        reason = known.line.reason if known else ""
        if states.has_waited_too_long(word, reason):
            word = None  # the job is submitted again
        is_settled = job.job_id in self.without_record
        if word == states.GONE:
            is_settled = is_settled and not self._lives(job)
        reported = State(files.status.state) if files.status else None
        verdict = states.judge(word, reported=reported, has_begun=has_begun, is_settled=is_settled)
        seen = dataclasses.replace(
            files,
            state=verdict.state,
            engine_note=words.note(word, reason, noted, is_withdrawn=bool(claim and claim.withdrawn))
            if verdict.state is State.QUEUED
            else None,
            stale_since=self._watcher.stale_since,
        )
        if verdict.outcome is None:
            return seen
        record = Exit(
            outcome=verdict.outcome.value,
            ended_at=known.since if known else time.time(),
            started_at=files.status.started_at if files.status else None,
            reason=words.failure(verdict.why, noted.submission_id(job.job_id), _node(claim, known), reason),
        )
        return as_ended(seen, record)

    def _lives(self, job: JobDir) -> bool:
        """Tell whether any file of a job has changed here lately."""
        came_at = changed_at((job.address, job.usage, job.log, job.status))
        return self._watcher.picture.answered_at - came_at < _SIGN_OF_LIFE_S


def _node(claim: Claim | None, known: Known | None) -> str:
    return (claim.node if claim else "") or (known.line.nodes if known else "")
