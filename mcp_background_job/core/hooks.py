"""Input and answers of a client's stop hook: the rules alone.

A stop hook runs when a model has finished its turn. Its output can make the model go on. So the end of a job wakes the
model, while nobody polls and no model request is made during the wait.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import cast

from mcp_background_job.core.values import frozen

#: A model is woken at most this many times in a row before a person has said something: a model that answers each
#: failure by starting the same job again would go on for ever. The next answer then reports the later ends.
MAX_ROUNDS = 10

#: Bytes. Clients write details of the turn into the hook's input, its last message for instance. Nothing needs more.
MAX_INPUT = 16 * 1024 * 1024


class HookClient(StrEnum):
    """Clients whose hooks are known."""

    CLAUDE_CODE = "claude-code"
    CODEX = "codex"
    CURSOR = "cursor"
    GEMINI = "gemini"
    OPENCODE = "opencode"


@frozen
class Heard:
    """The facts that a client gives about the turn that has ended.

    Attributes:
        goes_on: a stop hook had brought about this turn.
        is_aborted: the user has stopped the turn, or it has failed: the model must not go on.
    """

    goes_on: bool = False
    is_aborted: bool = False


def heard(data: bytes) -> Heard:
    """Read the input that a client writes to its hook's stdin.

    Raises:
        ValueError: it is not a JSON object.
    """
    said: object = json.loads(data.decode("utf-8-sig"))  # Cursor begins with a byte order mark on Windows
    if not isinstance(said, dict):
        raise ValueError("the hook's input is no JSON object")  # noqa: TRY004  that of a wrong type is wrong as well
    facts = cast("dict[str, object]", said)
    loops = facts.get("loop_count")  # Cursor counts
    return Heard(
        goes_on=facts.get("stop_hook_active") is True or (isinstance(loops, int) and loops > 0),
        is_aborted=facts.get("status") in ("aborted", "error"),  # Cursor
    )


#: Is added to what a model reads at the end of its turn.
_ADVICE = "The stop hook waits for the rest of what you started: end your turn when there is nothing more to do."


def answer(client: HookClient, told: Sequence[str]) -> str:
    """Return the output that makes a client's model go on and tells it why."""
    text = "\n".join([*told, _ADVICE])
    answers: Mapping[HookClient, dict[str, str]] = {
        HookClient.CLAUDE_CODE: {"decision": "block", "reason": text},
        HookClient.CODEX: {"decision": "block", "reason": text},
        HookClient.CURSOR: {"followup_message": text},
        HookClient.GEMINI: {"decision": "deny", "reason": text},
        HookClient.OPENCODE: {"prompt": text},  # read by this program's plugin: opencode runs no commands
    }
    return json.dumps(answers[client])


def is_server(*, is_named: bool, listens: bool, restarts: bool, was_found_ready: bool) -> bool:
    """Tell whether a job is a server or watcher, whose end nobody waits for.

    Args:
        is_named: it has a name, as servers should have.
        listens: it listens on a TCP port.
        restarts: it is started again when it fails.
        was_found_ready: its starter waited for a text in its output, and found it.
    """
    return is_named and (listens or restarts or was_found_ready)
