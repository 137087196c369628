"""Tools that hand work to other coding agents, and keep control of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.core.run import Backend, Role
from mcp_background_job.server.context import client_name, with_progress
from mcp_background_job.server.results import RunResult

if TYPE_CHECKING:
    from mcp_background_job.agents.catalog import Reference
    from mcp_background_job.agents.runs import RunManager

#: What a cancel takes at most where everything answers, for the progress that is shown meanwhile.
_CANCEL_S = 2.0

_MILLISECONDS = 1000

Message = Annotated[
    dict[str, Any], Field(description='{"role":"user","parts":[{"type":"text","text":…}|{"type":"data","data":{…}}]}')
]


class RunsDoor:
    """The manager of runs, made when it is first asked for."""

    def __init__(self, make: Callable[[], RunManager]) -> None:
        """Takes what makes it."""
        self._make = make
        self._made: RunManager | None = None

    def open(self) -> RunManager:
        """Return it.

        Raises:
            BackgroundJobError: the directory of runs cannot be used.
        """
        if self._made is None:
            self._made = self._make()
        return self._made

    async def close(self) -> None:
        """Let go of it, if it was made."""
        if self._made is not None:
            await self._made.close()


class RunTools:
    """The tools for runs. ``agent_name`` (with ``cwd``) means the newest run of an agent."""

    def __init__(self, door: RunsDoor) -> None:
        """Takes what the tools work on."""
        self._door = door

    async def spawn_run(
        self,
        backend: Backend,
        cwd: Annotated[str, Field(description="absolute")],
        prompt: str | None = None,
        input_message: Message | None = None,
        *,
        role: Role = "worker",
        session_mode: Literal["new", "resume"] = "new",
        session_id: Annotated[str | None, Field(description="to resume")] = None,
        nickname: Annotated[str | None, Field(description="agent_name")] = None,
        profile: Annotated[str | None, Field(description="persona file")] = None,
        output_schema: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        backend_config: Annotated[
            dict[str, Any] | None,
            Field(description="model, full_access, args[], binary; command, acp: command[argv]; remote_a2a: agent_url"),
        ] = None,
        timeout_s: float | None = None,
        idle_timeout_s: float | None = None,
        leftovers: Annotated[Literal["kill", "report"], Field(description="processes that outlive the agent")] = "kill",
    ) -> RunResult:
        """Hand a task to another coding agent and return at once; follow it with poll_events.

        The agent outlives this server. It works in a sandbox or asks for permission (input_required) unless
        backend_config has full_access=true. With too many at once it is queued.
        """
        from mcp_background_job.agents import report
        from mcp_background_job.agents.request import SpawnRequest

        request = SpawnRequest(
            backend=backend,
            cwd=cwd,
            prompt=prompt,
            input_message=input_message,
            role=role,
            session_mode=session_mode,
            session_id=session_id,
            nickname=nickname,
            profile=profile,
            output_schema=output_schema,
            metadata=metadata or {},
            config=backend_config or {},
            timeout_s=timeout_s,
            idle_timeout_s=idle_timeout_s,
            leftovers=leftovers,
        )
        return RunResult(**report.of_spawn(await self._door.open().spawn(request, client=client_name())))

    async def get_run(
        self, run_id: str | None = None, agent_name: str | None = None, cwd: str | None = None
    ) -> RunResult:
        """One run: status, summary, result or error, pending_request. agent_name (with cwd): its newest run."""
        from mcp_background_job.agents import report

        return RunResult(**report.of_run(await self._door.open().get(_reference(run_id, agent_name, cwd))))

    async def poll_events(
        self,
        after_seq: int = 0,
        *,
        run_id: str | None = None,
        agent_name: str | None = None,
        cwd: str | None = None,
        limit: int = 100,
        wait_ms: Annotated[int, Field(description="max 30000")] = 20_000,
    ) -> RunResult:
        """Events behind after_seq; waits for some unless the run is over. Go on at next_after_seq.

        input_required, auth_required: answer with continue_run.
        """
        from mcp_background_job.agents import report

        polling = self._door.open().poll(
            _reference(run_id, agent_name, cwd), after_seq=after_seq, limit=limit, wait_s=wait_ms / _MILLISECONDS
        )
        polled = await with_progress(polling, "the agent works", wait_ms / _MILLISECONDS)
        return RunResult(**report.of_poll(polled))

    async def cancel_run(
        self, run_id: str | None = None, agent_name: str | None = None, cwd: str | None = None
    ) -> RunResult:
        """Stop a run for certain, from any session: returns when every process that it started is dead.

        stopped=false names what SIGKILL did not end in leftover_pids. To go on later: continue_run.
        """
        from mcp_background_job.agents import report

        cancelling = self._door.open().cancel(_reference(run_id, agent_name, cwd), by=client_name())
        return RunResult(**report.of_cancel(await with_progress(cancelling, "cancelling", _CANCEL_S)))

    async def continue_run(
        self,
        input_message: Message,
        *,
        run_id: str | None = None,
        agent_name: str | None = None,
        cwd: str | None = None,
    ) -> RunResult:
        """Answer a waiting run (text, or data {"option_id":…}), or resume an ended one's session as a new run."""
        from mcp_background_job.agents import report

        continuing = self._door.open().go_on(_reference(run_id, agent_name, cwd), input_message, client=client_name())
        return RunResult(**report.of_continue(await continuing))

    async def list_runs(
        self,
        status: str | None = None,
        backend: str | None = None,
        cwd: str | None = None,
        limit: int = 20,
        cursor: int = 0,
    ) -> RunResult:
        """Runs, newest first."""
        from mcp_background_job.agents import report

        listed = await self._door.open().list(status=status, backend=backend, cwd=cwd, limit=limit, offset=cursor)
        return RunResult(**report.of_list(listed))

    async def get_event_artifact(
        self,
        seq: int,
        field_path: Annotated[str, Field(description="a key of data.artifact_refs")],
        *,
        run_id: str | None = None,
        agent_name: str | None = None,
        cwd: str | None = None,
        offset: int = 0,
        limit: Annotated[int, Field(description="bytes, max 262144")] = 65_536,
    ) -> RunResult:
        """The whole of a field that an event shows truncated, in pieces."""
        from mcp_background_job.agents import report

        runs, reference = self._door.open(), _reference(run_id, agent_name, cwd)
        piece = await runs.artifact(reference, seq=seq, field_path=field_path, offset=offset, limit=limit)
        return RunResult(**report.of_artifact(seq, piece))


def _reference(run_id: str | None, agent_name: str | None, cwd: str | None) -> Reference:
    from mcp_background_job.agents.catalog import Reference

    return Reference(run_id, agent_name, cwd)
