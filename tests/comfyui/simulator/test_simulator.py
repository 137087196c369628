"""The simulator answers as the recorded servers did: status, content type, shape, and text where it is fixed."""

import time
from collections.abc import Generator
from typing import Any

import pytest

from tests.comfyui.recordings import FOLDER, NOT_REPLAYED, VERSIONS, load, replay, translate
from tests.comfyui.talk import Listener, ask, entry, is_end, is_status, is_type, run, running, skip_numbers, submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator

#: To a server that has run nothing.
IDLE = [
    *("get_api_assets", "get_api_history_v2", "get_api_jobs", "get_api_jobs_nope", "get_api_queue"),
    *("get_api_system_stats", "get_embeddings", "get_features", "get_health", "get_history", "get_history_nope"),
    *("get_internal_files_output", "get_nope", "get_object_info_Nope"),
    *("get_object_info_SaveImage", "get_openapi_yaml", "get_prompt", "get_queue", "get_root", "get_system_stats"),
    *("get_userdata_dir_workflows", "get_users", "get_view", "get_view_filename_nope_png"),
    *("history_after_kill_restart", "queue_after_kill_restart", "free_empty_body", "free_idle", "free_idle_empty"),
    *("interrupt_bad_json", "interrupt_idle_empty_json", "interrupt_idle_no_body", "interrupt_json_list"),
    *("queue_clear", "queue_delete_unknown", "queue_empty_body", "queue_empty_obj", "history_clear"),
    *("history_delete", "api_jobs_bad_status", "api_jobs_cancel_batch_bad", "api_jobs_cancel_batch_missing"),
    *("api_jobs_cancel_notuuid", "api_jobs_cancel_unknown"),
]

#: To a server that may be doing anything.
PROMPTS = [
    *("prompt_bad_value", "prompt_dangling_link", "prompt_empty_body", "prompt_empty_prompt", "prompt_foreign_origin"),
    *("prompt_invalid_json", "prompt_missing_ckpt", "prompt_missing_class_type", "prompt_missing_input"),
    *("prompt_no_outputs", "prompt_no_prompt", "prompt_partial_one_good_one_bad", "prompt_post_cached"),
    *("prompt_post_success", "prompt_prompt_id_not_uuid", "prompt_prompt_id_null", "prompt_prompt_id_upper_uuid"),
    *("prompt_prompt_id_uuid", "prompt_prompt_null", "prompt_type_mismatch", "prompt_ui_format_workflow"),
    "prompt_unknown_class",
]

#: About a prompt that has ended: the recording of its end, and the recordings that ask for it.
ENDED = [
    ("history_id_success", ["history_id_success", "history_max_items_1", "api_jobs_list", "api_job_success"]),
    ("history_interrupted", ["history_interrupted", "api_job_interrupted"]),
    ("history_node_raise", ["history_node_raise", "api_job_node_raise"]),
    ("history_node_oom", ["history_node_oom", "api_job_node_oom"]),
]

#: About a running and pending prompts, in this order.
QUEUED = [
    *("queue_several_pending", "api_job_running", "api_job_pending", "api_jobs_running_and_pending"),
    *("api_jobs_pending_limit2", "queue_delete_string_not_list", "queue_delete_running", "queue_delete_pending"),
    *("history_of_deleted_pending", "api_job_deleted_pending", "api_jobs_cancel_pending", "api_jobs_cancel_batch"),
]


@pytest.fixture(scope="module", params=VERSIONS)
def idle(request: pytest.FixtureRequest) -> Generator[tuple[str, Simulator]]:
    """A server of each version that never runs a prompt."""
    with Simulator.start("--version", request.param, "--startup-delay", "0") as simulator:
        yield request.param, simulator


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Generator[tuple[str, Simulator]]:
    """A server of each version that runs what the tests submit."""
    with Simulator.start("--version", request.param, "--startup-delay", "0") as simulator:
        yield request.param, simulator


@pytest.mark.parametrize("name", IDLE)
def test_an_idle_server_answers_as_recorded(name: str, idle: tuple[str, Simulator]) -> None:
    version, simulator = idle
    replay(simulator, version, name)


