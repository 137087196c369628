"""Who asks: made by a carrier, at its edge, and passed to every action."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from mcp_background_job.config import Matter
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.news import Reader
from mcp_background_job.errors import DeclinedError

Result = TypeVar("Result")

#: Is told how long something has been waited for, how long it will be at most (seconds), and what it is.
Progress = Callable[[float, float, str], Awaitable[None]]

#: Clients that watch for silence allow minutes; a person who looks on likes to see something sooner.
PROGRESS_INTERVAL_S = 5.0


#: A person needs a while to read and to decide; some clients give a call five minutes, whatever is told meanwhile.
ANSWER_S = 240.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that a person is to decide.

    Attributes:
        matter: what kind of thing it is; consent to it may be configured.
        text: the question.
        about: ids of what it is about. Who agreed to several has agreed to fewer of them, and to no others.
    """

    matter: Matter
    text: str
    about: frozenset[str]


class Answer(Enum):
    """What a person said."""

    YES = "said yes"
    NO = "said no"
    NOTHING = "closed the question without an answer"


#: Asks the person whom the caller works for.
Ask = Callable[[Question], Awaitable[Answer]]


async def nobody(waited_s: float, limit_s: float, what: str) -> None:
    """Take progress that nobody looks at."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks for something.

    Attributes:
        client: as it is recorded with what it starts and stops, and known again after a restart.
        directory: where it works, for paths that are relative.
        project: that it works for, a directory or a name; empty if it has none.
        reader: who is to be told of what it starts: the client, its project and, where known, its conversation.
        progress: is told while the caller waits.
        ask: asks the person whom it works for; ``None`` where it cannot.
        assumed: what that person has agreed to beforehand.
        is_patient: it waits as long as it asked for, and reads lists of any length, as a person at a terminal does. A
            client of MCP gives a call about a minute, and a model pays for each line.
        takes_later: it need not be told that work goes on: it can be told later how that ended, see ``actions.later``.
    """

    client: str
    directory: str
    project: str
    reader: Reader
    progress: Progress = nobody
    ask: Ask | None = None
    assumed: frozenset[Matter] = frozenset()
    is_patient: bool = False
    takes_later: bool = False

    def at_most(self, limit: float) -> float:
        """Return a limit for waits (seconds) or lists (lines), which does not hold for who is patient."""
        return math.inf if self.is_patient else limit

    @property
    def looks(self) -> Asker:
        """Who asks for what it only looks at, or waits for."""
        return Asker(self.project)

    @property
    def changes(self) -> Asker:
        """Who asks for what it ends, starts again or talks to."""
        return Asker(self.project, changes=True)

    def asks_about(self, matter: Matter) -> bool:
        """Tell whether a person is asked about this before it is done."""
        return self.ask is not None and matter not in self.assumed

    async def agree(self, question: Question) -> None:
        """Have a person agree, if there is one to ask. No lock may be held meanwhile: it may take minutes.

        Raises:
            DeclinedError: they did not.
        """
        if self.ask is None or question.matter in self.assumed:
            return
        import asyncio  # noqa: PLC0415  who looks at jobs does without

        try:
            asking = asyncio.wait_for(self.ask(question), ANSWER_S)
            answer = await self.wait_for(asking, "the user is asked", ANSWER_S)
        except TimeoutError:
            raise _declined(question, f"gave no answer within {ANSWER_S:.0f} s") from None
        if answer is not Answer.YES:
            raise _declined(question, answer.value)

    async def wait_for(self, work: Awaitable[Result], what: str | Callable[[], str], limit_s: float) -> Result:
        """Await something, telling the caller meanwhile that it is under way. If the caller cancels, so is the work."""
        import asyncio  # noqa: PLC0415  who looks at jobs does without

        task = asyncio.ensure_future(work)
        began = time.monotonic()
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=PROGRESS_INTERVAL_S)
                if done:
                    return task.result()
                await self.progress(time.monotonic() - began, limit_s, what if isinstance(what, str) else what())
        finally:
            task.cancel()


def _declined(question: Question, what: str) -> DeclinedError:
    return DeclinedError(f"the user was asked “{question.text}” and {what}: nothing was done. Do not try another way")
