"""The events on disk: one writer at a time, whoever dies when, and readers that never see what is not finished."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.agents import records
from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.command import ADAPTER as COMMAND
from mcp_background_job.agents.events import journal, projection
from mcp_background_job.agents.events.journal import EventReader, read_artifact
from mcp_background_job.agents.events.projection import Projection
from mcp_background_job.agents.records import CancelIntent, Checkpoint
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.run import EventType
from mcp_background_job.errors import CorruptRecordError, StateDirError
from mcp_background_job.jobdir.layout import RunDir
from tests.agents.fake_agents import Agents, assert_numbered, events_until, of
from tests.patience import PATIENCE_S, POLL_S


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    path = tmp_path / "r123"
    path.mkdir(0o700)
    return RunDir(str(path))


def _add(run: RunDir, *texts: str) -> Checkpoint:
    """Write events as a writer does."""
    before = journal.checkpoint(run)
    added = Projection(COMMAND.parser(), before)
    for text in texts:
        added.add(Event(EventType.AGENT_MESSAGE, {"text": text}), 1.0)
    journal.commit(run, before.events_bytes, added.entries, added.state)
    return added.state


def _all(run: RunDir) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    reader, known = EventReader(), journal.checkpoint(run)
    while page := reader.page(run, len(events), 7, known):
        events += page
    return events


def test_what_was_not_finished_is_seen_by_nobody_and_written_again(run: RunDir) -> None:
    _add(run, "one", "two")
    with open(run.events, "ab") as file:
        file.write(b'{"seq":3,"ts":"...","type":"agent_message","data":{"te' + b"x" * 500)  # a writer dies

    assert [event["seq"] for event in _all(run)] == [1, 2]
    _add(run, "3")
    with open(run.events, "rb") as file:
        assert [json.loads(line)["seq"] for line in file] == [1, 2, 3]
    assert [(event["seq"], event["data"]["text"]) for event in _all(run)] == [(1, "one"), (2, "two"), (3, "3")]


def test_events_that_are_gone_are_written_again_from_the_log(run: RunDir) -> None:
    _add(run, "one", "two")
    os.truncate(run.events, 5)  # a power failure

    assert journal.checkpoint(run) == Checkpoint()
    os.unlink(run.events)
    assert journal.checkpoint(run) == Checkpoint()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"status": "of a newer release"}', b'{"seq": 1, "nope": 2}'])
def test_a_checkpoint_that_cannot_be_read_means_to_begin_again(run: RunDir, content: bytes) -> None:
    with open(run.checkpoint, "wb") as file:
        file.write(content)

    assert journal.checkpoint(run) in (Checkpoint(), Checkpoint(seq=1))


def test_a_full_disk_is_an_error_that_names_the_run(run: RunDir) -> None:
    os.mkdir(run.events)
    with pytest.raises(StateDirError, match="the events of run r123 cannot be written"):
        _add(run, "one")


@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=60),
    asked=st.lists(st.tuples(st.integers(0, 70), st.integers(1, 20)), max_size=12),
)
def test_any_page_is_a_part_of_the_whole(tmp_path_factory: pytest.TempPathFactory, sizes: Any, asked: Any) -> None:
    run = RunDir(str(tmp_path_factory.mktemp("pages")))
    known = _add(run, *(str(number) * size for number, size in enumerate(sizes)))
    with open(run.events, "rb") as file:
        whole = [json.loads(line) for line in file]
    reader = EventReader()

    for after, limit in asked:
        assert reader.page(run, after, limit, known) == whole[after : after + limit]


def test_an_answer_is_bounded_in_bytes_too(run: RunDir) -> None:
    known = _add(run, *(["x" * 1900] * 200))
    reader = EventReader()

    first = reader.page(run, 0, 1000, known)

    assert 0 < len(first) < 200
    assert len(json.dumps(first)) < journal.MAX_PAGE * 1.2
    assert reader.page(run, len(first), 1, known)[0]["seq"] == len(first) + 1


@given(text=st.text(max_size=30), steps=st.lists(st.integers(1, 9), min_size=1))
def test_pieces_of_an_artifact_are_whole_characters_and_make_up_the_whole(
    tmp_path_factory: pytest.TempPathFactory, text: str, steps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("artifact") / "1.txt"
    path.write_bytes(text.encode())
    offset, read, turn = 0, "", 0
    while offset < len(text.encode()):
        data, begin = read_artifact(str(path), offset, steps[turn % len(steps)])
        assert begin == offset
        assert data
        read += data.decode()
        offset, turn = begin + len(data), turn + 1

    assert read == text


def test_an_offset_within_a_character_is_moved_behind_it(run: RunDir) -> None:
    path = os.path.join(run.path, "x")
    with open(path, "wb") as file:
        file.write("a€b".encode())

    assert read_artifact(path, 2, 10) == (b"b", 4)
    assert read_artifact(path, 99, 10) == (b"", 99)


def test_of_two_wishes_to_cancel_the_first_stands(run: RunDir) -> None:
    first = records.store_first(run.cancel, CancelIntent(at=1.0, by="one"))
    second = records.store_first(run.cancel, CancelIntent(at=2.0, by="two"))

    assert first == second == CancelIntent(at=1.0, by="one")
    assert os.listdir(run.path) == ["cancel.json"]


def test_a_wish_is_kept_where_there_are_no_hard_links(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(_source: str, _target: str) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)

    first = records.store_first(run.cancel, CancelIntent(at=1.0, by="one"))
    second = records.store_first(run.cancel, CancelIntent(at=2.0, by="two"))

    assert first == second == CancelIntent(at=1.0, by="one")
    assert os.listdir(run.path) == ["cancel.json"]


def test_a_record_that_is_none_is_named(run: RunDir) -> None:
    with open(run.cancel, "wb") as file:
        file.write(b'{"at": 1}')
    with pytest.raises(CorruptRecordError, match=r"cancel.json"):
        records.read(CancelIntent, run.cancel)


# -- several readers ---------------------------------------------------------------------------------------------------

_READER = """
import asyncio, sys
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.app import build, build_runs
from mcp_background_job.config import load_settings

