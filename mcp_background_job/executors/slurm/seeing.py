"""The state of a job now: from its files, and from Slurm's last answer. Reads files, asks nobody."""

from __future__ import annotations

import dataclasses
import functools
import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors import filesystem
from mcp_background_job.executors.nodes import claims, native
from mcp_background_job.executors.nodes.claims import Claim
from mcp_background_job.executors.nodes.ending import as_ended
from mcp_background_job.executors.nodes.native import Native
from mcp_background_job.executors.nodes.signs import changed_at
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.submitting import behind
from mcp_background_job.executors.nodes.verdicts import Verdict
from mcp_background_job.executors.nodes.watcher import Known, Line, Picture, Watcher
from mcp_background_job.executors.slurm import late, states, words
from mcp_background_job.executors.slurm.submitting import REPEAT_AFTER_S
from mcp_background_job.jobdir.ancestry import withdrawn
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import Observation, told
from mcp_background_job.jobdir.records import Exit

#: Seconds. Slurm reports a job as over when its node does, and the runner's last file was written before that. The file
#: appears here within moments or, on a file system with caches, somewhat later.
_GRACE_S = 5.0
_GRACE_IF_SHARED_S = 15.0

#: Seconds. A runner looks at its job, and writes a sample, at least every ten. If it has written nothing for so long,
#: and Slurm does not know the job, it is gone; until then, the controller may only have lost its memory.
_SIGN_OF_LIFE_S = 120.0

#: The most jobs whose submission is remembered: a native id never changes once it is known.
_KEPT = 20_000


