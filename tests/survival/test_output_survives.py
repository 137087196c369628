"""No byte is lost silently: the log is what the program wrote, whatever that was and however much."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from pathlib import Path

import pytest

from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobs.manager import JobManager
from tests.live_files import bytes_on_disk
from tests.patience import WAIT_S
from tests.survival.support import Server, another_manager, ended, exit_of, output_of, start

pytestmark = pytest.mark.real_process

_MB = 2**20

#: Every byte, code points of all lengths, parts of code points, and what terminals act on.
ODD = (
    bytes(range(256))
    + "aé€😀\u2028".encode()
    + b"\xff\xfe\xc3\xe2\x82\xf0\x9f\x98 \x1b[31mred\x1b[0m\r\nx\by\x1b]0;t\x07\n"
)


def _python(tmp_path: Path, body: str) -> str:
    path = tmp_path / "job.py"
    path.write_text("import os, sys\n" + body)
    return f"{sys.executable} -I -S {path}"


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.mark.requirement("log.whole")
async def test_bytes_that_are_no_text_arrive_as_they_are(manager: JobManager, tmp_path: Path) -> None:
    job = await start(manager, _python(tmp_path, f"os.write(1, {ODD!r} * 3)\n"))

    await ended(manager, job)

    assert output_of(manager, job.job_id) == ODD * 3
    assert _content(manager.places.store_of(job.job_id).log_path(job.job_id)) == ODD * 3


@pytest.mark.requirement("log.whole")
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
async def test_a_code_point_is_whole_wherever_pages_and_writes_cut_it(
    manager: JobManager, tmp_path: Path, size: int, *, raw: bool
) -> None:
    text = "aé€😀" * 9 + "\n"
    body = f"data = {text.encode()!r}\nfor i in range(0, len(data), {size}): os.write(1, data[i:i + {size}])\n"
    job = await start(manager, _python(tmp_path, body))
    job = await ended(manager, job)

    read, cursor = "", 0
    for _ in range(200):
        page = await manager.page(job, cursor=cursor, max_bytes=4 + size, raw=raw)
        read += page.text
        if page.next == page.end:
            break
        assert page.next > cursor, "reading does not get on"
        cursor = page.next
    assert "\ufffd" not in read
    assert read.replace("\n", "") == text.strip()


@pytest.mark.requirement("log.whole")
@pytest.mark.requirement("log.bounded")
@pytest.mark.parametrize("size", [64 * _MB, pytest.param(1024 * _MB, marks=pytest.mark.nightly)])
async def test_a_line_without_an_end_is_kept_to_its_share_and_what_was_dropped_is_counted(
    state_dir: str, tmp_path: Path, size: int
) -> None:
    share = 16 * _MB
    body = (
        f"block = bytes(range(65, 91)) * 40330\nleft = {size}\nposition = 0\n"
        "while left:\n    done = os.write(1, block[position:position + left])\n"
        "    left -= done\n    position = (position + done) % len(block)\n"
    )
    with another_manager(state_dir, max_output_size=share) as manager:
        job = await ended(manager, await start(manager, _python(tmp_path, body)), 50)

        record = exit_of(state_dir, job.job_id)
        assert (record.output_bytes, record.lost_bytes, job.exit_code) == (size, 0, 0)
        piece = manager.places.store_of(job.job_id).read_log(job.job_id, 0, 2**40)
        assert (piece.first, piece.end) == (record.dropped_bytes, size)
        assert share // 2 <= len(piece.data) <= share
        letters = bytes(range(65, 91))
        start_letter = piece.first % 26
        pattern = letters[start_letter:] + letters[:start_letter]
        assert piece.data == (pattern * (len(piece.data) // 26 + 1))[: len(piece.data)]
        directory = Path(manager.places.store_of(job.job_id).log_path(job.job_id)).parent
        assert bytes_on_disk(directory) <= share + _MB
        page = await manager.page(job, cursor=0, max_bytes=1000)
        assert page.start == page.first > 0
        excerpt = await manager.excerpt(job)
        assert len(excerpt.text) < 12_000
        assert "dropped" in excerpt.text or "left out" in excerpt.text


@pytest.mark.requirement("log.whole")
async def test_a_million_lines_are_all_there_page_by_page(state_dir: str, tmp_path: Path) -> None:
    body = "for i in range(0, 1000000, 1000): print('\\n'.join(f'line {j}' for j in range(i, i + 1000)))\n"
    with another_manager(state_dir) as manager:
        job = await ended(manager, await start(manager, _python(tmp_path, body)), 30)
        expected = hashlib.sha256()
        for number in range(1_000_000):
            expected.update(b"line %d\n" % number)
        found = hashlib.sha256()
        cursor = 0
        while True:
            page = await manager.page(job, cursor=cursor, max_bytes=_MB, raw=True)
            found.update(page.text.encode())
            cursor = page.next
            if cursor == page.end:
                break
        assert found.digest() == expected.digest()
        assert (await manager.tail(job, lines=2)).text.split("\n")[-2:] == ["line 999998", "line 999999"]


@pytest.mark.requirement("log.whole")
def test_the_whole_log_can_be_read_through_the_tools_and_again(state_dir: str, tmp_path: Path) -> None:
    command = _python(tmp_path, "for i in range(20000): print(f'line {i}')\n")
    cursor = 0
    with Server() as server:
        job = server.call("execute_command", command=command, wait_s=WAIT_S)
        assert job["status"] == "completed"
        for _ in range(2):
            lines: list[str] = []
            cursor = 0
            while True:
                head, _, text = server.text("get_job_output", job_id=job["job_id"], cursor=cursor).partition("\n")
                lines += text.splitlines()
                match = re.search(r"next cursor (\d+)(, the end)?", head)
                assert match, head
                cursor = int(match[1])
                if match[2]:
                    break
            assert lines == [f"line {i}" for i in range(20000)]
    assert exit_of(state_dir, job["job_id"]).output_bytes == cursor


@pytest.mark.requirement("rendering.cheap")
@pytest.mark.usefixtures("state_dir")
def test_ten_thousand_redraws_cost_at_most_400_tokens_whatever_tool_shows_them(tmp_path: Path) -> None:
    body = (
        "for i in range(10000):\n"
        "    sys.stdout.write(f'\\r\\x1b[2K\\x1b[32m{i / 100:6.2f}%\\x1b[0m [' + '#' * (i // 250) + '] eta 00:12')\n"
        "print('\\ndone')\n"
    )
    with Server() as server:
        answers = [server.answer("execute_command", command=_python(tmp_path, body), wait_s=WAIT_S)]
        job_id = answers[0]["structuredContent"]["job_id"]
        answers += [server.answer(tool, job_id=job_id) for tool in ("tail_job_output", "get_job_output")]
        answers.append(server.answer("wait_for_job", job_id=job_id, cursor=0))
    for answer in answers:
        text = "".join(part["text"] for part in answer["content"])
        assert "99.99%" in text
        assert "done" in text
        assert "0.50%" not in text
        assert len(text) / 4 <= 400


@pytest.mark.requirement("log.streams")
async def test_stdout_and_stderr_are_kept_in_order_and_can_be_told_apart(manager: JobManager, tmp_path: Path) -> None:
    # In each round the job waits until what it wrote has been taken, so that the order of arrival is the order written.
    body = (
        "import fcntl, struct, termios\n"
        "def empty(fd): return struct.unpack('i', fcntl.ioctl(fd, termios.FIONREAD, b'\\0' * 4))[0] == 0\n"
        "for i in range(200):\n"
        "    fd = 1 + i % 2\n"
        "    os.write(fd, b'%d:%d\\n' % (fd, i))\n"
        "    while not empty(fd): os.sched_yield()\n"
    )
    job = await ended(manager, await start(manager, _python(tmp_path, body)))
    lines = [f"{1 + i % 2}:{i}\n".encode() for i in range(200)]
    assert output_of(manager, job.job_id) == b"".join(lines)
    for stream in (Stream.STDOUT, Stream.STDERR):
        piece = manager.places.store_of(job.job_id).read_log(job.job_id, 0, 2**20, stream)
        assert piece.data == b"".join(line for line in lines if line.startswith(b"%d:" % stream))
    assert (await manager.tail(job, lines=1, stream="stdout")).text == "1:198"
    assert (await manager.page(job, cursor=0, max_bytes=10, stream="stderr", raw=True)).text == "2:1\n2:3\n2:"


@pytest.mark.requirement("log.whole")
async def test_output_that_is_written_as_the_last_act_is_there(manager: JobManager, tmp_path: Path) -> None:
    body = "os.set_blocking(1, True)\nos.write(1, b'x' * 60000)\nos.write(2, b'y' * 60000)\nos.kill(os.getpid(), 9)\n"
    command = "exec " + _python(tmp_path, body)
    jobs = await asyncio.gather(*(start(manager, command) for _ in range(8)))
    for job in jobs:
        assert (await ended(manager, job)).signal == "SIGKILL"
        data = output_of(manager, job.job_id)
        assert (data.count(b"x"), data.count(b"y")) == (60000, 60000)


@pytest.mark.requirement("log.whole")
async def test_while_a_job_floods_its_log_rotates_and_is_read_no_reader_sees_a_wrong_byte(
    state_dir: str, tmp_path: Path
) -> None:
    body = (
        "number = 0\n"
        "while number < 4000000:\n"
        "    os.write(1, b''.join(b'%015d\\n' % n for n in range(number, number + 2000)))\n"
        "    number += 2000\n"
    )
    with another_manager(state_dir, max_output_size=_MB) as manager:
        job = await start(manager, _python(tmp_path, body))
        cursor = pages = 0
        while (await manager.find(job.job_id)).status == "running":
            page = await manager.page(job, cursor=cursor, max_bytes=64 * 1024, raw=True)
            assert page.start >= cursor
            # What was dropped before the page is told on its first line.
            text = page.text.partition("]\n")[2] if page.text.startswith("[") else page.text
            skipped = -page.start % 16
            position = page.start + skipped
            whole = text[skipped : skipped + (len(text) - skipped) // 16 * 16]
            assert whole == "".join(f"{position // 16 + i:015d}\n" for i in range(len(whole) // 16)), page.text[:80]
            cursor = page.next
            pages += 1
            if pages == 300:
                await manager.kill(job.job_id, by="test", signal="KILL")
        assert pages > 3
