"""Who looks after a ComfyUI, and how it is started again: by table, from what real systems write."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mcp_background_job.comfyui.process.supervision import Kind, Launch, relaunch_of, who_supervises
from mcp_background_job.errors import RelaunchError
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE
from mcp_background_job.processes.portrait import Portrait

ME = 1000
_ID = "3f4e1a7c9b2d" + "0123456789abcdef" * 3 + "beef"
_SHORT = "3f4e1a7c9b2d"
_POD = "pod8b4e6f3a-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
_USER = "user.slice/user-1000.slice"

#: Where a person's own server usually runs: a login session.
_SESSION = f"0::/{_USER}/session-4.scope\n"

PLAIN = Portrait(
    pid=4711,
    birth=100,
    started_at=1_700_000_000.0,
    user="ada",
    uid=ME,
    exe="/usr/bin/python3.11",
    argv=["python", "main.py", "--port", "8188"],
    cwd="/home/ada/ComfyUI",
    environ={"PATH": "/usr/bin:/bin", "HOME": "/home/ada"},
    session_id=4000,
    process_group=4711,
    parent_pid=4000,
    parent_command="-bash",
    control_group=_SESSION,
    own_control_group=_SESSION,
    pid_namespace_differs=False,
)


def _v1(path: str) -> str:
    controllers = ("pids", "memory", "cpu,cpuacct", "freezer", "devices", "name=systemd")
    return "".join(f"{number}:{name}:{path}\n" for number, name in enumerate(reversed(controllers), 1)) + "0::/\n"


CONTAINERS = {
    "docker, version 2, systemd": (f"0::/system.slice/docker-{_ID}.scope\n", f"docker restart {_SHORT}"),
    "docker, version 2, cgroupfs": (f"0::/docker/{_ID}\n", f"docker restart {_SHORT}"),
    "docker, version 1": (_v1(f"/docker/{_ID}"), f"docker restart {_SHORT}"),
    "docker, version 1, systemd": (_v1(f"/system.slice/docker-{_ID}.scope"), f"docker restart {_SHORT}"),
    "docker, rootless": (
        f"0::/{_USER}/user@1000.service/user.slice/docker-{_ID}.scope\n",
        f"docker restart {_SHORT}",
    ),
    "docker, nested groups": (f"0::/system.slice/docker-{_ID}.scope/init\n", f"docker restart {_SHORT}"),
    "podman of root": (f"0::/machine.slice/libpod-{_ID}.scope/container\n", f"sudo podman restart {_SHORT}"),
    "podman, rootless": (
        f"0::/{_USER}/user@1000.service/user.slice/libpod-{_ID}.scope/container\n",
        f"podman restart {_SHORT}",
    ),
    "podman, version 1": (_v1(f"/libpod_parent/libpod-{_ID}"), f"podman restart {_SHORT}"),
    "podman in a user's quadlet": (
        f"0::/{_USER}/user@1000.service/app.slice/comfy.service/libpod-payload-{_ID}\n",
        "systemctl --user restart comfy",
    ),
    "kubernetes, containerd": (
        f"0::/kubepods.slice/kubepods-besteffort.slice/{_POD}.slice/cri-containerd-{_ID}.scope\n",
        f"sudo crictl stop {_SHORT}",
    ),
    "kubernetes, version 1": (_v1(f"/kubepods/burstable/{_POD}/{_ID}"), f"sudo crictl stop {_SHORT}"),
    "kubernetes, docker": (
        _v1(f"/kubepods.slice/kubepods-burstable.slice/{_POD}.slice/docker-{_ID}.scope"),
        f"sudo crictl stop {_SHORT}",
    ),
    "lxc": ("0::/lxc.payload.comfy/system.slice/comfyui.service\n", "sudo lxc restart comfy"),
    "lxc, version 1": (_v1("/lxc/comfy"), "sudo lxc restart comfy"),
    "nspawn": (
        "0::/machine.slice/systemd-nspawn@comfy.service/payload/system.slice/comfyui.service\n",
        "sudo machinectl reboot comfy",
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_restarted_from_outside(name: str) -> None:
    control_group, command = CONTAINERS[name]
    portrait = replace(PLAIN, uid=0, user="root", control_group=control_group, pid_namespace_differs=True)
    found = who_supervises(portrait, my_uid=0)
    assert found
    assert found.command == command
    assert found.kind is (Kind.SERVICE if "systemctl" in command else Kind.CONTAINER)


@pytest.mark.parametrize("name", CONTAINERS)
def test_in_the_same_container_there_is_nobody_to_ask(name: str) -> None:
    control_group, _ = CONTAINERS[name]
    assert (
        who_supervises(replace(PLAIN, control_group=control_group, own_control_group=control_group), my_uid=ME) is None
    )


def test_a_sandbox_that_cannot_be_named_is_still_one() -> None:
    found = who_supervises(replace(PLAIN, pid_namespace_differs=True), my_uid=ME)
    assert found
    assert (found.kind, found.name, found.command) == (Kind.CONTAINER, "", "")
    assert who_supervises(replace(PLAIN, pid_namespace_differs=None), my_uid=ME) is None


SERVICES = {
    "system": ("0::/system.slice/comfyui.service\n", "sudo systemctl restart comfyui"),
    "system, version 1": (_v1("/system.slice/comfyui.service"), "sudo systemctl restart comfyui"),
    "system, hybrid": (
        "1:name=systemd:/system.slice/comfyui.service\n0::/system.slice/comfyui.service\n",
        "sudo systemctl restart comfyui",
    ),
    "system, an instance": (
        "0::/system.slice/system-comfyui.slice/comfyui@gpu0.service\n",
        "sudo systemctl restart comfyui@gpu0",
    ),
    "system, a name with an escape": (
        "0::/system.slice/comfy\\x2dui.service\n",
        "sudo systemctl restart 'comfy\\x2dui'",
    ),
    "system, delegated": ("0::/system.slice/comfyui.service/workers\n", "sudo systemctl restart comfyui"),
    "user": (
        f"0::/{_USER}/user@1000.service/app.slice/comfyui.service\n",
        "systemctl --user restart comfyui",
    ),
    "user, old": (f"0::/{_USER}/user@1000.service/comfyui.service\n", "systemctl --user restart comfyui"),
    "user, version 1": (
        _v1(f"/{_USER}/user@1000.service/app.slice/comfyui.service"),
        "systemctl --user restart comfyui",
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_restarted_by_systemd(name: str) -> None:
    control_group, command = SERVICES[name]
    found = who_supervises(replace(PLAIN, control_group=control_group), my_uid=ME)
    assert found
    assert (found.kind, found.command) == (Kind.SERVICE, command)
    assert found.name in found.why


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_we_are_a_part_of_does_not_look_after_others(name: str) -> None:
    control_group, _ = SERVICES[name]
    portrait = replace(PLAIN, control_group=control_group, own_control_group=control_group)
    assert who_supervises(portrait, my_uid=ME) is None


@pytest.mark.parametrize(
    "control_group",
    [
        "",
        "0::/\n",
        _v1("/"),
        _SESSION,
        _v1(f"/{_USER}/session-4.scope"),
        f"0::/{_USER}/user@1000.service\n",
        f"0::/{_USER}/user@1000.service/init.scope\n",
        f"0::/{_USER}/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-6a2b.scope\n",
        f"0::/{_USER}/user@1000.service/app.slice/app-gnome-code-2211.scope\n",
        f"0::/{_USER}/user@1000.service/app.slice/app-org.kde.konsole@4c7e.service\n",
        f"0::/{_USER}/user@1000.service/app.slice/app-org.kde.konsole@4c7e.service/tab(3344).scope\n",
        f"0::/{_USER}/user@1000.service/app.slice/run-r6a2b.scope\n",
        f"0::/{_USER}/user@1000.service/app.slice/terminal-agent.service/run-u7.scope\n",
        f"0::/{_USER}/user@1000.service/gnome-terminal-server.service\n",
        f"0::/{_USER}/user@1000.service/tmux-spawn-6a2b.scope\n",
        "0::/system.slice/ssh.service\n",
        "0::/system.slice/cron.service\n",
        "0::/system.slice/system-getty.slice/getty@tty1.service\n",
        "0::/init.scope\n",
        "4:memory:/process_api/6eb7822fd67f\n0::/\n",
    ],
)
def test_a_session_a_terminal_and_what_gives_people_shells_are_no_services(control_group: str) -> None:
    assert who_supervises(replace(PLAIN, control_group=control_group, own_control_group="0::/\n"), my_uid=ME) is None


PARENTS: dict[str, tuple[str, dict[str, str], str]] = {
    "supervisord": (
        "/usr/bin/python3 /usr/bin/supervisord -c /etc/supervisor/supervisord.conf",
        {"SUPERVISOR_PROCESS_NAME": "comfyui", "SUPERVISOR_GROUP_NAME": "comfyui"},
        "supervisorctl restart comfyui",
    ),
    "supervisord, a group": (
        "/usr/bin/supervisord -n",
        {"SUPERVISOR_PROCESS_NAME": "comfy", "SUPERVISOR_GROUP_NAME": "ai stack"},
        "supervisorctl restart 'ai stack:comfy'",
    ),
    "supervisord, unnamed": ("supervisord", {}, "supervisorctl status"),
    "runit": ("runsv comfyui", {}, "sv restart comfyui"),
    "runit, by path": ("/usr/bin/runsv comfyui", {}, "sv restart comfyui"),
    "s6": ("s6-supervise comfyui", {}, "s6-svc -r /run/service/comfyui"),
    "s6, by path": ("/command/s6-supervise /srv/scan/comfyui", {}, "s6-svc -r /srv/scan/comfyui"),
    "pm2": ("PM2 v5.3.0: God Daemon (/home/ada/.pm2)", {"name": "comfyui", "pm_id": "3"}, "pm2 restart comfyui"),
    "pm2, unnamed": ("PM2 v5.3.0: God Daemon (/home/ada/.pm2)", {"pm_id": "3"}, "pm2 restart 3"),
    "pm2, unknown": ("PM2 v6.0.5: God Daemon (/home/ada/.pm2)", {}, "pm2 list"),
}


@pytest.mark.parametrize("name", PARENTS)
@pytest.mark.parametrize("control_group", [_SESSION, "0::/system.slice/supervisor.service\n"])
def test_a_supervisor_that_is_the_parent_is_asked_and_not_the_service_that_it_is(name: str, control_group: str) -> None:
    parent, environ, command = PARENTS[name]
    portrait = replace(PLAIN, parent_command=parent, environ=PLAIN.environ | environ, control_group=control_group)
    found = who_supervises(portrait, my_uid=ME)
    assert found
    assert (found.kind, found.command) == (Kind.SERVICE, command)


@pytest.mark.parametrize(
    "parent", ["-bash", "vim supervisord.conf", "bash -c echo runsv x", "python supervisord_exporter.py", ""]
)
def test_other_parents_are_no_supervisors(parent: str) -> None:
    # An environment keeps the variables of a supervisor further up.
    environ = PLAIN.environ | {"SUPERVISOR_PROCESS_NAME": "shell", "pm_id": "1"}
    assert who_supervises(replace(PLAIN, parent_command=parent, environ=environ), my_uid=ME) is None


@pytest.mark.parametrize(
    "changes",
    [
        {
            "argv": [
                "/Users/ada/ComfyUI/.venv/bin/python",
                "/Applications/ComfyUI.app/Contents/Resources/ComfyUI/main.py",
            ]
        },
        {"parent_command": "/Applications/ComfyUI.app/Contents/MacOS/ComfyUI"},
        {"exe": "/home/ada/.local/share/@comfyorg/comfyui-electron/.venv/bin/python"},
        {"parent_command": "/opt/ComfyUI Desktop/comfyui-desktop --no-sandbox"},
        {"parent_command": "/opt/Comfy Desktop/Comfy Desktop --type=utility"},
        {"parent_command": "/usr/bin/comfy-desktop"},
        {"cwd": "/home/ada/ComfyUI-Installs/standard/ComfyUI"},
        {"argv": ["/home/ada/ComfyUI-Installs/gpu/.venv/bin/python", "main.py"]},
        {"argv": ["/x/python", "/usr/lib/comfyui-electron/resources/ComfyUI/main.py"], "uid": 0},
    ],
)
def test_the_desktop_app_is_quit_and_reopened(changes: dict[str, object]) -> None:
    found = who_supervises(replace(PLAIN, **changes), my_uid=ME)
    assert found
    assert (found.kind, found.command) == (Kind.DESKTOP, "quit and reopen Comfy Desktop")


def test_a_directory_of_the_users_does_not_make_the_desktop_app() -> None:
    argv = ["python", "main.py", "--output-directory", "/home/ada/ComfyUI Desktop/out"]
    assert who_supervises(replace(PLAIN, argv=argv), my_uid=ME) is None


def test_what_a_job_of_ours_runs_where_the_desktop_app_installs_is_ours() -> None:
    place = "/home/ada/ComfyUI-Installs/standard"
    argv = [f"{place}/.venv/bin/python", "main.py"]
    ours = replace(PLAIN, argv=argv, cwd=f"{place}/ComfyUI", environ={JOB_ID_VARIABLE: "j1"})
    assert who_supervises(ours, my_uid=ME) is None


def test_another_users_process_is_that_users() -> None:
    found = who_supervises(replace(PLAIN, uid=1001, user="bob"), my_uid=ME)
    assert found
    assert (found.kind, found.name, found.command) == (Kind.OTHER_USER, "bob", "sudo -u bob kill 4711")
    found = who_supervises(replace(PLAIN, uid=1001, user=None), my_uid=ME)
    assert found
    assert found.name == "1001"


@pytest.mark.parametrize(
    ("control_group", "command"),
    [
        ("0::/system.slice/comfyui.service\n", "sudo systemctl restart comfyui"),
        (
            "0::/user.slice/user-1001.slice/user@1001.service/app.slice/comfyui.service\n",
            "sudo systemctl --user --machine=bob@.host restart comfyui",
        ),
        (f"0::/docker/{_ID}\n", f"docker restart {_SHORT}"),
    ],
)
def test_a_service_or_container_of_another_user_is_restarted_as_such(control_group: str, command: str) -> None:
    found = who_supervises(replace(PLAIN, uid=1001, user="bob", control_group=control_group), my_uid=ME)
    assert found
    assert found.command == command


def test_an_ordinary_process_of_mine_is_mine_to_restart() -> None:
    assert who_supervises(PLAIN, my_uid=ME) is None
    assert who_supervises(replace(PLAIN, uid=None), my_uid=ME) is None


# --- starting it again ----------------------------------------------------------------------------------------------


@dataclass
class _Machine:
    """A file system in which a python is installed, with a virtual environment and a conda environment."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for path in ("usr/bin/python3.11", "conda/envs/comfy/bin/python3.11", "bin/wrapper", "shims/python"):
            self._program(path)
        for link, target in {
            "usr/bin/python3": "python3.11",
            "usr/bin/python": "python3",
            "home/ComfyUI/.venv/bin/python": str(self.root / "usr/bin/python3.11"),
            "home/ComfyUI/.venv/bin/python3": "python",
            "conda/envs/comfy/bin/python": "python3.11",
        }.items():
            (self.root / link).parent.mkdir(parents=True, exist_ok=True)
            (self.root / link).symlink_to(target)
        (self.root / "usr/bin/data").write_text("")

    def _program(self, path: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        file.chmod(0o755)

    def here(self, text: str) -> str:
        """Put this machine's root where the text has ``@``."""
        return text.replace("@", str(self.root))

    def portrait(self, argv: list[str], exe: str, environ: dict[str, str], cwd: str = "@/home/ComfyUI") -> Portrait:
        return replace(
            PLAIN,
            argv=[self.here(part) for part in argv],
            exe=self.here(exe),
            cwd=self.here(cwd),
            environ={name: self.here(value) for name, value in environ.items()},
        )


@pytest.fixture
def machine(tmp_path: Path) -> _Machine:
    return _Machine(tmp_path)


_SYSTEM = {"PATH": "@/usr/bin:/nowhere"}
_ACTIVATED = {"PATH": "@/home/ComfyUI/.venv/bin:@/usr/bin", "VIRTUAL_ENV": "@/home/ComfyUI/.venv"}
_BASE = "@/usr/bin/python3.11"
_VENV = "@/home/ComfyUI/.venv/bin/python"
_CONDA = "@/conda/envs/comfy/bin"

#: What was executed: arguments, the kernel's path of the program, environment; and what is to be executed.
RELAUNCHES: dict[str, tuple[list[str], str, dict[str, str], str]] = {
    "absolute": (["@/usr/bin/python3", "main.py"], _BASE, _SYSTEM, "@/usr/bin/python3"),
    "bare": (["python", "main.py"], _BASE, _SYSTEM, "@/usr/bin/python"),
    "venv, activated": (["python", "main.py"], _BASE, _ACTIVATED, _VENV),
    "venv, absolute": ([_VENV, "main.py"], _BASE, _SYSTEM, _VENV),
    "venv, relative": ([".venv/bin/python3", "main.py"], _BASE, _SYSTEM, "@/home/ComfyUI/.venv/bin/python3"),
    "venv, relative with a dot": (
        ["./.venv/bin/python", "main.py"],
        _BASE,
        _SYSTEM,
        "@/home/ComfyUI/./.venv/bin/python",
    ),
    "venv, known by its variable alone": (
        ["python", "main.py"],
        _BASE,
        {"PATH": "/nowhere", "VIRTUAL_ENV": "@/home/ComfyUI/.venv"},
        _VENV,
    ),
    "path with an empty entry": (
        ["python", "main.py"],
        _BASE,
        {"PATH": ":.venv/bin"},
        "@/home/ComfyUI/.venv/bin/python",
    ),
    "module": (["python", "-m", "comfyui", "--listen"], _BASE, _ACTIVATED, _VENV),
    "code": (["python3", "-c", "import main\nmain.start('a b')"], _BASE, _SYSTEM, "@/usr/bin/python3"),
    "uv run": (["@/home/ComfyUI/.venv/bin/python3", "main.py"], _BASE, _ACTIVATED, "@/home/ComfyUI/.venv/bin/python3"),
    "conda, activated": (
        ["python", "main.py"],
        f"{_CONDA}/python3.11",
        {"PATH": f"{_CONDA}:@/usr/bin", "CONDA_PREFIX": "@/conda/envs/comfy"},
        f"{_CONDA}/python",
    ),
    "conda, the PATH lost": (["python", "main.py"], f"{_CONDA}/python3.11", _SYSTEM, f"{_CONDA}/python3.11"),
    "a shim of the same name": (["python", "main.py"], _BASE, {"PATH": "@/shims:@/usr/bin"}, "@/usr/bin/python"),
    "a wrapper that keeps its name": (["@/bin/wrapper", "main.py"], _BASE, _SYSTEM, "@/bin/wrapper"),
    "a name that is nowhere": (["comfy", "main.py"], _BASE, _SYSTEM, _BASE),
    "a path that is gone": (["@/gone/python", "main.py"], _BASE, _SYSTEM, _BASE),
    "a path that is no program": (["@/usr/bin/data", "main.py"], _BASE, _SYSTEM, _BASE),
    "a relative path that is gone": (["gone/python", "main.py"], _BASE, _SYSTEM, _BASE),
}


@pytest.mark.parametrize("name", RELAUNCHES)
def test_a_process_is_started_again_by_the_path_it_was_started_by(machine: _Machine, name: str) -> None:
    argv, exe, environ, expected = RELAUNCHES[name]
    portrait = machine.portrait(argv, exe, environ)
    assert relaunch_of(portrait) == Launch(
        [machine.here(expected), *portrait.argv[1:]], str(machine.root / "home/ComfyUI"), portrait.environ
    )


def test_without_the_kernels_path_the_first_on_the_path_is_taken(machine: _Machine) -> None:
    portrait = replace(machine.portrait(["python", "main.py"], _BASE, _ACTIVATED), exe=None, unreadable=("exe",))
    assert relaunch_of(portrait).argv[0] == machine.here(_VENV)


def test_what_belongs_to_the_former_launcher_is_left_out_of_the_environment(machine: _Machine) -> None:
    environ = _SYSTEM | {"CUDA_VISIBLE_DEVICES": "1", "ODD": "\udcff"}
    former = {"__COMFY_CLI_SESSION__": "/tmp/x", JOB_ID_VARIABLE: "jabc", COOKIE_VARIABLE: "c"}
    launch = relaunch_of(machine.portrait(["python", "main.py"], _BASE, environ | former))
    assert launch.environ == machine.portrait([], _BASE, environ).environ


@pytest.mark.parametrize("name", ["argv", "environ", "cwd"])
def test_what_is_not_known_is_not_guessed(machine: _Machine, name: str) -> None:
    portrait = machine.portrait(["python", "main.py"], _BASE, _SYSTEM)
    word = {"argv": "arguments", "environ": "environment", "cwd": "working directory"}[name]
    with pytest.raises(RelaunchError, match=f"4711 .* {word} cannot be read"):
        relaunch_of(replace(portrait, unreadable=(name,)))


@pytest.mark.parametrize("changes", [{"argv": []}, {"cwd": None}])
def test_an_empty_portrait_is_refused(machine: _Machine, changes: dict[str, object]) -> None:
    portrait = machine.portrait(["python", "main.py"], _BASE, _SYSTEM)
    with pytest.raises(RelaunchError, match="not known"):
        relaunch_of(replace(portrait, **changes))


def test_a_working_directory_that_is_gone_is_said(machine: _Machine) -> None:
    with pytest.raises(RelaunchError, match="gone") as raised:
        relaunch_of(machine.portrait(["python", "main.py"], _BASE, _SYSTEM, cwd="@/home/away"))
    assert raised.value.code == "cannot_relaunch"


def test_a_program_that_is_gone_is_said(machine: _Machine) -> None:
    with pytest.raises(RelaunchError, match="its program comfy is gone"):
        relaunch_of(machine.portrait(["comfy"], "@/gone/comfy", _SYSTEM))


def test_this_very_process_could_be_started_again() -> None:
    portrait = replace(
        PLAIN, argv=[sys.executable], exe=os.path.realpath(sys.executable), cwd="/", environ=dict(os.environ)
    )
    assert relaunch_of(portrait).argv == [sys.executable]
