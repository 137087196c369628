"""Turns a request into a run's directory and a job."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mcp_background_job.agents import records
from mcp_background_job.agents.adapters.base import Adapter, Attachment, Launch, RunRequest
from mcp_background_job.agents.adapters.options import string
from mcp_background_job.agents.catalog import Catalog
from mcp_background_job.agents.life.environment import environment_of
from mcp_background_job.agents.records import RunRecord
from mcp_background_job.agents.requests import attachments, messages
from mcp_background_job.agents.requests.attachments import File
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.core.schedule import RUNS
from mcp_background_job.core.states import State
from mcp_background_job.core.text import shortened
from mcp_background_job.errors import AgentMissingError, InvalidRequestError, StateDirError
from mcp_background_job.executors import lanes, locks
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import RunDir
from mcp_background_job.jobdir.records import write
from mcp_background_job.jobs.inherited.inheritance import Inheritance
from mcp_background_job.jobs.lineage import lineage, run_of
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest, stop_signal

#: Bytes of log kept of an agent, unless jobs are given more: output that is dropped before it is read makes no events.
LOG_BYTES = 256 * 1024 * 1024

#: Characters of a task that are shown of a run.
MAX_PROMPT = 500

#: Stands for the id of a run that does not exist yet.
_NOT_MADE = "r"

#: No other process holds the lock of a run that is being made.
_NO_WAIT_S = 0.0

#: Backends whose program is ``backend_config.command``; for others, ``backend_config.binary`` may name it.
_ANY_PROGRAM = ("command", "acp")


@dataclass(frozen=True)
class Session:
    """The session of a run.

    Attributes:
        session_id: our id of the session.
        agent_name: the name of its agent.
        resume: the agent's own id, to resume the session.
    """

    session_id: str
    agent_name: str | None = None
    resume: str | None = None


@dataclass(frozen=True)
class Policy:
    """The settings for runs: how many at once, and which of our variables agents get beyond the usual ones."""

    max_runs: int
    passed: tuple[str, ...] = ()


class Launcher:
    """Starts runs."""

    def __init__(self, manager: JobManager, catalog: Catalog, policy: Policy, inheritance: Inheritance) -> None:
        """Takes its parts, and the environment from which agents get theirs."""
        self._manager = manager
        self._catalog = catalog
        self._policy = policy
        self._inheritance = inheritance

    def check(self, adapter: Adapter, request: SpawnRequest, text: str) -> None:
        """Check everything in a request that needs neither the agent's program nor its session.

        Raises:
            InvalidRequestError: the agent cannot do what the request asks for.
        """
        string(request.config, "binary")  # adapters use it only to find the program
        run, session = self._catalog.directory(_NOT_MADE), Session(request.session_id or "")
        adapter.launch(_run_request(run, request, text, session, ()), request.backend)

    async def binary_of(self, adapter: Adapter, request: SpawnRequest) -> str:
        """Return the agent's program.

        Raises:
            AgentMissingError: the program is missing or too old.
        """
        environment = (await self._inheritance.get()).variables
        there = await lanes.lasting(adapter.available, request.config, environment)
        if there.path is None:
            raise AgentMissingError(there.reason)
        return there.path

    async def launch(
        self, adapter: Adapter, request: SpawnRequest, text: str, session: Session, client: str
    ) -> RunRecord:
        """Start a run, or put it in the queue; returns once it is on record.

        Raises:
            AgentMissingError: the agent's program is missing; nothing was written.
            InvalidRequestError: the agent cannot do what the request asks for; nothing was written.
            LaunchError: the run is on record and could not be started.
        """
        binary = await self.binary_of(adapter, request)
        files = messages.read(request.input_message).files if request.input_message else ()
        run = await lanes.write(self._catalog.claim)
        job_id = await self._manager.claim_id()
        # A reader that finds the run before its job is recorded waits for the lock, and so does not take it for
        # abandoned.
        async with locks.held(lambda: lock.acquire(run.lock), patience_s=_NO_WAIT_S):
            try:
                places = attachments.placed(run.temporary, files)
                told = text if "files" in adapter.capabilities else attachments.with_paths(text, places)
                launch = adapter.launch(_run_request(run, request, told, session, tuple(places)), binary)
                record = _record(run, request, session, launch, job_id=job_id, client=client)
                full_access = adapter.full_access(request.config)
                record = replace(record, prompt=shortened(text, MAX_PROMPT), full_access=full_access)
                record = replace(record, **await lanes.look(self._descent))
                await lanes.write(_write_files, run, launch, record, places, files)
                environment = (await self._inheritance.get()).variables
                await self._manager.start(await lanes.look(self._start_request, run, record, launch, environment))
            # The agent cannot do it, a pattern forbids it, or the disk is full.
            except (InvalidRequestError, StateDirError):
                await lanes.write(self._remove, run, job_id)
                raise
        return record

    def _descent(self) -> dict[str, str | None]:
        parent, places = self._manager.own_job, self._manager.places
        if parent is None:
            return {}
        return {"parent": parent, "parent_run_id": run_of(places, lineage(places, parent))}

    def host_in(self, runs: Sequence[RunRecord]) -> RunRecord | None:
        """Return the run among these that goes on and within which this process works, if any; it reads files."""
        own, places = self._manager.own_job, self._manager.places
        ancestors = lineage(places, own) if own else []
        hosts = [record for record in runs if record.job_id in ancestors]
        seen = places.look([record.job_id for record in hosts])
        return next((host for host in hosts if (now := seen.get(host.job_id)) and now.state is not State.EXITED), None)

    def _remove(self, run: RunDir, job_id: str) -> None:
        shutil.rmtree(run.path, ignore_errors=True)
        self._manager.places.store_of(job_id).remove(job_id)

    def _start_request(
        self, run: RunDir, record: RunRecord, launch: Launch, inherited: Mapping[str, str]
    ) -> StartRequest:
        command = f"exec {shlex.join(launch.argv)}"
        environment = environment_of(
            inherited,
            run_id=record.run_id,
            cwd=record.cwd,
            temporary=run.temporary,
            passed=(*self._policy.passed, *launch.pass_env),
            added=launch.env,
        )
        return StartRequest(
            command=command if launch.keeps_stdin else f"{command} < {shlex.quote(run.stdin)}",
            name=record.run_id,
            if_running="new",
            project=record.project,
            reader=record.reader,
            job_id=record.job_id,
            cwd=record.cwd,
            stdin="pipe" if launch.keeps_stdin else "closed",
            stdin_file=run.stdin if launch.keeps_stdin else None,
            environment=environment,
            guarded=_chosen_program(record, launch),
            timeout_s=record.timeout_s,
            idle_timeout_s=record.idle_timeout_s,
            leftovers="kill" if record.leftovers == "kill" else "keep",
            stop_signal=stop_signal(record.polite_signal),
            stop_grace_s=record.grace_s,
            pools={RUNS: self._policy.max_runs, f"session {record.session_id}": 1},
            max_output=LOG_BYTES,
            large_pipes=True,  # the Gemini CLI was seen to exit and lose output that did not fit into the pipe
        )


def _chosen_program(record: RunRecord, launch: Launch) -> str:
    """Return the command that the caller chose, to which the patterns for commands apply; empty if there is none."""
    if record.backend in _ANY_PROGRAM:
        return shlex.join(record.config["command"])  # the adapter has checked it
    return shlex.join(launch.argv) if record.config.get("binary") else ""


def _run_request(
    run: RunDir, request: SpawnRequest, text: str, session: Session, files: tuple[Attachment, ...]
) -> RunRequest:
    return RunRequest(
        run_id=run.run_id,
        cwd=os.path.normpath(request.cwd),
        prompt=text,
        directory=run.path,
        resume=session.resume,
        output_schema=request.output_schema,
        config=request.config,
        role=request.role,
        files=files,
    )


def _record(
    run: RunDir, request: SpawnRequest, session: Session, launch: Launch, *, job_id: str, client: str
) -> RunRecord:
    return RunRecord(
        run_id=run.run_id,
        job_id=job_id,
        backend=request.backend,
        role=request.role,
        agent_name=request.nickname or session.agent_name or f"{request.backend}-{run.run_id}",
        session_id=session.session_id,
        session_mode=request.session_mode,
        cwd=os.path.normpath(request.cwd),
        created_at=time.time(),
        client=client,
        metadata=dict(request.metadata),
        output_schema=dict(request.output_schema) if request.output_schema is not None else None,
        config=dict(request.config),
        resume=session.resume,
        resumed_from_run_id=request.resumed_from_run_id,
        timeout_s=request.timeout_s,
        idle_timeout_s=request.idle_timeout_s,
        leftovers=request.leftovers,
        keeps_stdin=launch.keeps_stdin,
        project=request.project,
        reader=request.reader,
        polite_signal=launch.polite_signal,
        grace_s=launch.grace_s,
    )


def _write_files(
    run: RunDir, launch: Launch, record: RunRecord, places: Sequence[Attachment], files: Sequence[File]
) -> None:
    try:
        os.mkdir(run.temporary, 0o700)
        attachments.keep(places, files)
        write(run.stdin, launch.stdin)
        for name, content in launch.files.items():
            write(os.path.join(run.path, os.path.basename(name)), content)
        records.store(run.record, record)  # last: a directory without it is no run
    except OSError as error:
        raise StateDirError(f"the files of a run cannot be written to {run.path}: {error.strerror}") from error