@pytest.mark.parametrize("name", PROMPTS)
def test_a_submission_is_answered_as_recorded(name: str, server: tuple[str, Simulator]) -> None:
    version, simulator = server
    replay(simulator, version, name)


@pytest.mark.parametrize(("end", "names"), ENDED, ids=[end for end, _ in ENDED])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_prompt_that_has_ended_is_told_of_as_recorded(end: str, names: list[str], version: str) -> None:
    """Under the id, graph and extra data of the recording."""
    with Simulator.start("--version", version, "--startup-delay", "0") as simulator:
        prompt_id, recorded = next(iter(load(version, end)["response"]["json"].items()))
        number, _, graph, extra_data, _ = recorded["prompt"]
        extra_data = {key: value for key, value in extra_data.items() if key != "create_time"}
        with Listener(simulator, extra_data["client_id"]) as listener:
            submitted = {"prompt_id": prompt_id, "extra_data": extra_data}
            skip_numbers(simulator, number)
            submit(simulator, translate(graph), **submitted)
            if end == "history_interrupted":
                listener.until(is_type("progress"))
                ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
            listener.until(is_end)
        for name in names:
            replay(simulator, version, name)
        mine, theirs = entry(simulator, prompt_id), recorded
        assert mine["prompt"][:2] == theirs["prompt"][:2]
        assert mine["outputs"] == theirs["outputs"]
        assert mine["status"]["status_str"] == theirs["status"]["status_str"]
        assert mine["status"]["completed"] is theirs["status"]["completed"]
        assert [message[0] for message in mine["status"]["messages"]] == [
            message[0] for message in theirs["status"]["messages"]
        ]


@pytest.mark.parametrize("version", VERSIONS)
def test_queued_prompts_are_told_of_as_recorded(version: str) -> None:
    """The pending ones in the order of the heap, which is not the order that they will run in."""
    with Simulator.start("--version", version, "--startup-delay", "0") as simulator:
        _submit_recorded_queue(simulator, version)
        recorded = load(version, "queue_several_pending")["response"]["json"]["queue_pending"]
        pending = ask(simulator, "GET", "/queue").json["queue_pending"]
        assert [item[:2] for item in pending] == [item[:2] for item in recorded]
        for name in QUEUED:
            replay(simulator, version, name)
        stopped = _stop_running(simulator)
        if version == "new":
            assert ask(simulator, "POST", f"/api/jobs/{stopped}/cancel").json == {"cancelled": False}
        replay(simulator, version, "api_jobs_cancel_terminal")


def _submit_recorded_queue(simulator: Simulator, version: str) -> None:
    queue = load(version, "queue_several_pending")["response"]["json"]
    by_number = {item[0]: item for item in [*queue["queue_running"], *queue["queue_pending"]]}
    with Listener(simulator, "q") as listener:
        for number, how in [(0, {}), (1, {}), (2, {}), (3, {}), (4, {}), (-5, {"front": True})]:
            _submit_item(simulator, by_number[number], how)
            if number == 0:
                listener.until(is_type("executing"))
        for number in (-100.0, 1.5):
            _submit_item(simulator, by_number[number], {"number": number})


def _submit_item(simulator: Simulator, item: Any, how: dict[str, Any]) -> None:
    extra_data = {key: value for key, value in item[3].items() if key != "create_time"}
    _await_next_millisecond()  # in which newer servers count; those of one have no order
    submit(simulator, translate(item[2]), prompt_id=item[1], extra_data=extra_data, **how)


def _await_next_millisecond() -> None:
    now = int(time.time() * 1000)
    while int(time.time() * 1000) == now:
        pass


def _stop_running(simulator: Simulator) -> str:
    [prompt_id] = running(simulator)
    ask(simulator, "POST", "/queue", {"clear": True})
    with Listener(simulator, "stopper") as listener:
        ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
        listener.until(is_status(0))
    return prompt_id


