"""From bytes of a log to events: the same ones, however the bytes come, whoever reads them, and whoever dies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.adapters.codex import ADAPTER as CODEX
from mcp_background_job.agents.adapters.command import ADAPTER as COMMAND
from mcp_background_job.agents.events import lines as line_module
from mcp_background_job.agents.events import projection as projection_module
from mcp_background_job.agents.events.cutting import CUT_MARK, MAX_OUTPUT, MAX_STRUCTURE, MAX_TEXT, cut
from mcp_background_job.agents.events.ending import Facts, decide
from mcp_background_job.agents.events.lines import Line, LineSplitter, Skip
from mcp_background_job.agents.events.projection import Projection
from mcp_background_job.agents.records import Checkpoint
from mcp_background_job.core.run import TERMINAL, TRANSITIONS, EventType, RunStatus
from mcp_background_job.core.states import Outcome
from mcp_background_job.jobdir.log.reader import Part

#: What a stream may hold: texts of any kind, and now and then a newline.
STREAMS = st.lists(st.one_of(st.binary(max_size=12), st.just(b"\n"), st.just(b"xxxxxxxxxxxxxxxxxxxx"))).map(b"".join)


def _parts(stream: bytes, sizes: list[int]) -> list[Part]:
    """Cut a stream into parts of these sizes, the last one taking the rest."""
    parts: list[Part] = []
    begin = 0
    for size in [*sizes, len(stream)]:
        data = stream[begin : begin + size]
        if data:
            parts.append(Part(begin, 1.0, data))
        begin += len(data)
    return parts


def _lines(parts: list[Part], splitter: LineSplitter | None = None) -> list[tuple[bytes, Skip | None]]:
    splitter = splitter or LineSplitter()
    lines = [line for part in parts for line in splitter.feed(part)] + splitter.rest()
    return [(line.data, line.skipped) for line in lines]


@pytest.fixture
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "MAX_LINE", 16)


def _whole(stream: bytes) -> list[tuple[bytes, Skip | None]]:
    """The lines of a stream, by another way."""
    lines = stream.split(b"\n")
    if not lines[-1]:
        lines.pop()
    limit = line_module.MAX_LINE
    return [(b"", Skip(len(line), "too_long")) if len(line) > limit else (line, None) for line in lines]


@pytest.mark.usefixtures("short_lines")
@given(stream=STREAMS, sizes=st.lists(st.integers(1, 30)))
@example(stream=b"x" * 17 + b"\ny", sizes=[16])
def test_lines_are_the_same_however_the_stream_is_cut(stream: bytes, sizes: list[int]) -> None:
    assert _lines(_parts(stream, sizes)) == _whole(stream)


@pytest.mark.usefixtures("short_lines")
@given(stream=STREAMS, sizes=st.lists(st.integers(1, 30), min_size=1), stop=st.integers(0, 20))
def test_another_splitter_goes_on_where_one_has_stopped(stream: bytes, sizes: list[int], stop: int) -> None:
    parts = _parts(stream, sizes)
    first = LineSplitter()
    lines = [(line.data, line.skipped) for part in parts[:stop] for line in first.feed(part)]
    read_to = sum(len(part.data) for part in parts[:stop])
    offset = first.resume_at(read_to)

    rest = [Part(offset + part.offset, part.at, part.data) for part in _parts(stream[offset:], sizes)]

    assert lines + _lines(rest, LineSplitter(first.skip)) == _whole(stream)


def test_a_line_of_which_bytes_are_missing_is_left_out_and_counted() -> None:
    splitter = LineSplitter()
    lines = splitter.feed(Part(0, 1.0, b"one\ntw"))
    splitter.missing(1000)
    lines += splitter.feed(Part(1006, 2.0, b"rest of it\nthree\n"))
    lines += splitter.feed(Part(1023, 3.0, b"after a loss\nfour\n", lost=7))

    assert lines == [
        Line(b"one", 1.0),
        Line(b"", 2.0, Skip(1012, "dropped")),
        Line(b"three", 2.0),
        Line(b"", 3.0, Skip(19, "dropped")),
        Line(b"four", 3.0),
    ]


# -- cutting -----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text(st.characters(), max_size=6), JSON, max_size=5))
def test_whatever_an_agent_says_can_be_written_and_read_again(data: dict[str, Any]) -> None:
    small, _ = cut(data, "artifacts/000001-x")

    line = json.dumps(small, allow_nan=False, ensure_ascii=False).encode()

    assert json.loads(line) == small
    assert len(small) <= len(data) + 1


def test_a_structure_of_any_depth_can_be_written() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]

    small, _ = cut({"deep": deep, "other": "kept"}, "a")

    assert small["other"] == "kept"
    json.dumps(small)


@pytest.mark.parametrize(("field", "limit"), [("text", MAX_TEXT), ("output", MAX_OUTPUT), ("stderr", MAX_OUTPUT)])
def test_a_long_text_is_cut_to_a_preview_and_kept_whole(field: str, limit: int) -> None:
    whole = "é" * (limit + 1)

    small, (artifact,) = cut({field: whole, "short": "x" * MAX_TEXT}, "artifacts/000007-reasoning")

    assert small[field] == "é" * limit + CUT_MARK
    assert small["artifact_refs"][f"/{field}"] == {
        "field_path": f"/{field}",
        "relpath": "artifacts/000007-reasoning/1.txt",
        "mime": "text/plain",
        "encoding": "utf-8",
        "total_bytes": 2 * limit + 2,
        "total_chars": limit + 1,
        "chunk_count": 1,
        "truncated": True,
    }
    assert artifact.content.decode() == whole


def test_a_large_structure_is_summed_up_and_kept_whole() -> None:
    whole = {"list": ["x" * 100] * 50}

    small, (artifact,) = cut({"a/b~c": whole}, "f")

    assert small["a/b~c"] == {"artifact_summary": {"original_type": "object", "total_bytes": len(artifact.content)}}
    assert list(small["artifact_refs"]) == ["/a~1b~0c"]
    assert json.loads(artifact.content) == whole


def test_an_agent_cannot_have_files_read_by_references_of_its_own() -> None:
    forged = {"/text": {"relpath": "../../../../etc/passwd"}}

    small, artifacts = cut({"artifact_refs": forged, "text": "x"}, "f")

    assert small == {"text": "x", "its_artifact_refs": forged}
    assert artifacts == []


def test_what_fits_is_left_alone() -> None:
    data = {"text": "x" * MAX_TEXT, "items": ["y" * (MAX_STRUCTURE - 4)]}

    assert cut(data, "f") == (data, [])


# -- projection --------------------------------------------------------------------------------------------------------


def _codex(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


CODEX_STREAM = (
    _codex(
        {"type": "thread.started", "thread_id": "t-1"},
        {"type": "turn.started"},
        {"type": "error", "message": "Reconnecting... 1/3"},
        {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "hello " * 1000}},
        {
            "type": "item.completed",
            "item": {"id": "item_1", "type": "command_execution", "command": "ls", "exit_code": 0},
        },
        {"type": "turn.completed", "usage": {"input_tokens": 3}},
    )
    + b"no json at all\n"
)


def _read(projection: Projection, splitter: LineSplitter, parts: list[Part]) -> None:
    for part in parts:
        projection.take(splitter.feed(part))


@given(sizes=st.lists(st.integers(1, 3000)), stops=st.sets(st.integers(0, 10)))
def test_events_are_the_same_however_the_log_is_read_and_however_often_the_reader_dies(
    sizes: list[int], stops: set[int]
) -> None:
    whole = Projection(CODEX.parser())
    _read(whole, LineSplitter(), _parts(CODEX_STREAM, []))

    projection, splitter = Projection(CODEX.parser()), LineSplitter()
    entries: list[bytes] = []
    position = 0
    for number, part in enumerate(_parts(CODEX_STREAM, sizes)):
        data = CODEX_STREAM[position : part.offset + len(part.data)]
        _read(projection, splitter, [Part(position, part.at, data)])
        position = part.offset + len(part.data)
        if number in stops:  # the reader dies after a commit: another goes on from its checkpoint
            entries += [entry.line for entry in projection.entries]
            state = json.loads(json.dumps(projection.parser.dump()))
            position = splitter.resume_at(position)
            projection = Projection(CODEX.parser(state), projection.state)
            splitter = LineSplitter(splitter.skip)
    entries += [entry.line for entry in projection.entries]

    assert entries == [entry.line for entry in whole.entries]
    assert projection.state == whole.state
    assert [json.loads(line)["seq"] for line in entries] == list(range(1, len(entries) + 1))


EVENTS = st.builds(
    Event,
    st.sampled_from(EventType),
    st.dictionaries(st.sampled_from(["status", "text"]), st.sampled_from([*map(str, RunStatus), "other"])),
)


class _Saying:
    """A parser whose agent says what a test has it say."""

    session_id = None
    end: ParsedEnd | None = None

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def feed(self, line: bytes) -> list[Event]:  # noqa: ARG002  see Parser
        return self._events

    def close(self, exit_code: int | None) -> list[Event]:  # noqa: ARG002  see Parser
        return []

    def dump(self) -> dict[str, Any]:
        return {}


@pytest.mark.requirement("runs.one_end")
@given(events=st.lists(EVENTS, max_size=12))
def test_an_agent_can_neither_begin_nor_end_its_run_by_what_it_says(events: list[Event]) -> None:
    projection = Projection(_Saying(events), Checkpoint(status=RunStatus.RUNNING))

    projection.take([Line(b"", 1.0)])

    assert projection.state.status not in TERMINAL
    assert projection.state.status in {RunStatus.RUNNING, *TRANSITIONS[RunStatus.RUNNING]}
    ours = {EventType.RUN_STARTED, EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.REJECTED}
    assert not {json.loads(entry.line)["type"] for entry in projection.entries} & ours


def test_a_question_stands_until_the_run_goes_on() -> None:
    projection = Projection(COMMAND.parser(), Checkpoint(status=RunStatus.RUNNING))

    projection.add(Event(EventType.INPUT_REQUIRED, {"text": "may I?"}), 1.0)
    asked = projection.state
    projection.add(Event(EventType.STATUS_CHANGED, {"status": "running"}), 2.0)

    assert asked.status is RunStatus.INPUT_REQUIRED
    assert asked.request == {"seq": 1, "type": "input_required", "data": {"text": "may I?"}}
    assert (projection.state.status, projection.state.request) == (RunStatus.RUNNING, None)


def test_events_beyond_the_bound_are_counted_and_the_end_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projection_module, "MAX_EVENTS", 200)
    projection = Projection(COMMAND.parser(), Checkpoint(status=RunStatus.RUNNING))

    projection.take([Line(b"word", 1.0)] * 10)
    projection.end(decide(Facts(outcome=Outcome.COMPLETED, exit_is_result=True)), 2.0)

    told = [json.loads(entry.line) for entry in projection.entries]
    assert told[-1]["type"] == "run_completed"
    assert told[-1]["data"]["unkept_events"] == 11 - len(told)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))


def test_artifacts_beyond_the_bound_are_not_kept_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection_module, "MAX_ARTIFACTS", 5000)
    projection = Projection(COMMAND.parser(), Checkpoint(status=RunStatus.RUNNING))

    projection.take([Line(b"x" * 3000, 1.0)] * 2)

    first, second = projection.entries
    assert [len(entry.artifacts) for entry in (first, second)] == [1, 0]
    assert "stored" not in json.loads(first.line)["data"]["artifact_refs"]["/text"]
    assert json.loads(second.line)["data"]["artifact_refs"]["/text"]["stored"] is False
