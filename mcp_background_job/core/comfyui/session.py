"""A session: prompts that belong together for a user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Session:
    """A group of prompts.

    Attributes:
        session_id: its id.
        name: the user's name for it.
        created_at: when it was begun (seconds since the epoch).
        directory: the directory that it belongs to; its newest session is the current one there.
    """

    session_id: str
    name: str
    created_at: float
    directory: str


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A prompt of a session.

    Attributes:
        prompt_id: its id.
        queued_at: when it was queued, or tracked by hand (seconds since the epoch).
        note: a description.
        downloaded: whether the outputs were downloaded.
        output_dir: the directory that they were downloaded to, if they were.
    """

    prompt_id: str
    queued_at: float
    note: str = ""
    downloaded: bool = False
    output_dir: str = ""
