"""Who looks after a process, and how it is started again if nobody does. Rules over its portrait; nothing is signalled.

A process that something else starts again must be restarted by that, else there are two of it, or one that nobody looks
after. What tells: the control group (containers, systemd), the parent (supervisord and its like), paths (the desktop
app), and the user. Nearest first: a container's inner supervisor cannot be reached from outside, and supervisord is
itself a systemd service whose restart would end everything under it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from mcp_background_job.errors import RelaunchError
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE

if TYPE_CHECKING:  # the portrait's module loads psutil, 70 ms that not every server needs
    from mcp_background_job.processes.portrait import Portrait


class Kind(StrEnum):
    """What looks after a process."""

    OTHER_USER = "other_user"
    CONTAINER = "container"
    SERVICE = "service"
    DESKTOP = "desktop"


@dataclass(frozen=True)
class Supervisor:
    """Who looks after a process.

    Attributes:
        kind: what it is.
        name: the container's id, the service's name, the app's name or the user's name.
        command: what a person is to type; for the desktop app what to do; empty for a container that cannot be named.
            For another user's process, the command only ends it.
        why: what tells, as the end of a sentence.
    """

    kind: Kind
    name: str
    command: str
    why: str


def who_supervises(portrait: Portrait, *, my_uid: int) -> Supervisor | None:
    """Return who is to restart a process, as far as its portrait tells; ``None`` if we may.

    Args:
        portrait: the process; taken by a process that lives where the answer is to be used.
        my_uid: the user who would restart it otherwise.
    """
    found = _container(portrait) or _desktop(portrait) or _parent(portrait)
    found = found or _unit(portrait, my_uid) or _sandbox(portrait)
    if found or portrait.uid in (my_uid, None):
        return found
    user = _user(portrait)
    command = f"sudo -u {shlex.quote(user)} kill {portrait.pid}"
    return Supervisor(Kind.OTHER_USER, user, command, f"it runs as {user}, who has to start it again")


def _user(portrait: Portrait) -> str:
    return portrait.user or str(portrait.uid)


# --- containers -----------------------------------------------------------------------------------------------------


class _ContainerForm(NamedTuple):
    pattern: re.Pattern[str]
    command: str


_ID = r"(?P<id>[0-9a-f]{64})"

#: How control groups name containers, and how those are restarted. The first that fits counts.
_CONTAINERS = (
    # Kubernetes: the kubelet starts a stopped container again. Before the others, whose forms it contains.
    _ContainerForm(re.compile(rf"/kubepods[./].*?(?:cri-containerd-|crio-|docker-|/){_ID}"), "sudo crictl stop {}"),
    _ContainerForm(re.compile(rf"/docker[-/]{_ID}"), "docker restart {}"),
    # Containers of root are not shown to podman of a user; they lie in the machine slice, those of users below user@.
    _ContainerForm(re.compile(rf"/machine\.slice/libpod-{_ID}"), "sudo podman restart {}"),
    _ContainerForm(re.compile(rf"/(?:libpod_parent/)?libpod-{_ID}"), "podman restart {}"),
    _ContainerForm(re.compile(r"/lxc(?:/|\.payload[./])(?P<id>[^/\n]+)"), "sudo lxc restart {}"),
    _ContainerForm(re.compile(r"/machine\.slice/systemd-nspawn@(?P<id>[^/\n]+)\.service"), "sudo machinectl reboot {}"),
)

#: As many characters of an id as ``docker ps`` shows.
_SHORT_ID = 12


def _container(portrait: Portrait) -> Supervisor | None:
    named = _container_in(portrait.control_group)
    if named and named != _container_in(portrait.own_control_group):
        name, command = named
        return Supervisor(Kind.CONTAINER, name, command, f"it runs in the container {name}")
    return None


def _sandbox(portrait: Portrait) -> Supervisor | None:
    # After the service, which may be what set the sandbox up.
    if not portrait.pid_namespace_differs:
        return None
    return Supervisor(Kind.CONTAINER, "", "", "it runs in a container or sandbox of a kind that is not known here")


def _container_in(control_group: str) -> tuple[str, str] | None:
    for form in _CONTAINERS:
        if match := form.pattern.search(control_group):
            full = match["id"]
            name = full[:_SHORT_ID] if re.fullmatch(_ID, full) else full
            return name, form.command.format(shlex.quote(name))
    return None


# --- the desktop app ------------------------------------------------------------------------------------------------

#: Parts of paths that only the desktop app has: of the first one, and of "Comfy Desktop", which followed it and keeps
#: what it has installed in a directory of its own.
_DESKTOP_MARKS = (
    "ComfyUI.app/",
    "@comfyorg",
    "comfyui-electron",
    "ComfyUI Desktop",
    "Comfy Desktop",
    "comfy-desktop",
    "ComfyUI-Installs/",
)


def _desktop(portrait: Portrait) -> Supervisor | None:
    if JOB_ID_VARIABLE in portrait.environ:  # started here, from what the app has installed
        return None
    # Not in the values of options: a person may keep pictures anywhere.
    started = takewhile(lambda argument: not argument.startswith("--"), portrait.argv)
    # main.py is often a relative path, and the directory tells where it is.
    for text in (portrait.exe or "", *started, portrait.parent_command, f"{portrait.cwd or ''}/"):
        if any(mark in text for mark in _DESKTOP_MARKS):
            return Supervisor(
                Kind.DESKTOP, "Comfy Desktop", "quit and reopen Comfy Desktop", "it belongs to Comfy Desktop"
            )
    return None


# --- supervisors that are its parent --------------------------------------------------------------------------------


def _supervisord_command(portrait: Portrait, _: re.Match[str]) -> tuple[str, str]:
    name = portrait.environ.get("SUPERVISOR_PROCESS_NAME", "")
    group = portrait.environ.get("SUPERVISOR_GROUP_NAME", "")
    full = f"{group}:{name}" if group and group != name else name
    # Without a name, the programs are shown for the person to choose.
    return full or "supervisord", f"supervisorctl restart {shlex.quote(full)}" if full else "supervisorctl status"


def _runit_command(_: Portrait, parent: re.Match[str]) -> tuple[str, str]:
    return parent["name"], f"sv restart {shlex.quote(parent['name'])}"


def _s6_command(_: Portrait, parent: re.Match[str]) -> tuple[str, str]:
    # The parent names the directory as it stands in the one that is scanned, by convention this.
    name = parent["name"]
    return name, f"s6-svc -r {shlex.quote(name if '/' in name else f'/run/service/{name}')}"


def _pm2_command(portrait: Portrait, _: re.Match[str]) -> tuple[str, str]:
    name = portrait.environ.get("name") or portrait.environ.get("pm_id") or ""
    return name or "pm2", f"pm2 restart {shlex.quote(name)}" if name else "pm2 list"


#: Command lines of parents that start their children again, and how they are asked to.
_PARENTS: tuple[tuple[re.Pattern[str], Callable[[Portrait, re.Match[str]], tuple[str, str]]], ...] = (
    (re.compile(r"(?:^|[/ ])supervisord(?: |$)"), _supervisord_command),
    (re.compile(r"^(?:\S*/)?runsv (?P<name>\S+)"), _runit_command),
    (re.compile(r"^(?:\S*/)?s6-supervise (?P<name>\S+)"), _s6_command),
    (re.compile(r"^PM2 v\S+: God Daemon"), _pm2_command),
)


def _parent(portrait: Portrait) -> Supervisor | None:
    for pattern, command_of in _PARENTS:
        if match := pattern.search(portrait.parent_command):
            name, command = command_of(portrait, match)
            return Supervisor(Kind.SERVICE, name, command, f"its parent is {portrait.parent_command}")
    return None


# --- systemd --------------------------------------------------------------------------------------------------------

#: Services in which people's own programs end up although nobody meant them to be a part: what gives people a shell,
#: a desktop session, or runs their commands at a time. Restarting them would end much else, and start nothing again.
_HOSTS = (
    "app-*",  # what a desktop has launched, a terminal say
    "atd",
    "code-server*",
    "cron",
    "crond",
    "cronie",
    "dbus*",
    "emacs*",
    "gdm*",
    "getty@*",
    "gnome-terminal-server",
    "jupyter*",
    "lightdm",
    "plasma-*",
    "rc-local",
    "screen*",
    "sddm*",
    "serial-getty@*",
    "ssh",
    "ssh@*",
    "sshd",
    "sshd@*",
    "tmux*",
    "ttyd*",
    "user@*",
    "vscode*",
    "xfce4-*",
    "xrdp*",
)

_SERVICE = ".service"
_USER_MANAGER = re.compile(r"user@\d+\.service")


class _Unit(NamedTuple):
    name: str
    of_user: bool


def _unit(portrait: Portrait, my_uid: int) -> Supervisor | None:
    unit = _unit_in(portrait.control_group)
    if unit is None or unit == _unit_in(portrait.own_control_group):
        return None  # a service that we are a part of ourselves is no sign that it looks after the other part
    manager = "sudo systemctl"
    if unit.of_user:
        is_mine = portrait.uid in (my_uid, None)
        manager = "systemctl --user" if is_mine else f"sudo systemctl --user --machine={_user(portrait)}@.host"
    command = f"{manager} restart {shlex.quote(unit.name)}"
    return Supervisor(Kind.SERVICE, unit.name, command, f"it belongs to the service {unit.name}")


def _unit_in(control_group: str) -> _Unit | None:
    for path in _systemd_paths(control_group):
        parts = path.split("/")
        inner = next((part for part in reversed(parts) if part.endswith((_SERVICE, ".scope"))), "")
        if not inner.endswith(_SERVICE):
            return None  # a scope: a session, or a terminal's tab; nobody starts its processes again
        name = inner.removesuffix(_SERVICE)
        if any(fnmatchcase(name, host) for host in _HOSTS):
            return None
        return _Unit(name, of_user=any(_USER_MANAGER.fullmatch(part) for part in parts))
    return None


def _systemd_paths(control_group: str) -> Iterator[str]:
    """Yield the paths in systemd's hierarchy that say anything: of version 2, and of version 1 or the hybrid."""
    for line in control_group.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number == "0" or controllers == "name=systemd") and _SERVICE in path:
            yield path


