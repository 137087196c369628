"""What servers have answered is read in full, and what none ever would answer is a ``ValueError``, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.wire import answers
from mcp_background_job.comfyui.wire.answers import decode
from mcp_background_job.core.comfyui.submission import End
from tests.comfyui.recordings import FOLDER, VERSIONS, load


def _body(version: str, name: str) -> Any:
    return load(version, name)["response"]["json"]


def _only(version: str, name: str) -> answers.Finished:
    [finished] = answers.history_of(_body(version, name))
    return finished


# Recordings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_queue_is_read(version: str) -> None:
    queue = answers.queue_of(_body(version, "queue_running_and_pending"))
    recorded = _body(version, "queue_running_and_pending")
    assert [item.prompt_id for item in queue.running] == [recorded["queue_running"][0][1]]
    assert queue.is_running(queue.running[0].prompt_id)
    assert queue.position(queue.running[0].prompt_id) is None
    assert queue.position(queue.pending[0].prompt_id) == 1
    assert all(item.graph for item in (*queue.running, *queue.pending))
    assert all((item.created_at is not None) == (version == "new") for item in queue.pending)


@pytest.mark.parametrize("version", VERSIONS)
def test_pending_prompts_stand_in_the_order_in_which_they_will_run(version: str) -> None:
    queue = answers.queue_of(_body(version, "queue_several_pending"))
    numbers = [item.number for item in queue.pending]
    assert numbers == sorted(item[0] for item in _body(version, "queue_several_pending")["queue_pending"])


ENDS = {
    "history_id_success": End.COMPLETED,
    "history_interrupted": End.CANCELLED,
    "history_node_raise": End.FAILED,
    "history_node_oom": End.FAILED,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ENDS)
def test_the_history_tells_how_a_prompt_ended(version: str, name: str) -> None:
    finished = _only(version, name)
    assert finished.end is ENDS[name]
    assert finished.started_at is not None
    assert finished.ended_at is not None
    assert 1.6e9 < finished.started_at <= finished.ended_at < 2e9


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interrupted_prompt_names_the_node_at_which_it_was(version: str) -> None:
    finished = _only(version, "history_interrupted")
    assert finished.interrupted_at
    assert finished.failure is None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "kind"), [("history_node_raise", "RuntimeError"), ("history_node_oom", "torch.OutOfMemoryError")]
)
def test_a_failure_names_node_exception_and_traceback(version: str, name: str, kind: str) -> None:
    failure = _only(version, name).failure
    assert failure
    assert failure.exception_type.endswith(kind.rsplit(".", 1)[-1])
    assert failure.node_id
    assert failure.node_type
    assert failure.message
    assert failure.traceback


@pytest.mark.parametrize("version", VERSIONS)
def test_outputs_are_files(version: str) -> None:
    [file] = _only(version, "history_id_success").outputs
    assert (file.kind, file.type) == ("images", "output")
    assert file.filename.endswith(".png")


JOBS = {
    "api_job_success": End.COMPLETED,
    "api_job_interrupted": End.CANCELLED,
    "api_job_node_raise": End.FAILED,
    "api_job_node_oom": End.FAILED,
    "api_job_running": None,
    "api_job_pending": None,
}


@pytest.mark.parametrize("name", JOBS)
def test_the_second_door_of_newer_servers_tells_the_same(name: str) -> None:
    finished = answers.finished_of_job(_body("new", name))
    assert (finished.end if finished else None) is JOBS[name]
    assert not finished or (finished.failure is not None) == (finished.end is End.FAILED)


def test_the_list_of_newer_servers_tells_how_each_prompt_ended() -> None:
    recorded = _body("new", "api_jobs_list")
    ends = {"completed": End.COMPLETED, "failed": End.FAILED, "cancelled": End.CANCELLED}
    assert recorded["jobs"]
    for job in recorded["jobs"]:
        finished = next((one for one in answers.history_of_jobs(recorded) if one.prompt_id == job["id"]), None)
        assert (finished.end if finished else None) is ends.get(job["status"])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_id_that_the_history_does_not_have_is_not_finished(version: str) -> None:
    assert answers.finished_of(_body(version, "get_history_nope"), "nope") is None


@pytest.mark.parametrize("version", VERSIONS)
def test_statistics_are_read(version: str) -> None:
    stats = answers.stats_of(_body(version, "get_system_stats"))
    assert stats.version == ("0.33.0" if version == "new" else "0.3.64")
    assert stats.ram_total > stats.ram_free > 0
    assert stats.devices


REFUSALS = {
    "prompt_bad_value": "smaller",
    "prompt_dangling_link": "exception_during_validation",
    "prompt_missing_ckpt": "not in list",
    "prompt_missing_input": "missing",
    "prompt_unknown_class": "",
    "prompt_no_outputs": "",
    "prompt_no_prompt": "",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_why_and_of_which_node(version: str, name: str) -> None:
    refused = answers.refused_of(_body(version, name))
    assert refused.message
    told = " ".join(f"{error.node_id} {error.kind} {error.message}" for error in refused.node_errors)
    assert REFUSALS[name] in told.lower()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bad_branch_of_a_partly_valid_graph_is_named(version: str) -> None:
    accepted = answers.accepted_of(_body(version, "prompt_partial_one_good_one_bad"))
    assert accepted.prompt_id
    assert accepted.node_errors


READERS: dict[str, Callable[[Any], object]] = {
    "queue": answers.queue_of,
    "history": answers.history_of,
    "entry": lambda answer: answers.finished_of(answer, "p"),
    "job": answers.finished_of_job,
    "jobs": answers.history_of_jobs,
    "accepted": answers.accepted_of,
    "refused": answers.refused_of,
    "node errors": answers.node_errors_of,
    "stats": answers.stats_of,
    "log": answers.log_of,
}


def test_every_reader_takes_every_recorded_answer_or_says_what_is_odd() -> None:
    read = 0
    for path in FOLDER.glob("*/*/*.json"):
        recording = json.loads(path.read_text())
        if not isinstance(recording, dict) or "response" not in recording or "json" not in recording["response"]:
            continue
        for reader in READERS.values():
            try:
                reader(recording["response"]["json"])
                read += 1
            except ValueError as odd:
                assert str(odd)  # noqa: PT017  either is right
    assert read > 300


# Garbage ---------------------------------------------------------------------------------------------------------

#: The words that the readers look for, so that garbage gets past the first look.
_WORDS = [
    *("queue_running", "queue_pending", "status", "status_str", "success", "messages", "outputs", "images", "p"),
    *("execution_error", "execution_interrupted", "execution_start", "timestamp", "node_id", "filename", "traceback"),
    *("completed", "failed", "cancelled", "id", "execution_end_time", "prompt_id", "number", "node_errors", "errors"),
    *("error", "message", "details", "extra_info", "received_value", "system", "devices", "argv", "ram_total"),
    *("entries", "t", "m", "create_time", "vram_free", "subfolder", "type", "class_type", "python_version"),
]
_keys = st.sampled_from(_WORDS) | st.text(max_size=3)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=25,
)


@pytest.mark.parametrize("name", READERS)
@given(answer=_json)
def test_any_json_gives_a_value_or_a_value_error(name: str, answer: Any) -> None:
    try:
        READERS[name](decode(json.dumps(answer)))
    except ValueError as odd:
        assert str(odd)  # noqa: PT017  either is right


@given(item=st.lists(_json, max_size=6), entry=st.dictionaries(_keys, _json, max_size=6))
def test_odd_parts_in_a_whole_answer_give_a_value_or_a_value_error(item: list[Any], entry: dict[str, Any]) -> None:
    whole: list[tuple[str, Any]] = [
        ("queue", {"queue_running": [item], "queue_pending": [item, item]}),
        ("entry", {"p": entry}),
        ("entry", {"p": {"status": entry, "outputs": {"9": entry}}}),
        ("entry", {"p": {"status": {"messages": [["execution_error", entry], item, ["execution_start", entry]]}}}),
        ("job", {"status": "failed", "execution_error": entry, "outputs": {"1": entry}}),
        ("jobs", {"jobs": [{"id": "p", "status": "cancelled", **entry}, entry, item]}),
        ("refused", {"error": entry, "node_errors": {"1": {"errors": [entry], "class_type": item}}}),
        ("stats", {"system": entry, "devices": [entry, item]}),
        ("log", {"entries": [entry, item]}),
    ]
    for name, answer in whole:
        try:
            READERS[name](answer)
        except ValueError as odd:
            assert str(odd)  # noqa: PT017  either is right


@given(text=st.text(max_size=40) | _json.map(lambda value: json.dumps(value)[:-1]))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        decode(text)
    except ValueError as odd:
        assert str(odd)  # noqa: PT017  either is right


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 990 + "]" * 990, '{"a":' * 100_000, "9" * 10_000])
def test_a_bomb_is_a_value_error(text: str) -> None:
    for reader in READERS.values():
        with pytest.raises(ValueError, match=r".") as refusal:
            reader(decode(text))
        assert len(str(refusal.value)) < 500


def test_half_a_character_does_not_get_into_an_answer_of_ours() -> None:
    decoded = decode('{"p": {"outputs": {"1": {"images": [{"filename": "caf\\udce9 \\ud83d\\ude00.png"}]}}}}')
    [file] = answers.history_of(decoded)[0].outputs
    assert file.filename == "caf? \N{GRINNING FACE}.png"


def test_numbers_that_are_none_are_read_as_words() -> None:
    history = decode('{"p": {"status": {"status_str": "success"}, "outputs": {"1": {"value": [NaN, -Infinity]}}}}')
    [finished] = answers.history_of(history)
    assert finished.end is End.COMPLETED


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity", "9" * 400, "true", '"5"', "null"])
def test_a_number_that_is_none_does_not_end_the_order(number: str) -> None:
    queue = answers.queue_of(
        decode(f'{{"queue_running": [], "queue_pending": [[{number}, "a", {{}}, {{}}], [1, "b", {{}}, {{}}]]}}')
    )
    assert {item.prompt_id for item in queue.pending} == {"a", "b"}
