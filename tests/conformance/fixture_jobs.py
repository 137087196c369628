"""The tools of the conformance suite that become tasks: real jobs, through the real composition of the server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.report import JobResult
from mcp_background_job.actions.jobs.start import Execute, Starting
from mcp_background_job.actions.later import Going, Later, State
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.consent import FirstAskError
from mcp_background_job.server.fastmcp_names import (
    INTERNAL_ERROR,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ElicitResult,
    MCPError,
    form_in_answer,
    get_context,
)
from mcp_background_job.server.tasks.extension import EXTENSION
from tests.conformance.forms import form
from tests.patience import WAIT_S


@dataclass(frozen=True, kw_only=True)
class Greet:
    """Who is greeted."""

    name: str = "World"


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How long it takes."""

    seconds: float = 1
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Delete:
    """What is deleted."""

    filename: str = ""


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No arguments."""


class Fixtures:
    """What the suite expects of each tool, done by jobs."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of the jobs."""
        self._starting = Starting(manager, lambda _caller, _job: None)

    async def greet(self, _caller: Caller, request: Greet) -> str:
        """Greet somebody, at once."""
        return f"Hello, {request.name}!"

    async def slow_compute(self, caller: Caller, request: Compute) -> JobResult:
        """Compute for some seconds."""
        is_waited_for = request.seconds == 0 or not caller.takes_later
        return await self._run(caller, f"sleep {request.seconds:g}; echo done {request.label!r}", is_waited_for)

    async def failing_job(self, caller: Caller, _request: Nothing) -> dict[str, Any]:
        """Fail after a second, and only as a task."""
        if not caller.takes_later:
            needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "it is only done as a task", needed)
        return (await self._run(caller, "sleep 1; exit 1", is_waited_for=False)).model_dump()

    async def protocol_error_job(self, caller: Caller, _request: Nothing) -> JobResult:
        """End in an error of the protocol."""
        return await self._run(caller, "sleep 0.5", is_waited_for=False)

    async def confirm_delete(self, caller: Caller, request: Delete) -> JobResult:
        """Ask before something is deleted."""
        command = f"read -p 'Delete {request.filename}? ' answer; echo deleted"
        return await self._starting.execute_command(caller, Execute(command=command, stdin="pty", wait_s=0))

    async def test_tool_with_task(self, caller: Caller, _request: Nothing) -> JobResult:  # noqa: PT019  no test
        """Ask for a name, and say it a little later."""
        said = (get_context().input_responses or {}).get("user_name")
        if not isinstance(said, ElicitResult):
            asked = form(required=["name"], name={"type": "string"})
            raise FirstAskError(form_in_answer("user_name", "What is your name?", asked, "asked"))
        return await self._run(caller, f"sleep 0.5; echo {(said.content or {})['name']}", is_waited_for=False)

    async def _run(self, caller: Caller, command: str, is_waited_for: bool) -> JobResult:  # noqa: FBT001
        return await self._starting.execute_command(
            caller, Execute(command=command, wait_s=WAIT_S if is_waited_for else 0)
        )

    # -- later -----------------------------------------------------------------------------------------------------

    async def _failed(self, caller: Caller, state: State) -> dict[str, Any] | Going:
        seen = await self._starting.later.look(caller, state)
        return seen if isinstance(seen, Going) else seen.model_dump()

    async def _broken(self, caller: Caller, state: State) -> Going:
        seen = await self._starting.later.look(caller, state)
        if isinstance(seen, Going):
            return seen
        raise MCPError(INTERNAL_ERROR, "it has panicked")

    def actions(self) -> list[Action[Any, Any]]:
        """Return them as the tables of actions do."""
        later = self._starting.later
        failed, broken = replace(later, look=self._failed), replace(later, look=self._broken)
        return [
            Action(self.greet, Effects.LOOKS),
            Action(self.slow_compute, Effects.STARTS, later=later),
            Action(self.failing_job, Effects.STARTS, unmet=frozenset({"failed"}), later=failed),
            Action(self.protocol_error_job, Effects.STARTS, later=broken),
            Action(self.test_tool_with_task, Effects.STARTS, later=later),
            Action(self.confirm_delete, Effects.STARTS, later=Later(later.look, later.stop, later.answer)),
        ]