class Seeing:
    """Looks at jobs."""

    def __init__(self, store: NodeStore, watcher: Watcher, cluster: str) -> None:
        """Takes its parts, and the value that distinguishes this cluster from others."""
        self._store = store
        self._watcher = watcher
        self._cluster = cluster
        self._noted: dict[str, Native] = {}
        self._ends: dict[str, Exit] = {}

    def end_was_told(self, job_id: str, record: Exit) -> None:
        """Keep a runner's report of an end whose record may appear here late."""
        self._ends[job_id] = record

    def seen(self, job_id: str) -> Observation | None:
        """Return the state of a job, ``None`` if there is no such job."""
        if not self._store.has(job_id):
            return None
        job, picture = self._store.job(job_id), self._watcher.picture  # Slurm's word first: files may be newer
        noted, known = self.noted(job), picture.jobs.get(job_id, [])
        files = self._told(job, known)
        if files.state is State.EXITED:
            self._ends.pop(job_id, None)
            return dataclasses.replace(files, engine=self._engine(noted, known, claims.claim_of(job)))
        if end := self._ends.get(job_id):
            return Observation(State.EXITED, Outcome(end.outcome), exit=end)
        return self._live(job, files, noted, picture, known)

    def _told(self, job: JobDir, known: list[Known]) -> Observation:
        files = told(job)
        if files.state is State.EXITED or not self._is_shared:
            return files
        claim = claims.claim_of(job)
        word, _ = word_of(known, claim.native_id if claim else "")
        if not late.is_behind(job, files, word):
            return files
        late.look_anew(job)
        return told(job)

    def noted(self, job: JobDir) -> Native:
        """Return the submission record of a job."""
        noted = self._noted.get(job.job_id)
        if noted is None:
            noted = native.read(job) or Native(0.0)
            if noted.native_id:
                if len(self._noted) >= _KEPT:
                    self._noted.clear()
                self._noted[job.job_id] = noted
        return noted

    def changed_at(self, job_id: str) -> int:
        """Return when Slurm's word for a job last changed, or came to be settled (nanoseconds since the epoch)."""
        now = time.time()
        moments = [0.0]
        for known in self._watcher.picture.jobs.get(job_id, ()):
            settles = known.since + self.grace_s
            moments.append(settles if states.is_over(known.line.state) and settles <= now else known.since)
        return int(max(moments) * 1e9)

    @property
    def grace_s(self) -> float:
        """Seconds after which Slurm is believed that a job without an exit record is over."""
        return _GRACE_IF_SHARED_S if self._is_shared else _GRACE_S

    @functools.cached_property
    def _is_shared(self) -> bool:
        return filesystem.is_shared(filesystem.kind_of(self._store.state.path))

    def _live(
        self, job: JobDir, files: Observation, noted: Native, picture: Picture, known: list[Known]
    ) -> Observation:
        claim = claims.claim_of(job)
        if claim and claim.withdrawn:  # withdrawn by a process that died before it recorded the end
            return as_ended(files, withdrawn(claim.withdrawn))
        word, current = self._word(job, noted, picture, known, claim)
        verdict = states.judge(
            word,
            reported=files.status and State(files.status.state),
            is_claimed=claim is not None,
            is_settled=self._is_settled(picture, current),
        )
        stale_since = self._watcher.stale_since
        seen = dataclasses.replace(
            files,
            state=verdict.state,
            engine=self._engine(noted, known, claim),
            engine_note=words.note(
                word,
                current.line.reason if current else "",
                is_claimed=claim is not None,
                is_confirmed=claim is not None or bool(noted.native_id or known),
            ),
            stale_since=stale_since,
        )
        if verdict.outcome is None:
            return seen
        return as_ended(seen, self._record(job, files, verdict, current or noted))

    def _word(
        self, job: JobDir, noted: Native, picture: Picture, known: list[Known], claim: Claim | None
    ) -> tuple[str | None, Known | None]:
        """Return Slurm's word for a job, ``None`` if it has none that can be believed."""
        word, current = word_of(known, claim.native_id if claim else "")
        if word != states.GONE:
            return word, current
        is_asked_since = picture.answered_at > noted.asked_at + REPEAT_AFTER_S
        is_ours = noted.cluster == self._cluster
        # An unconfirmed job will be submitted again: nothing is known of it.
        is_believed = is_ours and is_asked_since and bool(noted.native_id) and not lives(job, picture.answered_at)
        return (states.GONE if is_believed else None), None

    def is_suspended(self, job_id: str) -> bool:
        """Tell whether Slurm has suspended a job, as far as is known."""
        claim = claims.claim_of(self._store.job(job_id))
        known = self._watcher.picture.jobs.get(job_id, [])
        return word_of(known, claim.native_id if claim else "")[0] == states.SUSPENDED

    def end_in_slurm(self, job: JobDir, line: Line | None) -> Exit:
        """Return how a job ended that its runner has not reported; ``line``: what Slurm has of it, if anything."""
        outcome, why = states.end_of(line.state if line else states.GONE, is_claimed=claims.is_claimed(job))
        by = Known(line, time.time()) if line else self.noted(job)
        return self._record(job, told(job), Verdict(State.EXITED, outcome, why), by)

    def _is_settled(self, picture: Picture, current: Known | None) -> bool:
        if current is None:  # then the runner has given no sign for even longer
            return True
        return picture.answered_at >= current.since and time.time() - current.since >= self.grace_s

    def _record(self, job: JobDir, files: Observation, verdict: Verdict, by: Known | Native) -> Exit:
        native_id, nodes = (by.line.native_id, by.line.nodes) if isinstance(by, Known) else (by.native_id, "")
        outcome = verdict.outcome or Outcome.LOST
        reason = words.failure(job, outcome, verdict.why, native_id, nodes)
        if outcome is Outcome.KILLED and (broken := self._broken(job)):
            outcome, reason = Outcome.FAILED, f"not started: {broken}"  # Slurm cancels jobs that can never start
        return Exit(
            outcome=outcome.value,
            ended_at=by.since if isinstance(by, Known) else time.time(),
            started_at=files.status.started_at if files.status else None,
            reason=reason,
        )

    def _broken(self, job: JobDir) -> str | None:
        if claims.is_claimed(job):
            return None
        spec = self._store.spec(job.job_id)
        for other in spec.after if spec else ():
            before = self.seen(other)
            if before is None or (before.state is State.EXITED and before.outcome is not Outcome.COMPLETED):
                return behind(other, before and before.outcome)
        return None

    def _engine(self, noted: Native, known: list[Known], claim: Claim | None) -> str:
        _, current = word_of(known, claim.native_id if claim else "")
        native_id = (claim and claim.native_id) or (current and current.line.native_id) or noted.native_id
        node = (claim and claim.node) or (current.line.nodes if current else "")
        return words.engine(native_id, node, noted.gpus)


def word_of(known: list[Known], claimed_by: str) -> tuple[str, Known | None]:
    """Return Slurm's word for a job of ours, and the Slurm job that it is about."""
    found = states.chosen({one.line.native_id: one.line.state for one in known}, claimed_by)
    if found is None:
        return states.GONE, None
    return found[1], next((one for one in known if one.line.native_id == found[0]), None)


def lives(job: JobDir, now: float) -> bool:
    """Tell whether a runner has written anything into a job's directory lately."""
    return now - changed_at((job.path, job.usage, job.log, job.status)) < _SIGN_OF_LIFE_S
