"""Which project's thing a name means: one rule for jobs, runs and sessions.

Two projects may use one name. A name means the caller's own thing first. A caller may look at another project's thing
if the name leaves no doubt, and may change it only if it also names the project.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_background_job.core.values import frozen
from mcp_background_job.errors import AmbiguousNameError, ForeignNameError

#: Stands for no project: the project of jobs that serve all projects, as ComfyUI does, and of callers without one.
NO_PROJECT = ""

#: An error lists at most this many projects that have something of one name.
_MAX_TOLD = 5


@frozen
class Asker:
    """The caller that uses a name.

    Attributes:
        project: the project that the caller works for; empty if it has none.
        changes: the caller wants to end the thing, start it again or talk to it, and not only look or wait.
    """

    project: str
    changes: bool = False


@frozen
class Named:
    """The newest thing of one project that has the name."""

    item_id: str
    project: str


@frozen
class Reference:
    """A name as it was given, with or without a project."""

    project: str | None
    name: str


def reference_of(word: str) -> Reference:
    """Read ``NAME`` or ``PROJECT/NAME``, in which the project is a path or the end of one. No name has a slash."""
    project, slash, name = word.rpartition("/")
    return Reference(project if slash else None, name)


def chosen(reference: Reference, candidates: Sequence[Named], asker: Asker) -> Named | None:
    """Return the thing that a name means; ``None`` if there is none.

    Args:
        reference: the name that was given.
        candidates: everything that has the name, at most one for each project.
        asker: the caller that gave it.

    Raises:
        AmbiguousNameError: the name may mean things of several projects.
        ForeignNameError: the name means a thing of another project, and the caller must name that project to change it.
    """
    if reference.project is not None:
        candidates = _of_project(reference.project, candidates)
    for candidate in candidates:
        if candidate.project == asker.project:
            return candidate
    if reference.project is not None:
        return _only(reference, candidates, asker)
    if candidates and asker.changes:
        raise ForeignNameError(
            f"{reference.name!r} is a name of another project: {_told(reference.name, candidates)}. "
            f"{_own(asker)}; to mean the other one, give its id or {_qualified(reference.name, candidates)}"
        )
    return _only(reference, candidates, asker)


def qualified(project: str, name: str) -> str:
    """Return a name as another project has to give it; the name alone if its thing is of no project."""
    return f"{last_part(project)}/{name}" if project else name


def of_no_project(name: str) -> str:
    """Return a name in the form that means the thing of no project, even if a project has one of the same name."""
    return f"/{name}"


def last_part(project: str) -> str:
    """Return the short form of a project: the last part of its path."""
    return project.rstrip("/").rpartition("/")[2]


def _of_project(said: str, candidates: Sequence[Named]) -> Sequence[Named]:
    whole = [candidate for candidate in candidates if candidate.project == said]
    return whole or [candidate for candidate in candidates if candidate.project.endswith(f"/{said}")]


def _only(reference: Reference, candidates: Sequence[Named], asker: Asker) -> Named | None:
    if len(candidates) > 1:
        raise AmbiguousNameError(
            f"{reference.name!r} is a name of several projects: {_told(reference.name, candidates)}. "
            f"{_own(asker)}; give an id, or more of the project's path"
        )
    return candidates[0] if candidates else None


def _own(asker: Asker) -> str:
    if not asker.project:
        return "You have no project of your own here (set MCP_BG_PROJECT, or start in the project's directory)"
    return f"Your project is {asker.project}"


def _qualified(name: str, candidates: Sequence[Named]) -> str:
    words = [qualified(candidate.project, name) for candidate in candidates if candidate.project]
    return words[0] if len(set(words)) == 1 == len(candidates) else "PROJECT/NAME"


def _told(name: str, candidates: Sequence[Named]) -> str:
    told = [f"{one.item_id} `{name}` of {one.project or 'no project'}" for one in candidates[:_MAX_TOLD]]
    more = len(candidates) - _MAX_TOLD
    return ", ".join([*told, *([f"and {more} more"] if more > 0 else [])])
