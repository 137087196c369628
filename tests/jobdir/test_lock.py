"""The lock that means "alive": the kernel's word, asked of real processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.jobdir.lock import Holder, held, holder_of, release_mine, try_acquire
from tests.patience import PATIENCE_S

_HOLDER = """
import os, sys
from mcp_background_job.jobdir.lock import try_acquire
assert try_acquire(sys.argv[1]) is not None
os.write(1, b"held\\n")
sys.stdin.read()
"""

_FORKING_HOLDER = """
import os, sys
from mcp_background_job.jobdir.lock import try_acquire
assert try_acquire(sys.argv[1]) is not None
if os.fork() == 0:
    os.write(1, b"held\\n")
sys.stdin.read()
"""

_COUNTER = """
import sys
from mcp_background_job.jobdir.lock import held
left = int(sys.argv[3])
while left:
    with held(sys.argv[1]) as got:
        if not got:
            continue
        with open(sys.argv[2]) as file:
            count = int(file.read())
        with open(sys.argv[2], "w") as file:
            file.write(str(count + 1))
        left -= 1
"""


@contextlib.contextmanager
def process(script: str, *arguments: str) -> Generator[subprocess.Popen[bytes]]:
    """A process that runs until its stdin is closed."""
    command = [sys.executable, "-c", script, *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.wait(PATIENCE_S)
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


def said(child: subprocess.Popen[bytes]) -> bytes:
    """What the process says next; nothing when it and all that inherited its output are gone."""
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], PATIENCE_S)
    assert ready, "the process is stuck"
    return os.read(child.stdout.fileno(), 100)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "runner.lock")


def test_nobody_holds_a_lock_without_a_file(path: str) -> None:
    assert holder_of(path) is None
    assert not os.path.exists(path), "asking leaves no trace"


def test_nobody_holds_a_lock_that_was_never_taken(path: str) -> None:
    Path(path).touch()

    assert holder_of(path) is None


@pytest.mark.real_process
def test_the_kernel_names_the_process_that_holds_the_lock_until_it_is_killed(path: str) -> None:
    with process(_HOLDER, path) as holder:
        assert said(holder) == b"held\n"

        assert holder_of(path) == Holder(holder.pid)
        assert holder_of(path) == Holder(holder.pid), "asking does not change it"
        holder.kill()
        holder.wait(PATIENCE_S)
        assert holder_of(path) is None
        assert os.path.exists(path)


@pytest.mark.real_process
def test_a_lock_that_another_process_holds_is_refused_and_free_after_its_end(path: str) -> None:
    with process(_HOLDER, path) as holder:
        assert said(holder) == b"held\n"

        assert try_acquire(path) is None
        assert holder_of(path) == Holder(holder.pid), "a refused attempt does not disturb the holder"
        holder.kill()
        holder.wait(PATIENCE_S)
    assert try_acquire(path) is not None
    release_mine()


@pytest.mark.real_process
def test_a_child_of_the_holder_never_passes_for_it(path: str) -> None:
    with process(_FORKING_HOLDER, path) as holder:
        assert said(holder) == b"held\n"
        assert holder_of(path) == Holder(holder.pid)

        holder.kill()
        holder.wait(PATIENCE_S)

        assert holder.stdout is not None
        assert not select.select([holder.stdout], [], [], 0)[0], "its child still lives, with the descriptor open"
        assert holder_of(path) is None
        assert holder.stdin is not None
        holder.stdin.close()
        assert said(holder) == b"", "the child ended"


def test_a_lock_file_is_private_and_its_descriptor_is_not_inherited(path: str) -> None:
    descriptor = try_acquire(path)
    assert descriptor is not None
    try:
        assert os.stat(path).st_mode & 0o077 == 0
        assert not os.get_inheritable(descriptor)
    finally:
        release_mine()


def test_a_refused_attempt_leaves_no_descriptor_open(path: str) -> None:
    with process(_HOLDER, path) as holder:
        assert said(holder) == b"held\n"
        before = len(os.listdir("/dev/fd"))
        for _ in range(10):
            assert try_acquire(path) is None
            assert holder_of(path) is not None
            with held(path) as got:
                assert not got
        assert len(os.listdir("/dev/fd")) == before


# -- a lock held for a few file operations -----------------------------------------------------------------------------

needs_thread_locks = pytest.mark.skipif(
    not hasattr(fcntl, "F_OFD_SETLK"), reason="threads of one process exclude each other only with Linux's locks"
)


def test_a_free_lock_is_got_at_once_and_let_go_of(path: str) -> None:
    for _ in range(3):
        with held(path) as got:
            assert got
    assert holder_of(path) is None


def test_a_lock_is_let_go_of_when_the_work_fails(path: str) -> None:
    with pytest.raises(ValueError, match="work"), held(path):
        raise ValueError("work")
    with held(path) as got:
        assert got


@needs_thread_locks
def test_a_thread_that_will_not_wait_is_told_that_another_has_the_lock(path: str) -> None:
    with held(path) as first, held(path) as second:
        assert (first, second) == (True, False)


@needs_thread_locks
def test_threads_and_processes_that_count_under_the_lock_lose_no_count(path: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    each = 25

    def count() -> None:
        left = each
        while left:
            with held(path) as got:
                if got:
                    counter.write_text(str(int(counter.read_text()) + 1))
                    left -= 1

    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(process(_COUNTER, path, str(counter), str(each))) for _ in range(2)]
        threads = [threading.Thread(target=count) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert [child.wait(PATIENCE_S) for child in children] == [0, 0]
    assert counter.read_text() == str(4 * each)


@pytest.mark.real_process
def test_a_runner_that_holds_its_lock_cannot_be_overtaken_by_a_short_lock(path: str) -> None:
    with process(_HOLDER, path) as holder:
        assert said(holder) == b"held\n"
        with held(path) as got:
            assert not got
        assert holder_of(path) == Holder(holder.pid)


@needs_thread_locks
def test_a_runner_does_not_start_while_a_short_lock_is_held(path: str) -> None:
    with held(path) as got:
        assert got
        assert try_acquire(path) is None
