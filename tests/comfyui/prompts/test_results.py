"""What the journal keeps of an end is what the server told, read back whole."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.prompts.results import (
    cause_of,
    content_of_refusal,
    finished_of_result,
    refused_of_result,
    result_of,
)
from mcp_background_job.comfyui.wire import answers
from mcp_background_job.comfyui.wire.answers import Failure, Finished, NodeError, Refused
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import CorruptRecordError
from tests.comfyui.recordings import FOLDER, VERSIONS, load


def _bodies(start: str) -> list[Any]:
    """All recorded answers to requests for a path."""
    found: list[Any] = []
    for version in VERSIONS:
        for file in sorted((FOLDER / version).glob("*/*.json")):
            recording: Any = load(version, file.stem)
            is_asked = "request" in recording and recording["request"]["path"].startswith(start)
            if is_asked and "json" in recording["response"]:
                found.append(recording["response"])
    return found


def _recorded() -> list[Finished]:
    histories = [body["json"] for body in _bodies("/history") if body["status"] == 200]
    found = [finished for body in histories if isinstance(body, dict) for finished in answers.history_of(body)]
    jobs = [body["json"] for body in _bodies("/api/jobs/") if body["status"] == 200 and "status" in body["json"]]
    return [*found, *(finished for body in jobs if (finished := answers.finished_of_job(body)))]


FINISHED = _recorded()
REFUSALS = [answers.refused_of(body["json"]) for body in _bodies("/prompt") if body["status"] == 400]


def test_there_are_recordings_of_every_end_and_of_refusals() -> None:
    assert {finished.end for finished in FINISHED} == {End.COMPLETED, End.FAILED, End.CANCELLED}
    assert len(FINISHED) > 10
    assert len(REFUSALS) > 20


@pytest.mark.requirement("comfyui.journal.results")
def test_every_recorded_end_comes_back_whole() -> None:
    for finished in FINISHED:
        result = result_of(finished)
        assert finished_of_result(result.content) == finished
        assert refused_of_result(result.content) is None
        assert (result.prompt_id, result.end, result.started_at) == (
            finished.prompt_id,
            finished.end,
            finished.started_at,
        )
        assert result.outputs == len(finished.outputs)
        assert result.at == finished.ended_at
        assert result.reason == cause_of(finished)
        assert bool(result.reason) == (finished.end is End.FAILED)


def test_every_recorded_refusal_comes_back_whole() -> None:
    for refused in REFUSALS:
        content = content_of_refusal(refused)
        assert refused_of_result(content) == refused
        assert finished_of_result(content) is None


TEXT = st.text(max_size=5)
MOMENT = st.none() | st.floats(0, 2e9)
FAILURES = st.builds(Failure, TEXT, TEXT, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple))
FILES = st.builds(OutputFile, TEXT, TEXT, TEXT, TEXT, TEXT)


@given(
    st.builds(
        Finished,
        prompt_id=TEXT,
        end=st.sampled_from([End.COMPLETED, End.FAILED, End.CANCELLED]),
        outputs=st.lists(FILES, max_size=3).map(tuple),
        failure=st.none() | FAILURES,
        interrupted_at=st.none() | TEXT,
        started_at=MOMENT,
        ended_at=MOMENT,
    )
)
def test_whatever_an_end_holds_comes_back(finished: Finished) -> None:
    assert finished_of_result(result_of(finished).content) == finished
    cause = cause_of(finished)
    assert len(cause) <= 200
    assert len(cause.splitlines()) <= 1


@given(st.builds(Refused, TEXT, st.lists(st.builds(NodeError, TEXT, TEXT, TEXT, TEXT), max_size=3).map(tuple)))
def test_whatever_a_refusal_holds_comes_back(refused: Refused) -> None:
    assert refused_of_result(content_of_refusal(refused)) == refused


def test_an_end_without_a_time_is_dated_when_it_is_read() -> None:
    before = time.time()
    assert before <= result_of(Finished("one", End.COMPLETED)).at <= time.time()


@pytest.mark.parametrize("content", [None, ""])
def test_nothing_kept_is_nothing_known(content: str | None) -> None:
    assert finished_of_result(content) is None
    assert refused_of_result(content) is None


def test_what_a_later_release_has_added_is_ignored() -> None:
    finished = FINISHED[0]
    content = json.loads(result_of(finished).content) | {"added": {"later": 1}}

    assert finished_of_result(json.dumps(content)) == finished


@pytest.mark.parametrize("content", ["{", "[]", "{}", "null", '{"prompt_id": "one", "end": "lunch"}', "\0"])
def test_what_cannot_be_read_is_an_error_that_says_so(content: str) -> None:
    for read in (finished_of_result, refused_of_result):
        with pytest.raises(CorruptRecordError, match="the journal's record of how a prompt ended cannot be read"):
            read(content)


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (
            Failure("4", "KSampler", "torch.OutOfMemoryError", "Allocation on device\nmore", ("a",)),
            "node 4 KSampler: torch.OutOfMemoryError: Allocation on device",
        ),
        (Failure("4", "KSampler", "KeyError", "", ()), "node 4 KSampler: KeyError"),
        # A server whose worker died tells nothing of where.
        (Failure("", "", "unknown", "the server gives no reason", ()), "unknown: the server gives no reason"),
        (Failure("4", "", "A", "b", ()), "node 4: A: b"),
        (Failure("4", "K", "A", "b" * 500, ()), "node 4 K: A: " + "b" * 186 + "…"),
    ],
)
def test_the_cause_of_a_failure_is_one_line(failure: Failure, cause: str) -> None:
    assert cause_of(Finished("one", End.FAILED, failure=failure)) == cause


def test_what_did_not_fail_has_no_cause() -> None:
    assert cause_of(Finished("one", End.COMPLETED)) == ""