@pytest.mark.parametrize("version", VERSIONS)
def test_a_running_job_is_cancelled_as_recorded(version: str) -> None:
    with Simulator.start("--version", version, "--startup-delay", "0") as simulator:
        prompt_id = load(version, "api_jobs_cancel_running")["request"]["path"].split("/")[3]
        with Listener(simulator, "owner") as listener:
            submit(simulator, graphs.stepped(100, 0.05), prompt_id=prompt_id, client_id="owner")
            listener.until(is_type("progress"))
            replay(simulator, version, "api_jobs_cancel_running")
            if version == "old":
                ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
            listener.until(is_end)
        replay(simulator, version, "api_jobs_cancel_terminal")
        assert entry(simulator, prompt_id)["status"]["messages"][-1][0] == "execution_interrupted"


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_interrupt_with_the_right_id_stops_a_prompt(version: str) -> None:
    with Simulator.start("--version", version, "--startup-delay", "0") as simulator:
        queue = load(version, "queue_running_and_pending")["response"]["json"]
        [first], [second] = queue["queue_running"], queue["queue_pending"]
        with Listener(simulator, "owner") as listener:
            submit(simulator, translate(first[2]), prompt_id=first[1], extra_data={"client_id": "owner"})
            listener.until(is_type("progress"))
            submit(simulator, translate(second[2]), prompt_id=second[1])
            replay(simulator, version, "interrupt_wrong_id")
            replay(simulator, version, "interrupt_pending_id")
            assert listener.until(is_type("progress"))["data"]["value"] == 2
            replay(simulator, version, "interrupt_right_id")
            listener.until(is_end)
            listener.until(is_status(0))
        assert entry(simulator, first[1])["status"]["status_str"] == "error"
        assert entry(simulator, second[1])["status"]["status_str"] == "success"


def test_old_cores_interrupt_whatever_runs(server: tuple[str, Simulator]) -> None:
    version, _ = server
    flags = ("--version", version, "--startup-delay", "0", "--old-interrupt")
    with Simulator.start(*flags) as simulator, Listener(simulator, "owner") as listener:
        prompt_id = submit(simulator, graphs.stepped(100, 0.05), client_id="owner")
        listener.until(is_type("progress"))
        ask(simulator, "POST", "/interrupt", {"prompt_id": "another"})
        listener.until(is_end)
        assert entry(simulator, prompt_id)["status"]["status_str"] == "error"


def test_an_output_that_is_no_json_breaks_the_history_until_it_is_deleted(server: tuple[str, Simulator]) -> None:
    version, _ = server
    with Simulator.start("--version", version, "--startup-delay", "0") as simulator:
        prompt_id = load(version, "bad_ui_nows_history_id")["request"]["path"].split("/")[2]
        with Listener(simulator, "somebody_else") as listener:
            submit(simulator, graphs.bad_ui(), prompt_id=prompt_id)
            listener.until(is_status(0))
        for name in ("bad_ui_nows_history", "bad_ui_nows_history_id", "bad_ui_nows_queue", "bad_ui_nows_api_id"):
            replay(simulator, version, name)
        assert ask(simulator, "GET", "/api/jobs").status == (200 if version == "new" else 404)
        ask(simulator, "POST", "/history", {"delete": [prompt_id]})
        assert ask(simulator, "GET", "/history").json == {}


def test_the_same_id_is_accepted_twice_but_not_with_the_same_number(server: tuple[str, Simulator]) -> None:
    _, simulator = server
    prompt_id = "11111111-2222-4333-8444-555555555555"
    with Listener(simulator, "owner") as listener:
        submit(simulator, graphs.stepped(100, 0.05), client_id="owner")
        listener.until(is_type("progress"))
        statuses = [
            ask(
                simulator, "POST", "/prompt", {"prompt": graphs.sleeping(0), "prompt_id": prompt_id, "number": n}
            ).status
            for n in (50, 49, 49)
        ]
        assert statuses == [200, 200, 500]
        ask(simulator, "POST", "/queue", {"clear": True})
        ask(simulator, "POST", "/interrupt")
        listener.until(is_end)


