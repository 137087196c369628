"""``hook stop``: waits for what a conversation awaits, and has its model go on when that has ended.

A client runs this at the end of every turn, so it loads little, and when nothing is awaited it is over at once. It
never gets into a client's way: whatever goes wrong, it says so on stderr, prints nothing and exits with 0, and the turn
ends as it would have without it.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mcp_background_job.core import hooks
from mcp_background_job.core.hooks import HookClient
from mcp_background_job.core.news import Way
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import InvalidRequestError

if TYPE_CHECKING:
    from mcp_background_job.config import Settings
    from mcp_background_job.core.news import Reader

#: Hooks of most clients may take as long as their configuration says; the examples in the documentation say an hour.
DEFAULT_MAX_S = 3500.0

#: A client writes its hook's input when it starts the hook. One that keeps the pipe open has said all by then.
_INPUT_S = 2.0

_READ_SIZE = 65536


@frozen
class Asked:
    """What the command line asks for: which client runs this, and how long (seconds) it may wait."""

    client: HookClient
    max_s: float = DEFAULT_MAX_S


def run(arguments: Sequence[str]) -> NoReturn:
    """Be the hook; ``arguments`` are those behind ``hook stop``."""
    began = time.monotonic()
    try:
        text = _answer(asked_for(arguments), began)
        if text:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
    except Exception as error:  # noqa: BLE001  whatever it is, the client goes on without us
        _say(str(error) or type(error).__name__)
    os._exit(0)  # not by way of the interpreter, which would try to write again what could not be written


def asked_for(arguments: Sequence[str]) -> Asked:
    """Read the command line, without the library that takes longer to load than all of this.

    Raises:
        InvalidRequestError: it cannot be understood.
    """
    from mcp_background_job.cli import durations  # noqa: PLC0415  with the others that only this needs

    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if len(words) % 2:
        raise InvalidRequestError("give hook stop --client NAME [--max SECONDS]")
    values = dict(zip(words[::2], words[1::2], strict=True))
    if unknown := values.keys() - {"--client", "--max"}:
        raise InvalidRequestError(f"hook stop has no {', '.join(sorted(unknown))}: give --client NAME [--max SECONDS]")
    names = [client.value for client in HookClient]
    if values.get("--client") not in names:
        raise InvalidRequestError(f"--client {values.get('--client', '')!r}: give one of {', '.join(names)}")
    max_s = durations.seconds(values["--max"], "--max") if "--max" in values else DEFAULT_MAX_S
    return Asked(HookClient(values["--client"]), max_s)


def _answer(asked: Asked, began: float) -> str | None:
    """Return what to print, ``None`` to let the turn end."""
    said = hooks.heard(_input())
    if said.is_aborted:
        return None
    from mcp_background_job.config import load_settings  # noqa: PLC0415  as late as possible
    from mcp_background_job.processes.client import client_of, own_conversation  # noqa: PLC0415

    settings = load_settings()
    client = client_of(own_conversation())
    readers = _readers(settings, client) if client else []
    if not readers:
        return None
    from mcp_background_job.cli.descriptors import is_stdout_read  # noqa: PLC0415  most turns await nothing
    from mcp_background_job.cli.hooks.waiting import told  # noqa: PLC0415
    from mcp_background_job.processes.client import goes_on  # noqa: PLC0415

    news = told(
        settings,
        readers,
        said,
        is_wanted=lambda: goes_on(client) and is_stdout_read(),
        deadline=began + asked.max_s,
    )
    return hooks.answer(asked.client, news) if news else None


def _input() -> bytes:
    """Return what the client has written, as far as it has come in time."""
    data, deadline = b"", time.monotonic() + _INPUT_S
    while len(data) < hooks.MAX_INPUT:
        if not select.select([0], [], [], max(0.0, deadline - time.monotonic()))[0]:
            break
        piece = os.read(0, _READ_SIZE)
        if not piece:
            break
        data += piece
    return data


def _readers(settings: Settings, client: str) -> list[Reader]:
    """Return the conversations of this client that await something, or have not been told of something."""
    from mcp_background_job.jobdir.layout import StateDir  # noqa: PLC0415
    from mcp_background_job.processes.client import client_of  # noqa: PLC0415
    from mcp_background_job.registry.news import SqliteNews  # noqa: PLC0415

    path = StateDir(settings.state_dir).news
    if not Path(path).exists():
        return []
    store = SqliteNews(path)
    try:
        readers = store.readers(Way.ANSWER)
    finally:
        store.close()
    known = {conversation: client_of(conversation) for conversation in {reader.conversation for reader in readers}}
    return sorted(
        (reader for reader in readers if known[reader.conversation] == client), key=lambda reader: reader.name
    )


def _say(text: str) -> None:
    """Say what went wrong where clients show it to people, if anywhere."""
    # Bytes, since the text may hold what stderr's encoding lacks; where nobody has stderr open, nobody is told.
    with contextlib.suppress(OSError):
        os.write(2, f"mcp-background-job: hook stop: {' '.join(text.split())}\n".encode(errors="backslashreplace"))