async def main():
    jobs = build(load_settings())
    runs = build_runs(jobs, load_settings())
    seq = 0
    while True:
        polled = await runs.poll(Reference(sys.argv[1]), after_seq=seq, limit=1000, wait_s=30)
        for event in polled.events:
            print(event["seq"], flush=True)
        seq = polled.next_after_seq
        if polled.run.state.is_over and seq == polled.run.state.seq:
            break
    await runs.close()
    jobs.close()

asyncio.run(main())
"""

#: An agent that says much, in lines that come in pieces, for as long as a test needs.
_TALKS = """
begin()
for number in range({count}):
    text(str(number) + "x" * (number % 50) * 100)
finish()
"""


@pytest.mark.real_process
@pytest.mark.requirement("runs.same_events")
@pytest.mark.parametrize("count", [600])
async def test_readers_that_are_killed_at_any_moment_leave_events_that_are_whole(
    runs: RunManager, agents: Agents, count: int
) -> None:
    run = await runs.spawn(agents.codex(_TALKS.format(count=count)))
    argv = [sys.executable, "-c", _READER, run.record.run_id]
    readers = [await _open(argv) for _ in range(2)]
    for number, reader in enumerate(readers):
        await _killed_behind(reader, (number + 1) * 40)
    survivor = await _open(argv)

    events = await events_until(runs, run)

    assert_numbered(events)
    assert [event["data"]["text"].split("x")[0] for event in events if event["type"] == "agent_message"] == [
        str(number) for number in range(count)
    ]
    out, _ = await asyncio.wait_for(survivor.communicate(), PATIENCE_S)
    assert [int(line) for line in out.split()] == [event["seq"] for event in events]


async def _open(argv: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)


async def _killed_behind(reader: asyncio.subprocess.Process, seq: int) -> None:
    """Kill a reader as soon as it has told an event of this number or beyond."""
    assert reader.stdout
    async with asyncio.timeout(PATIENCE_S):
        while (line := await reader.stdout.readline()) and int(line) < seq:
            pass
        if reader.returncode is None:
            reader.send_signal(signal.SIGKILL)
        await reader.wait()
        await reader.stdout.read()


@pytest.mark.real_process
async def test_a_writer_that_is_suspended_keeps_others_from_writing_and_nobody_from_reading(
    runs: RunManager, agents: Agents, monkeypatch: pytest.MonkeyPatch, state_dir: str
) -> None:
    monkeypatch.setattr("mcp_background_job.agents.life.watching.LOCK_PATIENCE_S", 0.1)
    go = agents.directory / "go"
    os.mkfifo(go)
    run = await runs.spawn(agents.codex(f"begin()\nopen({str(go)!r}).read()\ntext('more')\nconnect('agent')\nhang()\n"))
    told = (await runs.poll(of(run), after_seq=2, wait_s=POLL_S)).events
    assert [event["type"] for event in told] == ["status_changed"]
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys\nfrom mcp_background_job.jobdir import lock\n"
        "lock.acquire(sys.argv[1])\nprint('held', flush=True)\nsys.stdin.read()\n",
        os.path.join(state_dir, "runs", run.record.run_id, "run.lock"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdin
    assert await holder.stdout.readline() == b"held\n"

    await asyncio.to_thread(go.write_text, "")
    await asyncio.to_thread(agents.liveness.expect, "agent")
    polled = await asyncio.wait_for(runs.poll(of(run), after_seq=0, wait_s=0), PATIENCE_S)

    assert [event["seq"] for event in polled.events] == [1, 2, 3]
    holder.stdin.close()
    await holder.wait()
    later = await runs.poll(of(run), after_seq=3, wait_s=POLL_S)
    assert [event["data"].get("text") for event in later.events] == ["more"]
    await runs.cancel(of(run), by="test")


def test_the_bounds_leave_room_for_what_agents_say() -> None:
    assert projection.MAX_EVENTS >= 100 * 1024 * 1024
