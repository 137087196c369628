"""News, and the readers that are told of them.

Whether a reader was told, and what it was shown, cannot be derived from the directories of jobs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mcp_background_job.core.text import duration
from mcp_background_job.core.values import frozen

#: Entries that are remembered for one reader: what it awaits, its news, what it was shown. The oldest are dropped.
MAX_PER_READER = 500


class Kind(StrEnum):
    """The kinds of news about a job or run."""

    ENDED = "ended"
    QUESTION = "question"


class Way(StrEnum):
    """The way by which a reader is told. News that one way has told are still new for the others."""

    ANSWER = "answer"  #: at the top of the next answer to the model
    HOOK = "hook"  #: by a hook of its client
    PAGE = "page"  #: on a page that a person looks at


@frozen
class Reader:
    """One who is told of news.

    Attributes:
        name: the client and its project; the same after a restart of the server or of the client.
        conversation: one of the reader's conversations, empty where they cannot be told apart. While a conversation
            goes on, only it is told of the things that it started; afterwards the reader's next one that asks is told.
    """

    name: str
    conversation: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One piece of news.

    Attributes:
        subject: id of the job or run.
        kind: what happened to it.
        at: when it happened, in seconds since the epoch; ``None`` if unknown.
        text: the news in words, without the time.
        conversation: the reader's conversation that it is for.
        key: tells questions of one subject apart.
    """

    subject: str
    kind: Kind
    at: float | None
    text: str
    conversation: str = ""
    key: str = ""


#: Keys of things that a reader is shown of a job: its output so far, and its end (at any offset). Each expression has a
#: key of its own.
OUTPUT = "output"
END = "end"


def matches_of(pattern: str) -> str:
    """Return the key under which the matches of an expression that a reader was told are remembered."""
    return f"/{pattern}/"


@frozen
class Shown:
    """The things of a job that a reader was shown: for each, the offset in the log behind it."""

    offsets: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def output(self) -> int:
        """The offset behind the output that the reader was shown."""
        return self.offsets.get(OUTPUT, 0)

    @property
    def knows_end(self) -> bool:
        """Whether the reader was told that the job has ended."""
        return END in self.offsets

    def behind(self, pattern: str) -> int:
        """Return the offset behind the last match of an expression that the reader was told."""
        return self.offsets.get(matches_of(pattern), 0)


def sentence(item: Item) -> str:
    """Return the news as a sentence that says how long ago it happened."""
    ago = duration(time.time() - item.at) if item.at else "some time"
    return f"{item.text}, {ago} ago"