# --- starting it again ----------------------------------------------------------------------------------------------

#: Variables that belong to the way in which a process was started before, not to the process. The first makes
#: ComfyUI-Manager end the process on a restart, for a launcher that would not be there; ours would have the new process
#: taken for a part of a job.
_LEFT_OUT = ("__COMFY_CLI_SESSION__", JOB_ID_VARIABLE, COOKIE_VARIABLE)


@dataclass(frozen=True)
class Launch:
    """What to execute.

    Attributes:
        argv: arguments; the first is the absolute path of the program.
        cwd: working directory.
        environ: the whole environment.
    """

    argv: list[str]
    cwd: str
    environ: dict[str, str]


def relaunch_of(portrait: Portrait) -> Launch:
    """Return how a process is started again as it was; looks at the files that are named, and changes nothing.

    Raises:
        RelaunchError: its arguments, environment or working directory are unknown, or that directory or the program
            is gone.
    """
    for name in ("argv", "environ", "cwd"):
        if name in portrait.unreadable:
            raise RelaunchError(f"{_who(portrait)}: its {_WORDS[name]} cannot be read; start it by hand")
    if not portrait.argv or portrait.cwd is None:
        raise RelaunchError(f"{_who(portrait)}: how it was started is not known; start it by hand")
    if not os.path.isdir(portrait.cwd):  # noqa: PTH112  plain paths, as they were given to the process
        raise RelaunchError(f"{_who(portrait)}: its working directory {portrait.cwd} is gone")
    program = _program(portrait, portrait.cwd)
    environ = {name: value for name, value in portrait.environ.items() if name not in _LEFT_OUT}
    return Launch([program, *portrait.argv[1:]], portrait.cwd, environ)