def test_an_identical_graph_comes_from_the_cache_until_memory_is_freed(server: tuple[str, Simulator]) -> None:
    _, simulator = server
    graph = graphs.with_output(graphs.stepped(1, 0.0), "cached")
    first, second = run(simulator, graph), run(simulator, graph)
    assert second["outputs"] == first["outputs"]
    assert second["status"]["messages"][1][1]["nodes"] == ["1", "9"]
    # The wish is looked at after a prompt: here the longer one, which leaves nothing else to be forgotten.
    with Listener(simulator, "longer") as listener:
        submit(simulator, graph | {"5": graphs.node("SimSleep", seconds=3.0)}, client_id="longer")
        listener.until(is_type("executing"))
        ask(simulator, "POST", "/free", {"free_memory": True})
        listener.until(is_end)
    third = run(simulator, graph)
    assert third["status"]["messages"][1][1]["nodes"] == []
    names = [done["outputs"]["9"]["images"][0]["filename"] for done in (first, third)]
    assert names == ["cached_00001_.png", "cached_00002_.png"]
    for name in names:
        view = ask(simulator, "GET", f"/view?filename={name}&type=output")
        assert (view.status, view.content_type, view.body[:4]) == (200, "image/png", b"\x89PNG")


def test_a_bare_nan_is_in_the_history(server: tuple[str, Simulator]) -> None:
    _, simulator = server
    run(simulator, graphs.nan_ui())
    assert "[NaN]" in ask(simulator, "GET", "/history").text


def test_the_history_is_cut_from_its_end_unless_an_offset_is_given(server: tuple[str, Simulator]) -> None:
    _, simulator = server
    ask(simulator, "POST", "/history", {"clear": True})
    first, second, third = (run(simulator, graphs.sleeping(0))["prompt"][1] for _ in range(3))
    assert list(ask(simulator, "GET", "/history?max_items=2").json) == [second, third]
    assert list(ask(simulator, "GET", "/history?max_items=1&offset=0").json) == [first]
    assert ask(simulator, "GET", "/history?max_items=abc").status == 500


def test_progress_stands_in_the_logs(server: tuple[str, Simulator]) -> None:
    _, simulator = server
    run(simulator, graphs.stepped(10, 0.01))
    text = ask(simulator, "GET", "/internal/logs").json
    assert "100%|██████████| 10/10 [00:00<00:00, 100.00it/s]" in text
    assert "Prompt executed in" in text
    raw = ask(simulator, "GET", "/internal/logs/raw").json
    assert raw["entries"][-1].keys() == {"t", "m"}


def test_an_image_is_uploaded_once_under_one_name(server: tuple[str, Simulator]) -> None:
    version, simulator = server
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    answers = [
        ask(simulator, "POST", "/upload/image", raw=_form(content), headers=headers).json
        for content in (b"one", b"one", b"two")
    ]
    assert answers[0] == answers[1] == load(version, "upload_image")
    assert answers[2]["name"] == "up (1).png"


def _form(content: bytes) -> bytes:
    head = b'--edge\r\nContent-Disposition: form-data; name="image"; filename="up.png"\r\n\r\n'
    return head + content + b"\r\n--edge--\r\n"


def test_every_recording_is_used_or_has_a_reason() -> None:
    events = {"ws_" + name for name in EVENT_RECORDINGS}
    ended = {name for _, names in ENDED for name in names}
    used = {*IDLE, *PROMPTS, *QUEUED, *ended, *events, *OTHERS}
    assert not used & NOT_REPLAYED.keys()
    for version in VERSIONS:
        there = {path.stem for path in (FOLDER / version).glob("*/*.json")}
        absent = {"manager_form_post"} if version == "old" else set[str]()
        assert there == used - absent


#: Replayed in single tests, here and in those of events and faults.
OTHERS = [
    *("api_jobs_cancel_running", "api_jobs_cancel_terminal", "queue_running_and_pending", "upload_image"),
    *("interrupt_wrong_id", "interrupt_pending_id", "interrupt_right_id", "bad_ui_nows_history"),
    *("bad_ui_nows_history_id", "bad_ui_nows_queue", "bad_ui_nows_api_id", "queue_after_sysexit"),
    *("api_job_after_sysexit", "manager_form_post"),
]

EVENT_RECORDINGS = [
    *("success", "cached", "interrupted", "node_raise", "node_oom", "stepped_mine", "stepped_as_seen_by_other"),
    *("other_client_when_submitted_without_client_id", "interrupted_noclient_listener", "late_join"),
    *("feature_flags", "wedged_first_node_then_downstream", "node_sysexit"),
]
