"""Which project's thing a name means: one rule for jobs, runs and sessions, whoever asks.

Two projects may use one name. Whoever asks means what is theirs; what is not theirs is theirs to look at if the name
leaves no doubt, and theirs to end only if they say which project they mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_background_job.core.values import frozen
from mcp_background_job.errors import AmbiguousNameError, ForeignNameError

#: The project of what serves all of them, as ComfyUI does, and of whoever works for none.
NO_PROJECT = ""

#: Of the projects that have something of one name, an error tells so many.
_MAX_TOLD = 5


@frozen
class Asker:
    """Who uses a name.

    Attributes:
        project: that they work for, empty if they have none.
        changes: they want to end it, start it again or talk to it, and not only look or wait.
    """

    project: str
    changes: bool = False


@frozen
class Named:
    """What has the name: the newest of one project."""

    item_id: str
    project: str


@frozen
class Reference:
    """A name as it was given: with the project that is meant, or without."""

    project: str | None
    name: str


def reference_of(word: str) -> Reference:
    """Read ``NAME`` or ``PROJECT/NAME``, in which the project is a path or the end of one. No name has a slash."""
    project, slash, name = word.rpartition("/")
    return Reference(project if slash else None, name)


def chosen(reference: Reference, candidates: Sequence[Named], asker: Asker) -> Named | None:
    """Return which of the things of this name is meant, ``None`` if there is none that could be.

    Args:
        reference: what was said.
        candidates: everything that has the name, one for each project.
        asker: who has said it.

    Raises:
        AmbiguousNameError: it may mean things of several projects.
        ForeignNameError: it means a thing of another project, which only who names that may change.
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
    """Return a name as it is given from another project; the name alone if it is of no project."""
    return f"{last_part(project)}/{name}" if project else name


def of_no_project(name: str) -> str:
    """Return a name as it means what is of no project, whatever others have called theirs."""
    return f"/{name}"


def last_part(project: str) -> str:
    """Return what a project is called for short."""
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
