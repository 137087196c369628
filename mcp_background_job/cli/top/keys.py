"""Which keys there are, where each does something, and what the last line of the window says of them. Pure."""

from __future__ import annotations

from collections.abc import Callable

from mcp_background_job.cli.top.columns import Facts
from mcp_background_job.cli.top.lists import RUN_ASKS
from mcp_background_job.core.states import NOT_OVER
from mcp_background_job.core.values import frozen

JOBS, COMFYUI, RUNS = TABS = ("jobs", "comfyui", "runs")

#: Statuses of prompts and of runs that can still be cancelled.
_PROMPT_GOES = ("in_progress", "pending")
_RUN_GOES = ("queued", "running", *RUN_ASKS)

#: Between two keys of the last line.
_GAP = "  "


def _always(_row: Facts | None) -> bool:
    return True


def _is_there(row: Facts | None) -> bool:
    return row is not None


def _has(*statuses: str) -> Callable[[Facts | None], bool]:
    return lambda row: row is not None and row.get("status") in statuses


@frozen
class Key:
    """A key that does something.

    Attributes:
        key: as the library calls it.
        shown: as people call it.
        label: what it does, in a word.
        about: the same in a sentence.
        action: what is called.
        tabs: where it does that.
        fits: tells whether it can be done with the row under the cursor.
        instead: why it cannot.
    """

    key: str
    shown: str
    label: str
    about: str
    action: str
    tabs: tuple[str, ...] = TABS
    fits: Callable[[Facts | None], bool] = _always
    instead: str = ""


#: In the order in which the last line has room for them.
KEYS = (
    Key("k", "k", "kill", "stop the job and all that it started", "kill", (JOBS,), _has(*NOT_OVER), "it has ended"),
    Key("r", "r", "restart", "run its command again; a running job is stopped first", "restart", (JOBS,), _is_there),
    Key("s", "s", "signal", "signal those that handle it", "signal", (JOBS,), _has("running"), "it does not run"),
    Key("i", "i", "input", "send a line to its stdin", "input", (JOBS,), _has("running"), "it does not run"),
    Key("c", "c", "cancel", "stop the prompt", "cancel", (COMFYUI,), _has(*_PROMPT_GOES), "it has ended"),
    Key("x", "x", "clear", "take all pending prompts out of the queue", "clear", (COMFYUI,)),
    Key("a", "a", "answer", "answer what the agent asks", "answer", (RUNS,), _has(*RUN_ASKS), "it asks nothing"),
    Key("c", "c", "cancel", "stop it and all that it started", "cancel", (RUNS,), _has(*_RUN_GOES), "it has ended"),
    Key("enter", "⏎", "read", "give the whole window to the log; again or Esc: back", "zoom", TABS, _is_there),
    Key("slash", "/", "find", "filter the list, or search what is read", "find"),
    Key("n", "n", "next", "the next line that was searched for", "again", (JOBS, RUNS)),
    Key("N", "N", "before", "the one before", "back", (JOBS, RUNS)),
    Key("f", "f", "failure", "where a failure begins in the log", "failure", (JOBS,), _is_there),
    Key("v", "v", "screen", "what a full-screen program shows, or its output", "screen", (JOBS,), _is_there),
    Key("p", "p", "projects", "those of all projects, or of this one", "projects", (JOBS, RUNS)),
)

#: What every tab has.
COMMON = (
    Key("1", "1", "jobs", "jobs", f"tab('{JOBS}')"),
    Key("2", "2", "comfyui", "renders of ComfyUI", f"tab('{COMFYUI}')"),
    Key("3", "3", "runs", "runs of agents", f"tab('{RUNS}')"),
    Key("tab", "⇥", "other", "the list, or what is read below it", "app.focus_next"),
    Key("question_mark", "?", "keys", "all keys", "help"),
    Key("q", "q", "quit", "leave; everything runs on", "quit"),
)

#: What lists and lines have, and the library takes.
MOVING = (
    Key("up,down,pageup,pagedown", "↑ ↓ …", "move", "a line or a window up or down", ""),
    Key("home,end", "Home End", "ends", "to the first, to the last; End follows what comes", ""),
    Key("left,right", "← →", "sideways", "along lines that are long", ""),
    Key("escape", "Esc", "back", "takes back what was asked last", ""),
)

#: Always on the last line, since who is lost needs them.
_LAST = ("?", "q")


def of_tab(tab: str) -> list[Key]:
    """Return the keys that do something in a tab alone."""
    return [key for key in KEYS if tab in key.tabs]


def meant(tab: str, pressed: str) -> Key | None:
    """Return what a key does in a tab."""
    return next((key for key in of_tab(tab) if key.key == pressed), None)


def footer(tab: str, row: Facts | None, width: int) -> list[tuple[str, str]]:
    """Return the keys that do something now, with their words, as many as there is room for."""
    last = [(key.shown, key.label) for key in COMMON if key.shown in _LAST]
    left = width - _wide(last)
    shown: list[tuple[str, str]] = []
    for key in of_tab(tab):
        pair = (key.shown, key.label)
        if key.fits(row) and _wide([pair]) <= left:
            shown.append(pair)
            left -= _wide([pair])
    return [*shown, *last]


def _wide(pairs: list[tuple[str, str]]) -> int:
    return sum(len(key) + 1 + len(label) + len(_GAP) for key, label in pairs)