_WORDS = {"argv": "arguments", "environ": "environment", "cwd": "working directory"}


def _who(portrait: Portrait) -> str:
    return f"process {portrait.pid} cannot be started again"


def _program(portrait: Portrait, cwd: str) -> str:
    """Return the program's path by which it was started.

    The kernel's path (``exe``) has symbolic links resolved: for the python of a virtual environment it names the one
    that the environment was made from, which does not see the environment's packages. So it is the last resort.
    """
    name = portrait.argv[0]
    candidates = [os.path.join(cwd, name)] if "/" in name else list(_on_path(portrait, name, cwd))  # noqa: PTH118
    usable = [path for path in candidates if _can_be_run(path)]
    exe = portrait.exe if portrait.exe and _can_be_run(portrait.exe) else None
    if "/" not in name and exe:
        # A launcher of the same name may come first on the PATH (pyenv's shims); only the program itself will do.
        usable = [path for path in usable if os.path.samefile(path, exe)]  # noqa: PTH121
    if usable:
        return usable[0]
    if exe:
        return exe
    raise RelaunchError(f"{_who(portrait)}: its program {name} is gone; install it again, or start it by hand")


def _on_path(portrait: Portrait, name: str, cwd: str) -> Iterator[str]:
    for directory in portrait.environ.get("PATH", os.defpath).split(os.pathsep):
        yield os.path.join(cwd, directory, name)  # noqa: PTH118  an empty entry means the working directory
    if environment := portrait.environ.get("VIRTUAL_ENV"):
        yield os.path.join(cwd, environment, "bin", name)  # noqa: PTH118


def _can_be_run(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113
