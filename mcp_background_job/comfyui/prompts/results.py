"""How a prompt ended, as the journal keeps it: ComfyUI's history is lost when it ends, or when somebody clears it."""

from __future__ import annotations

import dataclasses
import json
import time

from pydantic import TypeAdapter, ValidationError

from mcp_background_job.comfyui.wire.answers import Finished, Refused
from mcp_background_job.core.comfyui.submission import Result
from mcp_background_job.core.text import one_line
from mcp_background_job.errors import CorruptRecordError

#: Characters of the line that says why a prompt failed.
_CAUSE = 200


def result_of(finished: Finished) -> Result:
    """Return the journal's record of the end of a prompt."""
    return Result(
        prompt_id=finished.prompt_id,
        end=finished.end,
        at=finished.ended_at or time.time(),
        started_at=finished.started_at,
        outputs=len(finished.outputs),
        reason=cause_of(finished),
        content=json.dumps(dataclasses.asdict(finished)),
    )


def cause_of(finished: Finished) -> str:
    """Return in one line why a prompt failed; empty if it did not."""
    failure = finished.failure
    if failure is None:
        return ""
    where = f"node {failure.node_id} {failure.node_type}" if failure.node_id else ""
    first = next(iter(failure.message.strip().splitlines()), "")
    told = (part.strip() for part in (where, failure.exception_type, first))
    return one_line(": ".join(part for part in told if part), _CAUSE)


def cause_of_refusal(refused: Refused) -> str:
    """Return in one line why a prompt was refused: the first faulty node says more than the whole message."""
    for error in refused.node_errors:
        return one_line(f"node {error.node_id} {error.class_type}: {error.message}", _CAUSE)
    return one_line(refused.message, _CAUSE)


def finished_of_result(content: str | None) -> Finished | None:
    """Read the record of an end; ``None`` if there is none, or if the prompt was refused."""
    kept = _read(content)
    return kept if isinstance(kept, Finished) else None


def content_of_refusal(refused: Refused) -> str:
    """Return the journal's record of a refusal."""
    return json.dumps(dataclasses.asdict(refused))


def refused_of_result(content: str | None) -> Refused | None:
    """Read the record of a refusal; ``None`` if the prompt was not refused."""
    kept = _read(content)
    return kept if isinstance(kept, Refused) else None


_KEPT: TypeAdapter[Finished | Refused] = TypeAdapter(Finished | Refused)


def _read(content: str | None) -> Finished | Refused | None:
    try:
        return _KEPT.validate_json(content) if content else None
    except ValidationError as error:
        raise CorruptRecordError(f"the journal's record of how a prompt ended cannot be read: {error}") from error
