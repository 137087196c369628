"""Finds the supervisor of a process, and how to start it again if there is none. Rules over its portrait, no signals.

If something else restarts a process, it must carry out the restart: otherwise there are two processes, or one without a
supervisor. The signs are: the control group (containers, systemd), the parent (supervisord and similar), paths (the
desktop app), and the user. The nearest supervisor counts first: a container's inner supervisor cannot be reached from
outside, and supervisord is itself a systemd service whose restart would end everything under it.
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
    """The kinds of supervisors."""

    OTHER_USER = "other_user"
    CONTAINER = "container"
    SERVICE = "service"
    DESKTOP = "desktop"


@dataclass(frozen=True)
class Supervisor:
    """The supervisor of a process.

    Attributes:
        kind: what it is.
        name: the container's id, the service's name, the app's name or the user's name.
        command: what a person has to type; for the desktop app, what to do; empty for a container that cannot be named.
            For another user's process, the command only ends it.
        why: the evidence, as the end of a sentence.
    """

    kind: Kind
    name: str
    command: str
    why: str


def who_supervises(portrait: Portrait, *, my_uid: int) -> Supervisor | None:
    """Return who must restart a process, as far as its portrait tells; ``None`` if we may.

    Args:
        portrait: the process; taken on the machine and in the namespaces where the answer is used.
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

#: The forms of containers' names in control groups, and how to restart each. The first match counts.
_CONTAINERS = (
    # Kubernetes: the kubelet restarts a stopped container. It comes first, since it contains the other forms.
    _ContainerForm(re.compile(rf"/kubepods[./].*?(?:cri-containerd-|crio-|docker-|/){_ID}"), "sudo crictl stop {}"),
    _ContainerForm(re.compile(rf"/docker[-/]{_ID}"), "docker restart {}"),
    # A user's podman does not show root's containers. Those are in the machine slice, and users' own are below user@.
    _ContainerForm(re.compile(rf"/machine\.slice/libpod-{_ID}"), "sudo podman restart {}"),
    _ContainerForm(re.compile(rf"/(?:libpod_parent/)?libpod-{_ID}"), "podman restart {}"),
    _ContainerForm(re.compile(r"/lxc(?:/|\.payload[./])(?P<id>[^/\n]+)"), "sudo lxc restart {}"),
    _ContainerForm(re.compile(r"/machine\.slice/systemd-nspawn@(?P<id>[^/\n]+)\.service"), "sudo machinectl reboot {}"),
)

#: The number of characters of an id that ``docker ps`` shows.
_SHORT_ID = 12


def _container(portrait: Portrait) -> Supervisor | None:
    named = _container_in(portrait.control_group)
    if named and named != _container_in(portrait.own_control_group):
        name, command = named
        return Supervisor(Kind.CONTAINER, name, command, f"it runs in the container {name}")
    return None


def _sandbox(portrait: Portrait) -> Supervisor | None:
    # After the service, which may have set up the sandbox.
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

#: Parts of paths that only the desktop app has: the first app, and "Comfy Desktop", its successor, which keeps its
#: installations in its own directory.
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
    if JOB_ID_VARIABLE in portrait.environ:  # we started it, from an installation of the app
        return None
    # Option values are excluded: a person may keep pictures anywhere.
    started = takewhile(lambda argument: not argument.startswith("--"), portrait.argv)
    # main.py is often a relative path, so the working directory counts too.
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
    # Without a name, the command lists the programs for the person to choose.
    return full or "supervisord", f"supervisorctl restart {shlex.quote(full)}" if full else "supervisorctl status"


def _runit_command(_: Portrait, parent: re.Match[str]) -> tuple[str, str]:
    return parent["name"], f"sv restart {shlex.quote(parent['name'])}"


def _s6_command(_: Portrait, parent: re.Match[str]) -> tuple[str, str]:
    # The parent names the directory relative to the scanned one, which is this by convention.
    name = parent["name"]
    return name, f"s6-svc -r {shlex.quote(name if '/' in name else f'/run/service/{name}')}"


def _pm2_command(portrait: Portrait, _: re.Match[str]) -> tuple[str, str]:
    name = portrait.environ.get("name") or portrait.environ.get("pm_id") or ""
    return name or "pm2", f"pm2 restart {shlex.quote(name)}" if name else "pm2 list"


#: Command lines of parents that restart their children, and how to ask them.
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

#: Services that people's own programs may end up in without belonging there: they give people a shell or a desktop
#: session, or run their commands at set times. Restarting them would end much else, and start nothing again.
_HOSTS = (
    "app-*",  # programs that a desktop has launched, such as a terminal
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
        return None  # a service that contains ourselves too is no sign that it supervises the process
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
            return None  # a scope, such as a session or a terminal's tab: nothing restarts its processes
        name = inner.removesuffix(_SERVICE)
        if any(fnmatchcase(name, host) for host in _HOSTS):
            return None
        return _Unit(name, of_user=any(_USER_MANAGER.fullmatch(part) for part in parts))
    return None


def _systemd_paths(control_group: str) -> Iterator[str]:
    """Yield the relevant paths in systemd's hierarchy: of version 2, and of version 1 or the hybrid."""
    for line in control_group.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number == "0" or controllers == "name=systemd") and _SERVICE in path:
            yield path


# --- starting it again ----------------------------------------------------------------------------------------------

#: Variables that belong to the way in which a process was started before, not to the process. The first one makes
#: ComfyUI-Manager end the process on a restart, for a launcher that would not be there. Because of ours, the new
#: process would be taken for a part of a job.
_LEFT_OUT = ("__COMFY_CLI_SESSION__", JOB_ID_VARIABLE, COOKIE_VARIABLE)


@dataclass(frozen=True)
class Launch:
    """A program to execute.

    Attributes:
        argv: arguments; the first is the absolute path of the program.
        cwd: working directory.
        environ: the whole environment.
    """

    argv: list[str]
    cwd: str
    environ: dict[str, str]


def relaunch_of(portrait: Portrait) -> Launch:
    """Return how to start a process again as it was; looks at the named files, and changes nothing.

    Raises:
        RelaunchError: its arguments, environment or working directory are unknown, or that directory or the program no
            longer exists.
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
    """Return the path by which the program was started.

    The kernel's path (``exe``) has symbolic links resolved. For the Python of a virtual environment, it names the one
    from which the environment was made, and that one does not see the environment's packages. So it is the last resort.
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
