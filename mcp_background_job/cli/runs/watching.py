"""Shows a run at the terminal as it goes, and takes the answers to what it asks."""

from __future__ import annotations

import asyncio
import os
import sys

from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.life.awaiting import asks
from mcp_background_job.agents.life.results import Polled, Run
from mcp_background_job.agents.life.watching import MAX_WAIT_S
from mcp_background_job.agents.runs import MAX_EVENTS, RunManager
from mcp_background_job.cli import terminal
from mcp_background_job.cli.runs.transcript import Line, Style, answer_to, lines_of
from mcp_background_job.cli.runs.whole import whole
from mcp_background_job.core.output.harmless import shown
from mcp_background_job.errors import InvalidRequestError, RunStateError

#: Of a terminal's own palette, so that they fit its background.
_CODES: dict[Style, str] = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33"}

_PROMPT = "answer: "


class Screen:
    """Writes lines; in colours for people who have not asked for none."""

    def __init__(self) -> None:
        """Looks at who reads."""
        self._in_colour = terminal.for_people() and not os.environ.get("NO_COLOR")

    def write(self, line: Line) -> None:
        """Write a line; nothing in it is obeyed by the terminal."""
        code = _CODES.get(line.style) if self._in_colour else None
        indent = " " * (len(line.text) - len(line.text.lstrip(" ")))
        if code:
            terminal.draw(f"\x1b[{code}m{terminal.fitted(shown(line.text), indent=indent)}\x1b[0m\n")
        else:
            terminal.paragraph(line.text, indent=indent)


async def watch(runs: RunManager, reference: Reference, client: str) -> Run:
    """Show a run to its end, and answer for it what is typed; returns it as it is then.

    Args:
        runs: the manager of runs.
        reference: which run.
        client: who answers.
    """
    screen = Screen()
    after_seq = 0
    polled = await runs.poll(reference, after_seq=0, limit=MAX_EVENTS, wait_s=0.0)
    reference = Reference(polled.run.record.run_id)  # what is the newest run of its agent may change meanwhile
    while True:
        for event in polled.events:
            for line in lines_of(await whole(runs, polled.run.record.run_id, event)):
                screen.write(line)
        terminal.flush()
        after_seq = polled.next_after_seq
        is_all = polled.run.state.seq <= after_seq
        if is_all and polled.run.state.is_over:
            return polled.run
        if is_all and asks(polled.run):
            polled = await _answered(runs, reference, polled, client)
        else:
            polled = await runs.poll(reference, after_seq=after_seq, limit=MAX_EVENTS, wait_s=MAX_WAIT_S)


async def _answered(runs: RunManager, reference: Reference, polled: Polled, client: str) -> Polled:
    """Return what comes next; meanwhile give the run what is typed. Somebody else may be quicker."""
    question = (polled.run.state.request or {}).get("data", {})
    if not (sys.stdin.isatty() and terminal.for_people()):
        run_id = polled.run.record.run_id
        terminal.say(f"run {run_id} waits for an answer: `mcp-background-job runs continue {run_id} TEXT` gives it")
        return await _next(runs, reference, polled)
    coming = asyncio.create_task(_next(runs, reference, polled))
    try:
        while not coming.done():
            terminal.draw(_PROMPT)
            typed = asyncio.create_task(_typed_line())
            await asyncio.wait({coming, typed}, return_when=asyncio.FIRST_COMPLETED)
            if not typed.done():
                typed.cancel()
                terminal.draw("\n")
                break
            said = typed.result()
            if said is None:  # its input is over: it is only looked at from here on
                terminal.draw("\n")
                break
            if said.strip() and await _give(runs, reference, answer_to(question, said), client):
                break
        return await coming
    finally:
        coming.cancel()


async def _next(runs: RunManager, reference: Reference, polled: Polled) -> Polled:
    while True:
        found = await runs.poll(reference, after_seq=polled.next_after_seq, limit=MAX_EVENTS, wait_s=MAX_WAIT_S)
        if found.events or found.run.state.is_over:
            return found


async def _give(runs: RunManager, reference: Reference, message: dict[str, object], client: str) -> bool:
    """Give an answer; returns whether the question is settled, by this one or by somebody who was quicker."""
    try:
        await runs.go_on(reference, message, client=client)
    except InvalidRequestError as error:
        terminal.say(str(error))
        return False
    except RunStateError as error:
        terminal.say(str(error))
    return True


async def _typed_line() -> str | None:
    """Return the next line that is typed, ``None`` at the end of the input; can be given up, as a read cannot."""
    loop = asyncio.get_running_loop()
    is_there = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), is_there.set)
    try:
        await is_there.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline() or None
