"""Which project a directory belongs to: the repository, or else the directory itself."""

from __future__ import annotations

import os

#: What a repository has at its top. A worktree or submodule of git has a file of this name.
_MARKS = (".git", ".hg", ".jj")


def project_of(directory: str) -> str:
    """Return the directory of the project, without symbolic links.

    Empty, for no project, if it is the root or a home directory and no repository: clients for the desktop start their
    servers there, whatever is worked on.
    """
    path = os.path.realpath(directory)
    home = os.path.realpath(os.path.expanduser("~"))
    if repository := _repository(path):
        return repository
    return "" if path in ("/", home) else path


def working_directory() -> str:
    """Return the real working directory of this process; empty if it was removed.

    Not ``$PWD``: many clients set the directory of their servers, and leave that variable as it was.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def own_project() -> str:
    """Return the project that this process works for; empty for none."""
    directory = working_directory()
    return project_of(directory) if directory else ""


def _repository(path: str) -> str:
    while True:
        if any(os.path.exists(os.path.join(path, mark)) for mark in _MARKS):
            return path
        parent = os.path.dirname(path)
        if parent == path:
            return ""
        path = parent
