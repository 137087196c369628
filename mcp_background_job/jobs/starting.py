"""Starts jobs: new ones, those of a name once, and again what ran before."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

from mcp_background_job.core.aftermath import forced
from mcp_background_job.core.job import Job
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.states import State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import (
    AfterFailedError,
    BackgroundJobError,
    InvalidRequestError,
    StateDirError,
    UnknownJobError,
)
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.attempts import MOST, most_of, once
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.indexing.view import job_of
from mcp_background_job.jobs.inherited.environment import is_secret
from mcp_background_job.jobs.inherited.inheritance import Inheritance, Inherited
from mcp_background_job.jobs.inherited.shell import shell_in
from mcp_background_job.jobs.lineage import is_any_stopped, lineage
from mcp_background_job.jobs.looking import Looker
from mcp_background_job.jobs.policy import GRACE_S, Policy
from mcp_background_job.jobs.request import (
    ROOT,
    Changes,
    StartRequest,
    check,
    check_grace,
    check_same,
    inherited_by,
    new_job_id,
    spec_of,
)
from mcp_background_job.jobs.stopping import Stopper

#: Attempts to find a free id: in a directory with a million jobs one in thirty is taken.
_ID_ATTEMPTS = 20


@frozen
class Started:
    """A job that was started, or found.

    Attributes:
        job: the job.
        pid: of its command, if it runs already.
        existed: it was running under this name before, and nothing was started.
        note: what the caller may not expect of the environment that it has.
    """

    job: Job
    pid: int | None
    existed: bool = False
    note: str | None = None


@frozen
class _Asked:
    """A request, and who asks."""

    request: StartRequest
    after: list[str]
    client: str
    wait_for_report: bool


def _key(name: str, project: str) -> str:
    """Return what is locked while a job of a name is started: other projects need not wait."""
    return f"{project}/{name}" if project else name


class Starter:
    """Starts jobs; see ``JobManager`` for what is not said here."""

    def __init__(
        self,
        places: Places,
        index: Index,
        policy: Policy,
        *,
        inheritance: Inheritance,
        looker: Looker,
        stopper: Stopper,
    ) -> None:
        """Takes its parts."""
        self._places = places
        self._index = index
        self._policy = policy
        self._inheritance = inheritance
        self._looker = looker
        self._stopper = stopper

    async def start(self, request: StartRequest, *, client: str, wait_for_report: bool) -> Started:
        """Start a job, or return the live one of the same name if that is asked for."""
        project = self._policy.project if request.project is None else request.project
        after = [(await self._looker.find(other, Asker(project))).job_id for other in request.after]
        if request.on or after:
            await lanes.look(self._check_place, request, after)
        asked = _Asked(request, after, client, wait_for_report)
        if request.name is None or request.if_running == "new":
            started = await self._start(asked)
            self._index.put_later([started.job])
            return started
        cwd = await lanes.look(self._check, request)  # before anything is stopped; it is checked again then
        by_force = None
        async with self._places.name_held(_key(request.name, project)):
            if live := await self._live_named(request.name, project):
                if request.if_running == "return":
                    if not request.is_own:  # what we run ourselves is the same under one name, however it is begun
                        await lanes.look(check_same, live.job.label, await self._spec(live.job), request.command, cwd)
                    return live
                if request.parent is None:
                    asked = replace(asked, request=replace(request, parent=await self._parent_of(live.job)))
                by_force = await self._make_way(live.job, client=client, why=f"restart of {request.name}")
            started = await self._start(asked)
            await self._index.put([started.job])
            return replace(started, note="; ".join(filter(None, (by_force, started.note))) or None)

    def _check(self, request: StartRequest) -> str:
        """Check a request; returns the working directory. Where it is to run is checked too."""
        return check(request, self._policy, is_apart=self._places.named(request.on).is_apart)

    def _check_place(self, request: StartRequest, after: list[str]) -> None:
        """Check where a job is to run.

        Raises:
            InvalidRequestError: there is no such place, or it knows nothing of a job that this one is to run after.
        """
        chosen = self._places.named(request.on)
        for other in after:
            if (place := self._places.of(other)) is not chosen:
                raise InvalidRequestError(
                    f"after: job {other} is at {place.name}, and this one would be at {chosen.name}, which knows "
                    "nothing of its end: start both at one place, or start this one when that has ended"
                )

    async def _start(self, asked: _Asked) -> Started:
        is_whole = asked.request.environment is not None or self._places.named(asked.request.on).is_apart
        inherited = Inherited({}, source="") if is_whole else await self._inheritance.get()
        spec, job = await lanes.write(self._prepared, asked, inherited)
        try:
            submitted = await self._places.launch(spec, wait_for_report=asked.wait_for_report)
        except AfterFailedError:  # had the other job failed a moment later, this one would be on record just so
            return Started((await self._looker.look(job))[0], None, note=inherited.note)
        except BackgroundJobError:
            if await lanes.look(self._places.store_of(job.job_id).is_recorded, job.job_id):
                await self._index.put([job])  # it is on record, and can be asked for by its name
            raise
        state = State.QUEUED if submitted.queued else State.RUNNING
        return Started(replace(job, state=state), submitted.pid, note=inherited.note)

    def _prepared(self, asked: _Asked, inherited: Inherited) -> tuple[Spec, Job]:
        """Return what is asked for, checked, and the job that it makes: where that really is only the disk can say."""
        spec = self._spec_of(asked, inherited)
        return spec, job_of(spec)

    def _spec_of(self, asked: _Asked, inherited: Inherited) -> Spec:
        cwd = self._check(asked.request)
        job_id = asked.request.job_id or self._claim_id(asked.request.on)
        store = self._places.store_of(job_id)
        return spec_of(
            asked.request,
            self._policy,
            job_id=job_id,
            identity=store.identity_of(job_id),
            cwd=cwd,
            after=asked.after,
            client=asked.client,
            ancestors=self._ancestors_of(asked.request),
            inherited=inherited,
            keep=partial(store.keep, job_id),
        )

    def _ancestors_of(self, request: StartRequest) -> list[str]:
        parent = self._policy.parent if request.parent is None else request.parent
        return lineage(self._places, parent) if parent else []

    async def restart(self, job_id: str, changes: Changes | None = None, *, client: str, reader: str) -> Started:
        """Start the same command again, under the same name; a job that still runs is stopped first."""
        changes = changes or Changes()
        job = await self._looker.find(job_id)
        spec = await self._spec(job)
        if run_id := spec.env.get(RUN_ID_VARIABLE):
            raise InvalidRequestError(
                f"job {job.label} is run {run_id} of an agent: continue_run goes on with it, spawn_run starts another"
            )
        command, cwd = changes.command or spec.command, changes.cwd or spec.cwd
        # Before anything is stopped: what cannot be started must not cost what runs.
        wanted = StartRequest(command=command, cwd=cwd, env=changes.env, is_own=spec.is_own, on=spec.on)
        check_grace(changes.grace_s)
        await lanes.look(self._check, wanted)
        by_force = None
        if job.state is not State.EXITED:
            by_force = await self._make_way(job, client=client, why="restart", grace_s=changes.grace_s)
        # What the server has of its own, and what it has from the login shell by now, nobody has asked for.
        own, now = (
            inherited_by(spec.stdin, variables)
            for variables in (self._inheritance.own, (await self._inheritance.get()).variables)
        )
        request = StartRequest(
            command=command,
            name=spec.name,
            cwd=cwd,
            env={
                key: value
                for key, value in spec.env.items()
                if value not in (own.get(key), now.get(key)) and not is_secret(key)
            }
            | dict(changes.env),
            stdin=spec.stdin,  # pyright: ignore[reportArgumentType]  checked when it was first asked for
            stdin_text=await lanes.look(self._stdin_text, spec),
            shell=shell_in(spec.argv if spec.attempts_file is None else once(spec.argv)),
            restart="no" if spec.attempts_file is None else "on-failure",
            attempts=MOST if spec.attempts_file is None else most_of(spec.argv),
            timeout_s=spec.timeout_s,
            leftovers="kill" if spec.leftovers == "kill" else "keep",
            stop_signal=spec.stop_signal,
            stop_grace_s=spec.stop_grace_s,
            if_running="restart",
            is_own=spec.is_own,
            restarted_from=job.job_id,
            parent=await self._parent_of(job),
            project=job.project,
            reader=reader,
            on=spec.on,
        )
        started = await self.start(request, client=client, wait_for_report=True)
        return replace(started, note="; ".join(filter(None, (by_force, started.note))) or None)

    async def _make_way(self, job: Job, *, client: str, why: str, grace_s: float = GRACE_S) -> str | None:
        """Stop a job that another takes the place of; returns what to say if it did not go when it was asked to."""
        await self._stopper.kill(job.job_id, by=client or "restart", why=why, grace_s=grace_s)
        end = (await self._looker.look(job))[1].exit
        by_force = forced(grace_s, "SIGTERM", end.killed_pids) if end else None
        return by_force and f"job {job.label} {by_force}"

    async def _spec(self, job: Job) -> Spec:
        spec = await lanes.look(self._places.store_of(job.job_id).spec, job.job_id)
        if spec is None:
            raise UnknownJobError(f"the request for job {job.label} is no longer on record")
        return spec

    def _stdin_text(self, spec: Spec) -> str | None:
        if spec.stdin_file is None:
            return None
        try:
            with open(spec.stdin_file, "rb") as file:
                return os.fsdecode(file.read())
        except OSError as error:
            raise UnknownJobError(
                f"the input that job {spec.job_id} began with cannot be read from {spec.stdin_file}: {error.strerror}"
            ) from error

    async def _parent_of(self, job: Job) -> str | None:
        """Return the parent for what takes the place of a job: that of the job, whoever asks for it.

        With a parent that was stopped it would end at once. Then it belongs to whoever asks (``None``).
        """
        spec = await self._spec(job)
        is_over = await lanes.look(is_any_stopped, self._places, spec.ancestors)
        return None if is_over else spec.parent or ROOT

    async def claim_id(self) -> str:
        """Take a free id, for whoever writes it down before the job is started."""
        return await lanes.write(self._claim_id)

    def _claim_id(self, on: str = "") -> str:
        for _ in range(_ID_ATTEMPTS):
            job_id = new_job_id()
            if self._places.claim(job_id, on):
                return job_id
        raise StateDirError("no free job id found: prune old jobs")

    async def _live_named(self, name: str, project: str) -> Started | None:
        named = await self._index.newest_named(name, project)
        if named is None:
            return None
        job, seen = await self._looker.look(named)
        if job.state is State.EXITED:
            return None
        return Started(job, seen.status.pid if seen.status else None, existed=True)
