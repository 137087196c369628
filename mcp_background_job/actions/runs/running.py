"""Actions on the runs of agents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller, Question
from mcp_background_job.actions.later import GoesOn, Going, Later, State
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.runs.requests import Artifact, GoOn, ListRuns, Poll, Spawn, WhichRun
from mcp_background_job.core.text import one_line

if TYPE_CHECKING:
    from mcp_background_job.agents.catalog import Reference
    from mcp_background_job.agents.runs import RunManager
    from mcp_background_job.core.naming import Asker

#: The most seconds that a cancel takes if everything answers, for the progress that is shown meanwhile.
CANCEL_S = 2.0

#: The longest wait for the events of a run (seconds).
POLL_S = 30.0

_MILLISECONDS = 1000

#: Characters of a task in a question to a person.
_TASK = 200


#: Is told which caller waits for news of which run.
Expect = Callable[[Caller, str], None]


def nobody(caller: Caller, run_id: str) -> None:
    """Tell nobody: a caller that starts a run at a terminal sees what it asks for."""


class Running:
    """The operations on runs."""

    def __init__(self, opened: Opened[RunManager], expect: Expect = nobody) -> None:
        """Takes a function that opens the manager of runs when first needed, and one that is told what was started."""
        self._open = opened
        self._expect = expect

    async def spawn_run(self, caller: Caller, request: Spawn) -> Facts:
        """Hand a task to another coding agent and return at once; follow it with poll_events.

        The agent outlives this server. It works in a sandbox or asks for permission (input_required) unless
        backend_config has full_access=true. With too many at once it is queued.
        """
        from mcp_background_job.agents import report
        from mcp_background_job.agents.requests.request import SpawnRequest

        wanted = SpawnRequest(
            backend=request.backend,
            cwd=request.cwd,
            prompt=request.prompt,
            input_message=request.input_message,
            role=request.role,
            session_mode=request.session_mode,
            session_id=request.session_id,
            nickname=request.nickname,
            profile=request.profile,
            output_schema=request.output_schema,
            metadata=request.metadata or {},
            config=request.backend_config or {},
            timeout_s=request.timeout_s,
            idle_timeout_s=request.idle_timeout_s,
            leftovers=request.leftovers,
            project=caller.project,
            reader=caller.reader.name,
        )
        runs = await self._open()
        if await runs.check(wanted):
            # The same request has the same mark, so that consent to it holds if the caller sends it again.
            same = hashlib.sha256(repr(request).encode()).hexdigest()
            task = request.prompt or "what input_message says"
            await _agree_to_full_access(caller, request.backend, request.cwd, task, same)
        run = await runs.spawn(wanted, client=caller.client)
        self._expect(caller, run.record.run_id)
        if caller.takes_later and not run.state.is_over:
            raise GoesOn(run.record.run_id, {"run_id": run.record.run_id})
        return report.of_spawn(run)

    async def get_run(self, caller: Caller, request: WhichRun) -> Facts:
        """One run: status, summary, result or error, pending_request. agent_name (with cwd): its newest run."""
        from mcp_background_job.agents import report

        return report.of_run(await (await self._open()).get(_reference(request, caller.looks)))

    async def poll_events(self, caller: Caller, request: Poll) -> Facts:
        """Return the events after after_seq; waits for some unless the run is over. Go on at next_after_seq.

        input_required, auth_required: answer with continue_run.
        """
        from mcp_background_job.agents import report

        wait_s = request.wait_ms / _MILLISECONDS
        polling = (await self._open()).poll(
            _reference(request, caller.looks), after_seq=request.after_seq, limit=request.limit, wait_s=wait_s
        )
        return report.of_poll(await caller.wait_for(polling, "the agent works", wait_s))

    async def cancel_run(self, caller: Caller, request: WhichRun) -> Facts:
        """Stop a run for certain, from any session: returns when every process that it started is dead.

        stopped=false names what SIGKILL did not end in leftover_pids. To go on later: continue_run.
        """
        from mcp_background_job.agents import report

        cancelling = (await self._open()).cancel(_reference(request, caller.changes), by=caller.client)
        return report.of_cancel(await caller.wait_for(cancelling, "cancelling", CANCEL_S))

    async def continue_run(self, caller: Caller, request: GoOn) -> Facts:
        """Answer a waiting run (text, or data {"option_id":…}), or resume an ended one's session as a new run."""
        from mcp_background_job.agents import report
        from mcp_background_job.agents.runs import has_full_access

        runs = await self._open()
        reference = _reference(request, caller.changes)
        if caller.asks_about("full_access"):
            run = await runs.get(reference)
            record = run.record
            if run.state.is_over and has_full_access(record):
                same = hashlib.sha256(f"{record.run_id}{request.input_message!r}".encode()).hexdigest()
                task = f"to go on after {record.run_id}"
                await _agree_to_full_access(caller, record.backend, record.cwd, task, same)
        continued = await runs.go_on(reference, request.input_message, client=caller.client)
        if continued.mode == "resume":
            self._expect(caller, continued.run.record.run_id)
        told = report.of_continue(continued)
        if caller.takes_later and not continued.run.state.is_over:
            raise GoesOn(continued.run.record.run_id, {"run_id": continued.run.record.run_id, "mode": continued.mode})
        return told

    @property
    def later(self) -> Later:
        """The operations on a run that goes on after the call."""
        return Later(self._look, self._stop, self._answer, subjects=lambda state: [state["run_id"]])

    async def _look(self, _caller: Caller, state: State) -> Facts | Going:
        from mcp_background_job.actions.runs import going
        from mcp_background_job.agents import report
        from mcp_background_job.agents.catalog import Reference

        run = await (await self._open()).get(Reference(state["run_id"]))
        if not run.state.is_over or run.is_behind:
            return going.of_run(run)
        return report.of_run(run) | ({"mode": state["mode"]} if "mode" in state else {})

    async def _stop(self, caller: Caller, state: State) -> object:
        from mcp_background_job.agents.catalog import Reference

        return await (await self._open()).cancel(Reference(state["run_id"]), by=caller.client)

    async def _answer(self, caller: Caller, state: State, fields: dict[str, Any] | None) -> None:
        from mcp_background_job.actions.runs import going
        from mcp_background_job.agents.catalog import Reference

        message = going.message_of(fields)
        await (await self._open()).go_on(Reference(state["run_id"]), message, client=caller.client)

    async def list_runs(self, caller: Caller, request: ListRuns) -> Facts:
        """This project's runs, newest first."""
        from mcp_background_job.agents import report

        listed = await (await self._open()).list(
            status=request.status,
            backend=request.backend,
            cwd=request.cwd,
            project=None if request.all_projects else caller.project,
            limit=request.limit,
            offset=request.cursor,
        )
        return report.of_list(listed)

    async def get_event_artifact(self, caller: Caller, request: Artifact) -> Facts:
        """The whole of a field that an event shows truncated, in pieces."""
        from mcp_background_job.agents import report

        piece = await (await self._open()).artifact(
            _reference(request, caller.looks),
            seq=request.seq,
            field_path=request.field_path,
            offset=request.offset,
            limit=request.limit,
        )
        return report.of_artifact(request.seq, piece)


def _reference(request: WhichRun | Poll | GoOn | Artifact, asker: Asker) -> Reference:
    from mcp_background_job.agents.catalog import Reference

    return Reference(request.run_id, request.agent_name, request.cwd, asker)


async def _agree_to_full_access(caller: Caller, backend: str, cwd: str, task: str, same: str) -> None:
    text = f"Let {backend} work in {cwd} with full access, unasked and without a sandbox: {one_line(task, _TASK)}?"
    await caller.agree(Question(matter="full_access", text=text, about=frozenset({same})))
