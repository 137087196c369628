"""What stands in a job's environment beside what it inherits, and what it must not inherit."""

from __future__ import annotations

from collections.abc import Mapping

#: What our own screen shows, and what is drawn for it is found on every machine that has terminals at all.
_TERMINAL = "xterm-256color"

#: A pager waits for keys that nobody presses. Git asks its own variable first, and then its configuration; many others
#: have one too (``PSQL_PAGER``, ``MANPAGER``), and go by ``PAGER`` without it.
_NO_PAGER = {"PAGER": "cat", "GIT_PAGER": "cat"}

#: Told to programs that do not write to a terminal: no questions, no output held back. That they shall not use colours
#: they see for themselves; ``NO_COLOR`` would have node warn wherever a program sets ``FORCE_COLOR`` for its children.
_PLAIN = {"GIT_TERMINAL_PROMPT": "0", "PYTHONUNBUFFERED": "1"}


def plain_output(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what a job that writes to pipes has instead of what it inherits.

    A terminal that can do nothing (``dumb``, or none) ends every ``set -e`` script that asks tput or clear for
    anything, and answers are rendered whatever is written: so it gets one that can, unless the client has one.
    """
    terminal = inherited.get("TERM", "")
    return {**_no_pager(inherited), **_PLAIN, "TERM": _TERMINAL if terminal in ("", "dumb", "unknown") else terminal}


def terminal_output(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what a job on a terminal of ours has instead of what it inherits."""
    return {**_no_pager(inherited), "TERM": _TERMINAL}


def _no_pager(inherited: Mapping[str, str]) -> dict[str, str]:
    return {**dict.fromkeys((name for name in inherited if name.endswith("PAGER")), "cat"), **_NO_PAGER}
