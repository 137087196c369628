"""What is new, and who is to be told of it.

Nothing of this can be derived from the directories of jobs: whether somebody was told, and what somebody was shown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mcp_background_job.core.text import duration
from mcp_background_job.core.values import frozen

#: So much is remembered for one reader: of what it awaits, of its news, and of what it was shown. The oldest goes.
MAX_PER_READER = 500


class Kind(StrEnum):
    """What may be new of a job or run."""

    ENDED = "ended"
    QUESTION = "question"


class Way(StrEnum):
    """By which way a reader is told. What one way has told is still new for the others."""

    ANSWER = "answer"  #: at the top of the next answer to the model
    HOOK = "hook"  #: by a hook of its client
    PAGE = "page"  #: on a page that a person looks at


@frozen
class Reader:
    """Who is to be told.

    Attributes:
        name: the client and its project; the same after a restart of the server, and of the client.
        conversation: which of the reader's conversations, empty where they cannot be told apart. While a conversation
            goes on, what it started is told to it alone; afterwards to whichever of the reader's asks next.
    """

    name: str
    conversation: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One piece of news.

    Attributes:
        subject: id of the job or run.
        kind: what happened to it.
        at: when, in seconds since the epoch; ``None`` if nobody knows.
        text: in words, without the time.
        conversation: for which of the reader's conversations.
        key: tells questions of one subject apart.
    """

    subject: str
    kind: Kind
    at: float | None
    text: str
    conversation: str = ""
    key: str = ""


#: What a reader is shown of a job: its output, so far; its end, at any offset; and matches of expressions, so far.
OUTPUT = "output"
END = "end"


def matches_of(pattern: str) -> str:
    """Return under which name the matches of an expression are remembered that a reader was told."""
    return f"/{pattern}/"


@frozen
class Shown:
    """What a reader was shown of a job: of each thing, the offset in the log behind what was shown."""

    offsets: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def output(self) -> int:
        """Behind the output that it was shown."""
        return self.offsets.get(OUTPUT, 0)

    @property
    def knows_end(self) -> bool:
        """Whether it was told that the job has ended."""
        return END in self.offsets

    def behind(self, pattern: str) -> int:
        """Behind the last match of an expression that it was told."""
        return self.offsets.get(matches_of(pattern), 0)


def sentence(item: Item) -> str:
    """Return the news as it is told now."""
    ago = duration(time.time() - item.at) if item.at else "some time"
    return f"{item.text}, {ago} ago"
