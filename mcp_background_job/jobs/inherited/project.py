"""Which project a directory belongs to: the repository, or else the directory itself."""

from __future__ import annotations

import os

from mcp_background_job.core.wire import utf8

#: What a repository has at its top. A worktree or submodule of git has a file of this name.
_MARKS = (".git", ".hg", ".jj")

#: As long as a path may be.
_MAX_LENGTH = 4096


def own_project(said: str) -> str:
    """Return the project of this process: the one that was given, else that of its working directory."""
    if said:
        return said
    directory = working_directory()
    return project_of(directory) if directory else ""


def project_named(text: str) -> str:
    """Return the project that somebody names: a directory by its path, without symbolic links, or any other name.

    A name may have slashes inside, and has none that say nothing, so that its last part is one.

    Raises:
        ValueError: it cannot be one.
    """
    name = text.strip()
    if name and not name.strip("/"):
        raise ValueError("the root directory is not a project")
    if len(name) > _MAX_LENGTH or not name.isprintable():
        raise ValueError(f"a project is a directory or a name, of at most {_MAX_LENGTH} printable characters")
    return utf8(os.path.realpath(os.path.expanduser(name))) if name.startswith(("/", "~", ".")) else _of_parts(name)


def _of_parts(name: str) -> str:
    return "/".join(part for part in name.split("/") if part)


def project_of(directory: str) -> str:
    """Return the directory of the project, without symbolic links.

    Empty, for no project, if it is the root or a home directory: clients for the desktop start their servers there,
    whatever is worked on. A repository at one of them does not count. Bytes that are no UTF-8 are written out: projects
    are compared, and come from databases and clients too, which cannot hold such bytes.
    """
    path = os.path.realpath(directory)
    home = os.path.realpath(os.path.expanduser("~"))
    return utf8(_repository(path, no_project=("/", home)) or ("" if path in ("/", home) else path))


def working_directory() -> str:
    """Return the real working directory of this process; empty if it was removed.

    Not ``$PWD``: many clients set the directory of their servers, and leave that variable as it was.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _repository(path: str, *, no_project: tuple[str, str]) -> str:
    # A repository of a whole home directory, such as one of dotfiles, would make one project of all projects.
    while path not in no_project:
        if any(os.path.exists(os.path.join(path, mark)) for mark in _MARKS):
            return path
        path = os.path.dirname(path)
    return ""
