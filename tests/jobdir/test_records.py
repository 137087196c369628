"""The records on disk: round trips, records of other releases, and files that are no records."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import FORMAT, StateDir
from mcp_background_job.jobdir.records import Exit, LeaderExit, Spec, Status, StopRequest, encode
from tests.patience import PATIENCE_S

#: Whatever a command, a path or an environment may hold: bytes that are no UTF-8 come as lone surrogates.
TEXT = st.text(st.characters(), max_size=12)
TIME = st.floats(min_value=0.0, max_value=1e11, allow_nan=False)
COUNT = st.integers(min_value=0, max_value=2**53)

SPECS = st.builds(
    Spec,
    job_id=TEXT,
    command=TEXT,
    argv=st.lists(TEXT, max_size=3),
    cwd=TEXT,
    env=st.dictionaries(TEXT, TEXT, max_size=3),
    created_at=TIME,
    cookie=TEXT,
    max_output=COUNT,
    max_jobs=COUNT,
    name=st.none() | TEXT,
    stdin=st.sampled_from(["closed", "pipe", "pty"]),
    timeout_s=st.none() | TIME,
    after=st.lists(TEXT, max_size=3),
    client=TEXT,
    restarted_from=st.none() | TEXT,
    idle_timeout_s=st.none() | TIME,
    leftovers=st.sampled_from(["keep", "kill"]),
    stdin_file=st.none() | TEXT,
    pools=st.dictionaries(TEXT, COUNT, max_size=3),
    large_pipes=st.booleans(),
)
STOP_REQUESTS = st.builds(StopRequest, at=TIME, by=TEXT, why=TEXT, signal=TEXT, grace_s=TIME)
STATUSES = st.builds(
    Status,
    state=st.sampled_from(["starting", "running"]),
    boot_id=TEXT,
    runner_pid=COUNT,
    pid=st.none() | COUNT,
    started_at=st.none() | TIME,
    sweeping=st.booleans(),
    stop_requested=st.none() | STOP_REQUESTS,
    leader_exit=st.none() | st.builds(LeaderExit, at=TIME, exit_code=st.none() | COUNT, signal=st.none() | TEXT),
    lost_bytes=COUNT,
    survivors=st.lists(COUNT, max_size=3),
)
EXITS = st.builds(
    Exit,
    outcome=st.sampled_from([outcome.value for outcome in Outcome]),
    ended_at=TIME,
    exit_code=st.none() | COUNT,
    signal=st.none() | TEXT,
    reason=TEXT,
    started_at=st.none() | TIME,
    duration_s=st.none() | TIME,
    user_s=TIME,
    system_s=TIME,
    max_rss=COUNT,
    output_bytes=COUNT,
    dropped_bytes=COUNT,
    lost_bytes=COUNT,
    stop_requested=st.none() | STOP_REQUESTS,
    killed_pids=st.lists(COUNT, max_size=3),
)

SPEC = Spec(
    job_id="j4k2",
    command="true",
    argv=["/bin/sh", "-c", "true"],
    cwd="/",
    env={"A": "b"},
    created_at=1.5,
    cookie="c",
    max_output=4096,
    max_jobs=1,
)
STATUS = Status(
    state="running",
    boot_id="b",
    runner_pid=7,
    stop_requested=StopRequest(at=1.0, by="me", why="test", signal="SIGTERM", grace_s=5.0),
    leader_exit=LeaderExit(at=2.0, exit_code=0),
)
EXIT = Exit(outcome="completed", ended_at=2.0, exit_code=0)
EXAMPLES: list[Spec | Status | Exit] = [SPEC, STATUS, EXIT]


def decoded(kind: type[Spec | Status | Exit], data: bytes, source: str) -> Spec | Status | Exit:
    return records.decode(cast("Any", kind), data, source)


#: A value of every kind, and the word for it in the annotation of a field that takes it.
GARBAGE = [({"an": "object"}, "dict"), (["a list"], "list"), ("text", "str"), (1.5, "float"), (None, "None")]


def as_json(record: Spec | Status | Exit) -> dict[str, Any]:
    return json.loads(encode(record))


def changed(record: Spec | Status | Exit, **values: object) -> bytes:
    return json.dumps({**as_json(record), **values}).encode()


@given(record=st.one_of(SPECS, STATUSES, EXITS))
def test_a_record_comes_back_as_it_was_written(record: Spec | Status | Exit) -> None:
    assert decoded(type(record), encode(record), "source") == record


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_on_disk_says_which_version_of_the_format_it_has(record: Spec | Status | Exit) -> None:
    assert as_json(record)["version"] == FORMAT


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_fields_of_a_newer_release_are_ignored(record: Spec | Status | Exit) -> None:
    data = changed(record, version=FORMAT + 1, colour="green", nested={"a": [1]})

    assert decoded(type(record), data, "source") == record


def test_fields_of_a_newer_release_are_ignored_in_nested_records_too() -> None:
    nested = as_json(STATUS)
    nested["stop_requested"]["colour"] = "green"

    assert decoded(Status, json.dumps(nested).encode(), "source") == STATUS


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_fields_that_an_older_release_did_not_write_have_their_default(record: Spec | Status | Exit) -> None:
    required = {item.name for item in fields(record) if item.default is MISSING and item.default_factory is MISSING}
    old = {name: value for name, value in as_json(record).items() if name in required}
    expected = type(record)(**{name: getattr(record, name) for name in required})

    assert decoded(type(record), json.dumps(old).encode(), "source") == expected


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_a_missing_field_without_a_default_is_named(record: Spec | Status | Exit) -> None:
    for item in fields(record):
        if item.default is not MISSING or item.default_factory is not MISSING:
            continue
        data = as_json(record)
        del data[item.name]
        with pytest.raises(CorruptRecordError, match=rf"the/file.*{item.name}"):
            decoded(type(record), json.dumps(data).encode(), "the/file")


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
@pytest.mark.parametrize(("garbage", "word"), GARBAGE)
def test_a_field_of_the_wrong_type_is_named_or_was_of_the_right_one(
    record: Spec | Status | Exit, garbage: object, word: str
) -> None:
    for item in fields(record):
        try:
            read = decoded(type(record), changed(record, **{item.name: garbage}), "the/file")
        except CorruptRecordError as error:
            message = str(error)
            named = [item.name, "outcome", "state", "missing"]
            assert "the/file" in message and any(word in message for word in named)  # noqa: PT018  either may be
        else:
            value = getattr(read, item.name)
            assert value == garbage
            assert word in str(item.type).split("[")[0]


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (SPEC, "argv", ["/bin/sh", 7]),
        (SPEC, "env", {"A": 1}),
        (SPEC, "env", {"A": None}),
        (SPEC, "after", [None]),
        (STATUS, "survivors", ["12"]),
        (STATUS, "stop_requested", {"at": "now", "by": "", "why": "", "signal": "", "grace_s": 1}),
        (STATUS, "leader_exit", {"at": None}),
        (STATUS, "failures", [{"pid": "12", "command": "x"}]),
        (STATUS, "failures", [{"command": "x"}]),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_is_wrong_inside_a_field_is_found_when_reading_and_not_by_whoever_uses_it(
    record: Spec | Status | Exit, field: str, value: object
) -> None:
    with pytest.raises(CorruptRecordError, match="the/file"):
        decoded(type(record), changed(record, **{field: value}), "the/file")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 4096, b"{", b'{"outcome": "comp', b"[]", b"null", b"42", b'"text"', b"\xff\xfe\xfd", b"{}{}",
        b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b'{"outcome": "completed"}',
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
@pytest.mark.parametrize("kind", [Spec, Status, Exit])
def test_a_file_that_is_no_record_is_named(kind: type[Spec | Status | Exit], data: bytes) -> None:
    with pytest.raises(CorruptRecordError, match="the/file"):
        decoded(kind, data, "the/file")


@given(record=st.sampled_from(EXAMPLES), keep=st.floats(min_value=0.0, max_value=0.999))
def test_a_record_cut_short_is_never_taken_for_a_record(record: Spec | Status | Exit, keep: float) -> None:
    data = encode(record)

    with pytest.raises(CorruptRecordError):
        decoded(type(record), data[: int(len(data) * keep)], "source")


@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["outcome", "ended_at", "state", "boot_id", "runner_pid", "at", "stop_requested"]), inner
        ),
    ),
    kind=st.sampled_from([Spec, Status, Exit]),
)  # fmt: skip
def test_any_json_is_either_a_record_or_a_corrupt_one(raw: object, kind: type[Spec | Status | Exit]) -> None:
    try:
        record = decoded(kind, json.dumps(raw).encode(), "source")
    except CorruptRecordError:
        return
    assert isinstance(record, kind)


def test_an_outcome_that_this_release_does_not_know_is_not_taken_for_a_success() -> None:
    with pytest.raises(CorruptRecordError, match="paused"):
        decoded(Exit, changed(EXIT, outcome="paused"), "the/file")


@pytest.mark.parametrize("state", ["paused", "", "queued", "exited"])
def test_a_state_that_no_runner_publishes_is_not_believed(state: str) -> None:
    with pytest.raises(CorruptRecordError, match="the/file"):
        decoded(Status, changed(STATUS, state=state), "the/file")


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_record_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert records.read(Exit, str(tmp_path / "exit.json")) is None
    (tmp_path / "file").touch()
    assert records.read(Exit, str(tmp_path / "file" / "exit.json")) is None


def test_a_record_that_cannot_be_read_is_corrupt_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "exit.json").mkdir()

    with pytest.raises(CorruptRecordError, match=r"exit\.json cannot be read: Is a directory"):
        records.read(Exit, str(tmp_path / "exit.json"))


def test_a_spec_is_found_where_it_was_written(tmp_path: Path) -> None:
    job = StateDir(str(tmp_path)).job("j4k2")
    os.makedirs(job.path)
    records.write_spec(job, SPEC)

    assert records.read(Spec, job.spec) == SPEC


def test_a_written_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        records.write(str(tmp_path / "spec.json"), b"{}")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "spec.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("durable", [False, True])
def test_writing_replaces_the_file_at_once(tmp_path: Path, durable: bool) -> None:  # noqa: FBT001  a parameter of the test
    path = tmp_path / "status.json"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        records.write(str(path), b"new", durable=durable)

        assert reader.read() == b"old", "who has the old file open reads the old content to its end"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.mkdir()
    (path / "in the way").touch()

    with pytest.raises(OSError, match="directory"):
        records.write(str(path), b"new")

    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_a_write_into_a_directory_that_is_gone_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        records.write(str(tmp_path / "gone" / "status.json"), b"new")


def test_what_a_writer_left_half_done_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / f"status.json.{os.getpid()}.new").write_bytes(b"half of someth")
    records.write(str(tmp_path / "status.json"), b"new")

    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]
    assert (tmp_path / "status.json").read_bytes() == b"new"


@settings(max_examples=25)
@given(data=st.binary(max_size=200_000))
def test_all_bytes_get_through_a_pipe_that_is_smaller(data: bytes) -> None:
    read, write = os.pipe()
    got: list[bytes] = []
    with os.fdopen(read, "rb") as source:
        reader = threading.Thread(target=lambda: got.append(source.read()))
        reader.start()
        records.write_all(write, data)
        os.close(write)
        reader.join(PATIENCE_S)
    assert got == [data]
