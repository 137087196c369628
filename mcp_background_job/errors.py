"""Every exception of the project. Each says what happened, to what, and what to do next; its ``code`` never changes."""

from __future__ import annotations

from typing import ClassVar


class BackgroundJobError(Exception):
    """Another error of this program, meant to be read by a caller."""

    code: ClassVar[str] = "error"


class InvalidRequestError(BackgroundJobError):
    """An argument cannot be used; nothing was started and nothing was written."""

    code = "invalid_request"


class CommandRefusedError(InvalidRequestError):
    """The command matches none of the patterns in ``MCP_BG_ALLOWED_COMMANDS``."""

    code = "command_refused"


class AmbiguousNameError(InvalidRequestError):
    """Several projects have this name, and none of them is yours."""

    code = "ambiguous_name"


class ForeignNameError(InvalidRequestError):
    """The name belongs to another project; name the project to change something there."""

    code = "name_of_another_project"


class NameTakenError(InvalidRequestError):
    """A job of this name runs already and does something else."""

    code = "name_taken"


class UnknownJobError(BackgroundJobError):
    """No job has this id or name."""

    code = "unknown_job"


class UnknownBatchError(BackgroundJobError):
    """No batch has this id."""

    code = "unknown_batch"


class UnknownSessionError(BackgroundJobError):
    """No session has this id or name."""

    code = "unknown_session"


class TooManyDescendantsError(InvalidRequestError):
    """The job or run would be one too many, or too deep, within another job; nothing was started."""

    code = "too_many_descendants"


class DeclinedError(BackgroundJobError):
    """The user was asked, and did not say yes; nothing was done."""

    code = "declined"


class ReadOnlyError(BackgroundJobError):
    """A dashboard that may only look asked for a change; nothing was done."""

    code = "read_only"


class LaunchError(BackgroundJobError):
    """The job's process could not be started."""

    code = "launch_failed"


class AfterFailedError(LaunchError):
    """A job that this one was to run after did not complete. This one is on record, and will never be started."""


class JobEndedError(BackgroundJobError):
    """The request needs a live job, and this one has ended."""

    code = "job_ended"


class StdinClosedError(BackgroundJobError):
    """The job was started without an open stdin."""

    code = "stdin_closed"


class EngineUnreachableError(BackgroundJobError):
    """The cluster does not answer; the message says what was done, if anything."""

    code = "engine_unreachable"


class RunnerSilentError(BackgroundJobError):
    """The job's runner is alive and does not answer requests."""

    code = "runner_silent"


class SurvivorsError(BackgroundJobError):
    """Processes of the job are alive after SIGKILL; the message names them."""

    code = "survivors"

    def __init__(self, message: str, *, pids: tuple[int, ...] = ()) -> None:
        """Takes the sentence and the processes."""
        super().__init__(message)
        self.pids = pids


class UnknownRunError(BackgroundJobError):
    """No agent run has this id, or this agent's name."""

    code = "unknown_run"


class RunStateError(BackgroundJobError):
    """The agent run is not in a state in which this can be done."""

    code = "run_state"


class AgentMissingError(BackgroundJobError):
    """The agent's program is missing or too old; nothing was started."""

    code = "agent_missing"


class CorruptRecordError(BackgroundJobError):
    """A file of the job's directory cannot be read: it is not what the format says."""

    code = "corrupt_record"


class StateDirError(BackgroundJobError):
    """The state directory cannot be used."""

    code = "state_directory"


class RegistryError(BackgroundJobError):
    """The index of jobs or the journal of ComfyUI cannot be used; jobs are not affected."""

    code = "registry"


class ConfigError(BackgroundJobError):
    """A setting has a value that cannot be used."""

    code = "bad_setting"


class RelaunchError(BackgroundJobError):
    """A process cannot be started again as it was: something that this takes is unknown or gone."""

    code = "cannot_relaunch"


class WorkflowError(InvalidRequestError):
    """The workflow cannot be submitted as it is; nothing was sent."""

    code = "bad_workflow"


class UnreachableError(BackgroundJobError):
    """ComfyUI gives no usable answer, so nothing is known of its queue.

    Attributes:
        trouble: the word for why.
        nothing_done: whatever was asked for has surely not been done.
    """

    code = "unreachable"

    def __init__(self, message: str, *, trouble: str, nothing_done: bool = False) -> None:
        """Takes the sentence, the word and the certainty."""
        super().__init__(message)
        self.trouble = trouble
        self.nothing_done = nothing_done


class BrokenOutputError(BackgroundJobError):
    """A file that a prompt made is incomplete on its server."""

    code = "broken_output"


class InputPendingError(BackgroundJobError):
    """The prompt takes the output of another prompt that has not ended; it is not sent before."""

    code = "input_pending"

    def __init__(self, message: str, *, prompt_id: str) -> None:
        """Takes the prompt that is waited for, too."""
        super().__init__(message)
        self.prompt_id = prompt_id


class InputMissingError(BackgroundJobError):
    """The prompt takes the output of another prompt, which made none or lost it."""

    code = "input_missing"


class MissingOutputError(BackgroundJobError):
    """A file that a prompt made is gone from its server: it was moved or deleted there."""

    code = "missing_output"


class LifecycleError(BackgroundJobError):
    """ComfyUI cannot be started, stopped or restarted in this way; nothing was ended."""

    code = "lifecycle"


class WouldLoseError(LifecycleError):
    """Prompts would be lost that nobody has agreed to lose; nothing was ended.

    Attributes:
        prompts: the ids of all that would be lost.
        told: which these are and whose, for a person.
    """

    def __init__(self, prompts: frozenset[str], told: str) -> None:
        """Takes both."""
        super().__init__(f"what would be lost has changed: {told}")
        self.prompts = prompts
        self.told = told
