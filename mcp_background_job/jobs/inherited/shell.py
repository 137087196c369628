"""The shell that commands are given to: by default the user's own, so that a job does what the terminal would."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Iterator, Mapping, Sequence

#: What is written for one of these runs in the other but for rarities; other shells (fish, tcsh) have a language of
#: their own, in which nobody writes commands for an agent.
_TAKEN_AS_THEY_ARE = ("bash", "zsh")

_LAST_RESORT = "/bin/sh"

#: Linux gives a process no argument and no variable beyond this, its NUL included: MAX_ARG_STRLEN in
#: <linux/binfmts.h>, 32 pages.
MAX_ARGUMENT = 32 * os.sysconf("SC_PAGE_SIZE")


def users_shell(environment: Mapping[str, str]) -> str:
    """Return the user's shell, whatever it is: what ``SHELL`` names, else what the system's list of users says."""
    said = environment.get("SHELL", "")
    if _can_be_run(said):
        return said
    try:
        listed = pwd.getpwuid(os.geteuid()).pw_shell
    except KeyError:  # a container that runs as a user of no name
        listed = ""
    return listed if _can_be_run(listed) else _LAST_RESORT


def shell_for_commands(environment: Mapping[str, str]) -> str:
    """Return the shell for commands where no setting names one."""
    own = users_shell(environment)
    if os.path.basename(own) in _TAKEN_AS_THEY_ARE:
        return own
    return next(filter(_can_be_run, _places_of("bash", environment)), _LAST_RESORT)


def argv_of(shell: Sequence[str], command: str) -> list[str]:
    """Return what is executed to run a command."""
    return [*shell, "-c", command]


def shell_in(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the shell of what ``argv_of`` returned."""
    return tuple(argv[:-2])


def telling_shell(shell: Sequence[str]) -> str:
    """Return which shell it is that can tell how the stages of a pipeline ended, and reads a file before its command.

    With options of the user's it may not read that file, and what names it would be left over.
    """
    name = os.path.basename(shell[0])
    is_plain = name in _TAKEN_AS_THEY_ARE and all(option in ("-l", "--login") for option in shell[1:])
    return name if is_plain else ""


def is_too_long(argument: str) -> bool:
    """Tell whether the kernel refuses this as an argument, or as ``NAME=value`` of an environment."""
    return len(os.fsencode(argument)) >= MAX_ARGUMENT


def command_from(path: str, shell: Sequence[str]) -> str:
    """Return the command that does what a file says, as the shell would have done it with ``-c``.

    ``eval`` and not ``.``: with that, zsh names the file in ``$0``, and ends otherwise where it finds an error.
    """
    # sh has no other way than a program; the others need none, so that PATH does not matter.
    reads = "<" if os.path.basename(shell[0]) in _TAKEN_AS_THEY_ARE else "cat"
    return f'eval "$({reads} {shlex.quote(path)})"'


def _places_of(program: str, environment: Mapping[str, str]) -> Iterator[str]:
    for directory in f"{environment.get('PATH', '')}{os.pathsep}{os.defpath}".split(os.pathsep):
        if os.path.isabs(directory):
            yield os.path.join(directory, program)


def _can_be_run(path: str) -> bool:
    return os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK)
