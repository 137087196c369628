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
    """What is known of a batch.

    Attributes:
        batch: what was asked for.
        counts: how many of its prompts are where.
        status: the one word for that.
        running: its prompts that run.
        failures: the first of its prompts that failed.
        feeder: the job that feeds its server, or did so last.
        unknown: its prompts that were sent to servers which give no answer now; they may run there.
        trouble: why it does not get on, or why not all is known.
        detail: for what the status alone does not say.
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
    """What became of a request to cancel a batch.

    Attributes:
        view: the batch afterwards.
        pending: how many prompts were canceled before they ran.
        running: prompts that run all the same, and end by themselves or resist.
        unknown: prompts that were sent, and may run: the server does not say.
        interrupted: what became of those that were to be interrupted.
    """

    view: BatchView
    pending: int = 0
    running: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    interrupted: tuple[Cancelled, ...] = ()

    @property
    def mode(self) -> str:
        """Whether nothing of the batch runs any more, or what runs is let come to its end."""
        return "cancel_after_current" if self.running or self.unknown else "immediate"
