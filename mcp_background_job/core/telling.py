"""Which pipelines and background processes of a command its shell is made to report, and which remain unreported."""

from __future__ import annotations

import re
from dataclasses import replace

from mcp_background_job.core.aftermath import program, short
from mcp_background_job.core.pipeline import Pipeline, Pipelines, pipelines
from mcp_background_job.core.values import frozen

#: At most this many pipelines are reported by name.
_MAX_NAMED = 20

#: Programs that only write: their failure as an earlier stage needs no note.
_CANNOT_FAIL = ("echo", "printf", "yes", ":", "true")


#: ``$!`` is also the pid of a ``<()`` or ``>()``, which are no background commands. These forms of ``wait``, and
#: ``jobs``, do not find a process that ended a moment before: a trap that takes a moment might change what they find.
_MINDS_CHILDREN = re.compile(r"[<>]\(|\bwait\s+[-%]|\b(jobs|fg|bg|disown)\b")

#: Text that the shell reads from elsewhere may start background commands too, which are not known here.
_STARTS_OTHERS = re.compile(r"(?:^|[\s;&|({])(?:\.|source|eval)\s")


@frozen
class Telling:
    """The facts that a shell is made to report.

    Attributes:
        at_end: how the stages of the last pipeline ended.
        passed: how the stages of the earlier pipelines ended, where a stage failed that was not the last.
        told: the texts of the stages of the pipelines that are reported.
        background: the commands that it put in the background, if it is made to report how they ended.
        each: it reports on each of these commands, and not only on the last one.
        untold: the first stage, of a pipeline that is not reported, that could have failed.
    """

    at_end: bool = False
    passed: bool = False
    told: tuple[tuple[str, ...], ...] = ()
    untold: str | None = None
    background: tuple[str, ...] = ()
    each: bool = False


def telling(command: str, shell: str) -> Telling:
    """Return the facts on a command that its shell (``bash``, ``zsh``; ``""``: reports nothing) is made to report."""
    found = pipelines(command)
    plan = {"bash": _in_bash, "zsh": _in_zsh}.get(shell, _untold) if found.may_trap else _untold
    told = plan(found)
    if shell != "bash" or not (found.may_trap and found.background and found.comes_back):
        return told
    if _MINDS_CHILDREN.search(command):
        return told
    is_one = len(found.background) == 1 and all(found.background)
    names = [""] if _STARTS_OTHERS.search(command) else found.background
    background = tuple(map(short, names[:_MAX_NAMED]))
    return replace(told, background=background, each=not is_one and not found.repeats)


def _in_bash(found: Pipelines) -> Telling:
    # For commands that the shell itself runs, its DEBUG trap sees each pipeline before the next command, and its EXIT
    # trap sees the last one.
    outermost = [one for one in found.all if one.is_outermost]
    has_passed = len(outermost) > found.is_last
    passed = has_passed and found.keeps_its_end and not found.repeats
    if not outermost or not (passed or found.may_end_in_one):
        return _untold(found)
    if has_passed and not passed:
        hidden = found.all[: len(found.all) - found.is_last]
    else:
        hidden = found.all if not found.stays_in_sight else [one for one in found.all if not one.is_outermost]
    return Telling(found.may_end_in_one, passed, _named(outermost), _first(hidden))


def _in_zsh(found: Pipelines) -> Telling:
    # With a DEBUG trap, zsh would run its last command in another process.
    if not found.is_last:
        return _untold(found)
    return Telling(at_end=True, told=_named(found.all[-1:]), untold=_first(found.all[:-1]))


def _untold(found: Pipelines) -> Telling:
    return Telling(untold=_first(found.all))


def _named(some: list[Pipeline] | tuple[Pipeline, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(short, one.stages)) for one in some[:_MAX_NAMED])


def _first(some: list[Pipeline] | tuple[Pipeline, ...]) -> str | None:
    could_fail = (stage for one in some for stage in one.stages[:-1] if program(stage)[0] not in _CANNOT_FAIL)
    return next(map(short, could_fail), None)
