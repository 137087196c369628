"""The portrait of a process: enough to know it again and to start it again, and no guesses."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.processes.portrait import Portrait, arguments, portrait_of, variables
from mcp_background_job.processes.wrapper import ProcessWrapper
from tests.conftest import Liveness
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process


@contextlib.contextmanager
def _running(liveness: Liveness, name: str, body: str, **options: Any) -> Generator[int]:
    child = subprocess.Popen(liveness.script(name, body).split(), **options)
    try:
        liveness.expect(name)
        yield child.pid
    finally:
        liveness.end_all()
        child.wait(PATIENCE_S)


def _holding(liveness: Liveness, **options: Any) -> contextlib.AbstractContextManager[int]:
    return _running(liveness, "model", "connect('model')\nhang()\n", **options)


def test_what_a_process_was_started_with_is_read(liveness: Liveness, tmp_path: Path) -> None:
    cwd = tmp_path / "with space"
    cwd.mkdir()
    environ: Mapping[bytes, bytes] = {b"PLAIN": b"a=b", b"BYTES": b"\xff\xfe", b"EMPTY": b"", "ÜMLAUT".encode(): b"\n"}
    before = time.time()
    with _holding(liveness, cwd=cwd, env=environ, start_new_session=True) as pid:
        portrait = portrait_of(ProcessWrapper(pid))
    assert portrait.pid == pid
    assert portrait.argv == liveness.holder("model").split()
    assert portrait.cwd == str(cwd)
    assert {os.fsencode(name): os.fsencode(value) for name, value in portrait.environ.items()} == environ
    assert portrait.exe == os.path.realpath(sys.executable)
    # The start is known to the hundredth of a second, and the boot to which it is added to the second.
    assert abs(portrait.started_at - before) < 2 + PATIENCE_S
    assert (portrait.session_id, portrait.process_group, portrait.parent_pid) == (pid, pid, os.getpid())
    assert portrait.parent_command == " ".join(arguments(Path("/proc/self/cmdline").read_bytes()))
    assert (portrait.uid, portrait.user) == (os.getuid(), psutil.Process().username())
    assert portrait.control_group == portrait.own_control_group == Path("/proc/self/cgroup").read_text()
    assert portrait.pid_namespace_differs is False
    assert portrait.boot_id == boot_id()
    assert portrait.unreadable == ()


def test_a_portrait_goes_through_json_unchanged(liveness: Liveness) -> None:
    odd = b"\xff\xed\xa0\x80 \xf0\x9f\x98\x80\xc3"
    with _holding(liveness, env={b"ODD": odd}) as pid:
        portrait = portrait_of(ProcessWrapper(pid))
    text = portrait.to_json()
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)["version"] == 1
    again = Portrait.from_json(text)
    assert again == portrait
    assert os.fsencode(again.environ["ODD"]) == odd
    assert Portrait.from_json(replace(portrait, unreadable=("cwd",), cwd=None).to_json()).unreadable == ("cwd",)


def test_a_portrait_of_another_release_is_read() -> None:
    portrait = Portrait.from_json('{"version": 7, "pid": 3, "birth": 1.5, "started_at": 2, "mood": "merry"}')
    assert (portrait.pid, portrait.birth, portrait.environ, portrait.unreadable) == (3, 1.5, {}, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"pid": "3", "birth": 1, "started_at": 2}',
        '{"pid": 3, "birth": 1, "started_at": 2, "argv": [1]}',
        '{"pid": 3, "birth": 1, "started_at": 2, "environ": {"A": null}}',
        '{"pid": 3, "birth": 1, "started_at": 2, "environ": []}',
        '{"pid": 3, "birth": 1, "started_at": 2, "unreadable": "cwd"}',
    ],
)
def test_what_is_no_portrait_is_refused(text: str) -> None:
    with pytest.raises(CorruptRecordError):
        Portrait.from_json(text)


def test_the_process_of_a_portrait_is_found_as_long_as_it_lives(liveness: Liveness) -> None:
    with _holding(liveness) as pid:
        portrait = Portrait.from_json(portrait_of(ProcessWrapper(pid)).to_json())
        assert portrait.process().pid == pid
        for other in (replace(portrait, birth=portrait.birth - 1), replace(portrait, boot_id="another")):
            with pytest.raises(ProcessLookupError):
                other.process()
    with pytest.raises(ProcessLookupError):
        portrait.process()


def test_a_process_that_has_ended_has_no_portrait(liveness: Liveness) -> None:
    child = subprocess.Popen(liveness.holder("gone").split())
    liveness.expect("gone")
    process = ProcessWrapper(child.pid)
    child.kill()
    liveness.wait_dead("gone")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProcessLookupError):  # a zombie
        portrait_of(process)
    child.wait(PATIENCE_S)
    with pytest.raises(ProcessLookupError):
        portrait_of(process)


def test_a_program_and_a_directory_that_are_gone_are_named_as_they_were(tmp_path: Path) -> None:
    program = tmp_path / "program (deleted)"
    shutil.copy("/bin/cat", program)
    cwd = tmp_path / "gone"
    cwd.mkdir()
    child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd)
    assert child.stdin
    assert child.stdout
    try:
        # Popen returns in the middle of exec, when the new arguments are not in their place yet.
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert child.stdout.read(1) == b"\n"
        assert portrait_of(ProcessWrapper(child.pid)).exe == str(program)
        program.unlink()
        cwd.rmdir()
        portrait = portrait_of(ProcessWrapper(child.pid))
        assert (portrait.exe, portrait.cwd) == (str(program), str(cwd))
        assert portrait.unreadable == ()
    finally:
        child.communicate(timeout=PATIENCE_S)


def test_a_process_with_a_title_has_unreadable_arguments(liveness: Liveness) -> None:
    body = (
        "fields = open('/proc/self/stat').read().rsplit(')', 1)[1].split()\n"
        "start, end = int(fields[45]), int(fields[46])\n"  # arg_start and arg_end
        "with open('/proc/self/mem', 'r+b', 0) as memory:\n"
        "    memory.seek(start)\n"
        "    memory.write(b'comfy: serving'.ljust(end - start, b'\\0'))\n"
        "connect('model')\nhang()\n"
    )
    with _running(liveness, "model", body) as pid:
        portrait = portrait_of(ProcessWrapper(pid))
    assert portrait.argv == []
    assert portrait.unreadable == ("argv",)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_what_another_user_may_not_read_is_listed(liveness: Liveness) -> None:
    with _holding(liveness) as pid:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                os.write(writer, portrait_of(ProcessWrapper(pid)).to_json().encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader) as answer:
            portrait = Portrait.from_json(answer.read())
        os.waitpid(child, 0)
    assert set(portrait.unreadable) == {"exe", "cwd", "environ", "pid_namespace_differs"}
    assert (portrait.exe, portrait.cwd, portrait.environ, portrait.pid_namespace_differs) == (None, None, {}, None)
    assert portrait.argv == liveness.holder("model").split()
    assert portrait.uid == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"python\0main.py\0", ["python", "main.py"]),
        (b"python\0\0-c\0a b\0\0", ["python", "", "-c", "a b", ""]),
        (b"/opt/my tools/comfy\0", ["/opt/my tools/comfy"]),
        (b"comfy\0\0", ["comfy", ""]),
        (b"\xff\0", ["\udcff"]),
        (b"", None),
        (b"comfy: serving", None),
        (b"comfy: serving\0\0\0\0", None),
    ],
)
def test_arguments_are_told_from_titles(data: bytes, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="title"):
            arguments(data)
    else:
        assert arguments(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", {}),
        (b"A=1\0B=\0C=a=b\0", {"A": "1", "B": "", "C": "a=b"}),
        (b"A=1\0A=2\0", {"A": "1"}),
        (b"erving\0\0\0\0", None),
        (b"\0\0\0", None),
    ],
)
def test_an_environment_is_told_from_the_end_of_a_title(data: bytes, expected: dict[str, str] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="environment"):
            variables(data)
    else:
        assert variables(data) == expected
