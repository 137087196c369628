"""The state of a batch, and the outcome of a request to cancel one."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_background_job.comfyui.prompts.cancel import Cancelled
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.core.comfyui.batch import Batch, BatchStatus, Counts
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.job import Job


@dataclass(frozen=True)
class BatchView:
    """The known facts about a batch.

    Attributes:
        batch: the request for it.
        counts: how many of its prompts are in which state.
        status: one word for the counts.
        running: its running prompts.
        failures: the first of its failed prompts.
        feeder: the job that feeds its server, or did so last.
        unknown: its prompts that were sent to servers which do not answer now; they may run there.
        trouble: why it makes no progress, or why not everything is known.
        detail: what the status alone does not say.
    """

    batch: Batch
    counts: Counts
    status: BatchStatus
    running: tuple[Prompt, ...] = ()
    failures: tuple[Submission, ...] = ()
    feeder: Job | None = None
    unknown: tuple[Submission, ...] = ()
    trouble: str = ""
    detail: str = ""


@dataclass(frozen=True)
class CanceledBatch:
    """The result of a request to cancel a batch.

    Attributes:
        view: the batch afterwards.
        pending: how many prompts were canceled before they ran.
        running: prompts that still run, and will end by themselves or resist.
        unknown: prompts that were sent and may run: the server does not say.
        interrupted: the results for the prompts that were to be interrupted.
    """

    view: BatchView
    pending: int = 0
    running: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    interrupted: tuple[Cancelled, ...] = ()

    @property
    def mode(self) -> str:
        """``immediate`` if nothing of the batch runs any more, else ``cancel_after_current``."""
        return "cancel_after_current" if self.running or self.unknown else "immediate"
