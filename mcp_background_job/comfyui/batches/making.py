"""Makes the prompts of a batch from workflows and values for their inputs."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mcp_background_job.comfyui.prompts.graphs.overrides import Combine, Overrides, as_note, expand
from mcp_background_job.comfyui.prompts.graphs.workflow import Workflow
from mcp_background_job.comfyui.wire.progress import as_text
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.errors import InvalidRequestError

#: A batch with more is most likely a mistake in its lists of values.
MAX_PROMPTS = 100_000

#: A larger number must be confirmed by the caller: one list of values too many makes a week of work.
UNASKED = 1000

#: One prompt that runs, and one that follows it without a pause.
MAX_QUEUED = 2

#: A cancel takes each prompt out and verifies that: with more, it takes too long, and others wait too long.
_MOST_QUEUED = 100

#: Letters and digits that are not easily confused.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 6


@dataclass(frozen=True)
class Item:
    """One prompt of a new batch; ``name`` is its workflow's name if the batch has several workflows."""

    workflow: Workflow
    overrides: Overrides = field(default_factory=dict[str, object])
    name: str = ""


def items_of(workflows: Sequence[Workflow], overrides: Mapping[str, object], combine: Combine) -> list[Item]:
    """Return the prompts that workflows make, each with every combination of the overrides.

    Raises:
        WorkflowError: see ``overrides.expand``.
    """
    return [
        Item(workflow, values, workflow.name if len(workflows) > 1 else "")
        for workflow in workflows
        for values in expand(workflow.graph, overrides, combine, limit=MAX_PROMPTS)
    ]


def check_number(items: Sequence[Item], *, expect: int | None) -> None:
    """Check that the caller means so many prompts.

    Raises:
        InvalidRequestError: another number is expected; or there are very many, and no number was expected.
    """
    number = len(items)
    if expect is not None and expect != number:
        raise InvalidRequestError(f"expect={expect}: this makes {number} prompts. Nothing was submitted")
    if expect is None and number > UNASKED:
        raise InvalidRequestError(
            f"this makes {number:,} prompts. Nothing was submitted: expect={number} says that you mean so many"
        )


def check(items: Sequence[Item], *, max_queued: int, prompt_timeout_s: float | None) -> None:
    """Check the request for a batch.

    Raises:
        InvalidRequestError: no prompts, too many, or limits that make no sense.
    """
    if not 0 < len(items) <= MAX_PROMPTS:
        raise InvalidRequestError(f"a batch has 1 to {MAX_PROMPTS:,} prompts, not {len(items):,}")
    if not 0 < max_queued <= _MOST_QUEUED:
        raise InvalidRequestError(f"max_queued={max_queued}: 1 to {_MOST_QUEUED} prompts in ComfyUI's queue")
    if prompt_timeout_s is not None and not 0 < prompt_timeout_s < float("inf"):
        raise InvalidRequestError(f"prompt_timeout_s={prompt_timeout_s:g}: more than 0 seconds, and finite")


def new_id() -> str:
    """Return the id of a new batch."""
    return "b" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def rows_of(batch: Batch, items: Sequence[Item]) -> tuple[list[Submission], dict[str, tuple[str, str]]]:
    """Return the prompts of a batch; and their shared graphs, each with its extra data, by id."""
    graphs: dict[str, tuple[str, str]] = {}
    ids: dict[int, str] = {}
    prompts: list[Submission] = []
    for position, item in enumerate(items):
        workflow = item.workflow
        if id(workflow) not in ids:
            graph_id = ids[id(workflow)] = f"{batch.batch_id}/{len(ids)}"
            graphs[graph_id] = (as_text(workflow.graph), as_text(workflow.extra_data))
        prompts.append(_prompt_of(batch, item, position, ids[id(workflow)]))
    return prompts, graphs


def _prompt_of(batch: Batch, item: Item, position: int, graph_id: str) -> Submission:
    differs = ", ".join(filter(None, [item.name, as_note(item.overrides)]))
    return Submission(
        prompt_id=str(uuid.uuid4()),
        server=batch.server,
        submitted_at=batch.created_at,
        graph="",
        note=f"{batch.note}: {differs}" if batch.note and differs else batch.note or differs,
        client=batch.client,
        stage=Stage.WAITING,
        batch_id=batch.batch_id,
        position=position,
        graph_id=graph_id,
        overrides=as_text(item.overrides) if item.overrides else "",
    )


def once_more(failed: Submission, at: float) -> Submission:
    """Return the prompt that replaces a failed one, made at a moment (seconds since the epoch)."""
    return replace(
        failed,
        prompt_id=str(uuid.uuid4()),
        submitted_at=at,
        stage=Stage.WAITING,
        number=None,
        end=None,
        ended_at=None,
        reason="",
        started_at=None,
        outputs=None,
        overdue_s=None,
    )
