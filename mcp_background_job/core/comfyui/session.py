"""A session: prompts that belong together, in the words of whoever works on them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Session:
    """A group of prompts.

    Attributes:
        session_id: its id.
        name: the user's name for it.
        created_at: when it was begun (seconds since the epoch).
        directory: where; the newest one of a directory is current there.
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
        note: what it is.
        downloaded: whether its outputs were downloaded.
        output_dir: where to, if they were.
    """

    prompt_id: str
    queued_at: float
    note: str = ""
    downloaded: bool = False
    output_dir: str = ""
