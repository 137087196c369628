"""One submission of a prompt to its server."""

from __future__ import annotations

from dataclasses import dataclass

#: How an attempt ended if the server ended by itself while the prompt ran, perhaps because of the prompt.
SERVER_ENDED = "server ended"

#: How it ended if this program has ended the server, or is about to.
BY_US = "ended by us"

#: How it ended if the server is gone and nothing more is known yet.
LOST = "lost"

#: A prompt that ran this many times when its server ended is not sent again. Once may be chance.
FATAL = 2


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One submission of a prompt. Times are seconds since the epoch.

    Attributes:
        prompt_id: id of the prompt.
        n: number of the attempt, from 1.
        server: base URL of the server.
        boot: which life of that server; empty if unknown.
        sent_at: when it was sent.
        began_at: when it was seen or reported to run, or assumed to.
        ended_at: when it ended.
        how: how it ended; empty while it has not, unless this program is about to end its server.
    """

    prompt_id: str
    n: int
    server: str
    boot: str
    sent_at: float
    began_at: float | None = None
    ended_at: float | None = None
    how: str = ""
