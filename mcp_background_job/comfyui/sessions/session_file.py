"""A session as a file that other tools read and write too. Pure.

``{"id", "created", "name", "jobs": [{"prompt_id", "queued_at", "note", "downloaded", "output_dir"}]}``; times are in
ISO 8601; seconds since the epoch can be read too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.errors import InvalidRequestError


def content_of(session: Session, tracked: Sequence[Tracked]) -> dict[str, Any]:
    """Return the content of a session's file."""
    return {
        "id": session.session_id,
        "created": _iso(session.created_at),
        "name": session.name,
        "jobs": [
            {
                "prompt_id": one.prompt_id,
                "queued_at": _iso(one.queued_at),
                "note": one.note,
                "downloaded": one.downloaded,
                "output_dir": one.output_dir or None,
            }
            for one in tracked
        ],
    }


def session_of(content: Any, directory: str, name: str) -> tuple[Session, list[Tracked]]:
    """Read the content of a session's file.

    Args:
        content: the content of the file.
        directory: the directory that the session will belong to.
        name: name of the file, for messages and for a session without a name.

    Raises:
        InvalidRequestError: the content is not a session.
    """
    if not isinstance(content, dict) or not isinstance(content.get("jobs"), list):  # pyright: ignore[reportUnknownMemberType]
        raise InvalidRequestError(f'{name} is not a session: it needs {{"id", "created", "name", "jobs": […]}}')
    facts = cast("dict[str, Any]", content)
    created_at = _moment(facts.get("created"), name)
    session = Session(
        session_id=str(facts.get("id") or name),
        name=str(facts.get("name") or name),
        created_at=created_at,
        directory=directory,
    )
    return session, [_tracked(entry, created_at, name) for entry in facts["jobs"]]


def _tracked(entry: Any, created_at: float, name: str) -> Tracked:
    facts = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    prompt_id = facts.get("prompt_id")
    if not isinstance(prompt_id, str) or not prompt_id.strip():
        raise InvalidRequestError(f"{name}: a job of it has no prompt_id: {entry!r:.80}")
    queued_at = facts.get("queued_at")
    return Tracked(
        prompt_id=prompt_id,
        queued_at=_moment(queued_at, name) if queued_at is not None else created_at,
        note=str(facts.get("note") or ""),
        downloaded=bool(facts.get("downloaded")),
        output_dir=str(facts.get("output_dir") or ""),
    )


def _moment(value: Any, name: str) -> float:
    if value is None:
        return time.time()
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).timestamp()
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidRequestError(
            f"{name}: {value!r:.40} is not a time; write it like 2026-01-31T12:00:00+00:00"
        ) from error


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
