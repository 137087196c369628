"""One time that a prompt was sent to its server."""

from __future__ import annotations

from dataclasses import dataclass

#: How an attempt ended whose server ended by itself while the prompt ran: the prompt may have done it.
SERVER_ENDED = "server ended"

#: How it ended where we have ended the server ourselves, or are about to.
BY_US = "ended by us"

#: How it ended where its server went, and nobody has said more yet.
LOST = "lost"

#: A prompt that ran so often when its server ended is not sent again. Once may be chance.
FATAL = 2


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One time that a prompt was sent. Times are seconds since the epoch.

    Attributes:
        prompt_id: the prompt.
        n: from 1.
        server: base URL of the server.
        boot: which life of that; empty if it is not known.
        sent_at: when it was sent.
        began_at: when it was seen or heard to run, or taken to.
        ended_at: when it had an end.
        how: how it ended; empty while it has not, unless we are about to end its server.
    """

    prompt_id: str
    n: int
    server: str
    boot: str
    sent_at: float
    began_at: float | None = None
    ended_at: float | None = None
    how: str = ""
