"""The caller of an action: a carrier makes it at its edge, and passes it to every action."""

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

#: Receives how long a wait has lasted and how long it may last (seconds), and what is waited for.
Progress = Callable[[float, float, str], Awaitable[None]]

#: Clients that watch for silence allow minutes; a person at a terminal wants to see something sooner.
PROGRESS_INTERVAL_S = 5.0


#: A person needs time to read and decide. Some clients limit a call to five minutes, whatever progress they get.
ANSWER_S = 240.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question for a person to decide.

    Attributes:
        matter: the kind of decision; consent to a kind may be configured.
        text: the question.
        about: ids of the things it is about. Consent to several covers any part of them, and nothing else.
    """

    matter: Matter
    text: str
    about: frozenset[str]


class Answer(Enum):
    """The answer of a person."""

    YES = "said yes"
    NO = "said no"
    NOTHING = "closed the question without an answer"


#: Asks the person for whom the caller works.
Ask = Callable[[Question], Awaitable[Answer]]


async def nobody(waited_s: float, limit_s: float, what: str) -> None:
    """Ignore the progress: nobody looks at it."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller of an action.

    Attributes:
        client: its name in the records of what it starts and stops; the same after a restart.
        directory: its working directory, for relative paths.
        project: the project that it works for, a directory or a name; empty if it has none.
        reader: the reader of news about what it starts: the client, its project and, if known, its conversation.
        progress: receives progress while the caller waits.
        ask: asks the person for whom it works; ``None`` if that is impossible.
        assumed: the matters that this person has agreed to beforehand.
        is_patient: whether it waits for as long as it asked, and reads lists of any length, like a person at a
            terminal. An MCP client limits a call to about a minute, and a model pays for each line.
        takes_later: whether it can be told later how ongoing work ended; see ``actions.later``.
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
        """Return a limit for waits (seconds) or lists (lines); it does not apply to a patient caller."""
        return math.inf if self.is_patient else limit

    @property
    def looks(self) -> Asker:
        """The asker for jobs that the caller only looks at or waits for."""
        return Asker(self.project)

    @property
    def changes(self) -> Asker:
        """The asker for jobs that the caller ends, restarts or talks to."""
        return Asker(self.project, changes=True)

    def asks_about(self, matter: Matter) -> bool:
        """Tell whether a person is asked about this matter before it is done."""
        return self.ask is not None and matter not in self.assumed

    async def agree(self, question: Question) -> None:
        """Get a person's consent, if there is one to ask. Hold no lock meanwhile: it may take minutes.

        Raises:
            DeclinedError: the person did not agree.
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
        """Await something, and report progress to the caller meanwhile. If the caller cancels, so is the work."""
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
