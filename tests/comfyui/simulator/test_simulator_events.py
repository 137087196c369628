"""The simulator's websockets say the same, in the same order and to the same clients, as the recorded servers' did."""

from collections.abc import Generator
from typing import Any, cast

import pytest

from tests.comfyui.recordings import VERSIONS, load, shape, translate
from tests.comfyui.talk import Event, Listener, ask, entry, is_end, is_status, is_type, run, submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator

Server = tuple[str, Simulator]


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Generator[Server]:
    with Simulator.start("--version", request.param, "--startup-delay", "0") as simulator:
        yield request.param, simulator


def _told(events: list[Event]) -> list[Any]:
    """Return what is comparable: types, keys, and the values that are no names and no times."""
    return [[event["type"], shape(event["data"]), _values(event["data"])] for event in events]


def _values(data: Any) -> Any:
    nodes: Any = data.get("nodes", [])
    # A list of names in execution_cached, a table of states in progress_state.
    states: Any = nodes
    if isinstance(nodes, dict):
        states = [(node["value"], node["max"], node["state"]) for node in cast("dict[str, Any]", nodes).values()]
    return [data.get("node"), data.get("executed"), data.get("node_id"), data.get("value"), data.get("status"), states]


def _assert_as_recorded(listener: Listener, version: str, name: str) -> None:
    """Prompt ids are keys of nothing here, and are not compared."""
    recorded = [event for event in load(version, f"ws_{name}") if "type" in event]
    assert [event["type"] for event in listener.events] == [event["type"] for event in recorded]
    assert _told(listener.events) == _told(recorded)


def test_a_success_and_its_repetition_from_the_cache(server: Server) -> None:
    version, simulator = server
    recorded = next(iter(load(version, "history_id_success")["response"]["json"].values()))
    for name in ("success", "cached"):
        with Listener(simulator, "owner") as listener:
            submit(simulator, recorded["prompt"][2], client_id="owner")
            listener.until(is_end)
        _assert_as_recorded(listener, version, name)


def test_an_interrupted_prompt(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "owner") as listener:
        # Long steps: the interrupt must come before the next one, also on a busy machine.
        prompt_id = submit(simulator, graphs.stepped(100, 1.5), client_id="owner")
        listener.until(is_type("progress", 2))
        ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
        listener.until(is_end)
    _assert_as_recorded(listener, version, "interrupted")


def test_an_interrupted_prompt_without_a_client_is_told_to_all(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "someone") as listener:
        submit(simulator, graphs.stepped(100, 1.5))  # as above
        listener.until(is_type("progress"))
        ask(simulator, "POST", "/interrupt", {})
        listener.until(is_status(0))
    _assert_as_recorded(listener, version, "interrupted_noclient_listener")


@pytest.mark.parametrize("name", ["node_raise", "node_oom"])
def test_a_node_that_raises(name: str, server: Server) -> None:
    version, simulator = server
    recorded = next(iter(load(version, f"history_{name}")["response"]["json"].values()))
    with Listener(simulator, "owner") as listener:
        submit(simulator, translate(recorded["prompt"][2]), client_id="owner")
        listener.until(is_end)
    _assert_as_recorded(listener, version, name)
    error, expected = (
        next(event["data"] for event in events if event["type"] == "execution_error")
        for events in (listener.events, load(version, f"ws_{name}"))
    )
    assert error["exception_type"] == expected["exception_type"]
    assert error["exception_message"].split("\n")[1:] == (
        expected["exception_message"].split("\n")[1:] if name == "node_oom" else [""]
    )
    assert error["current_inputs"]["message"] == ["deliberate failure"]


def test_steps_are_told_to_the_owner_only(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "mine") as mine, Listener(simulator, "other") as other:
        submit(simulator, graphs.stepped(3, 0.15), client_id="mine")
        mine.until(is_end)
        other.until(is_status(0))
    _assert_as_recorded(mine, version, "stepped_mine")
    _assert_as_recorded(other, version, "stepped_as_seen_by_other")


def test_steps_of_a_prompt_without_a_client_are_told_to_all(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "other") as listener:
        submit(simulator, graphs.stepped(3, 0.15))
        listener.until(is_status(0))
    _assert_as_recorded(listener, version, "other_client_when_submitted_without_client_id")


def test_an_owner_who_comes_late_learns_which_node_runs(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "witness") as witness:
        # Long steps: whoever connects, and comes again, must do so within one.
        submit(simulator, graphs.stepped(10, 1.0), client_id="late")
        with Listener(simulator, "late") as first:
            first.until(is_type("progress", 3))
        with Listener(simulator, "late") as listener:
            listener.until(is_end)
        witness.until(is_status(0))
    _assert_as_recorded(listener, version, "late_join")


def test_feature_flags_are_exchanged(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "ff") as listener:
        listener.send({"type": "feature_flags", "data": {}})
        listener.until(is_type("feature_flags"))
    _assert_as_recorded(listener, version, "feature_flags")


def test_an_interrupt_that_a_node_does_not_see_stops_the_next_one(server: Server) -> None:
    version, simulator = server
    with Listener(simulator, "ds") as listener:
        prompt_id = submit(simulator, graphs.chain(graphs.sleeping(3.0), graphs.sleeping(0)), client_id="ds")
        listener.until(is_type("executing"))
        ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
        listener.until(is_end)
    _assert_as_recorded(listener, version, "wedged_first_node_then_downstream")


def test_a_last_node_that_does_not_see_the_interrupt_succeeds(server: Server) -> None:
    _, simulator = server
    with Listener(simulator, "owner") as listener:
        prompt_id = submit(simulator, graphs.sleeping(3.0), client_id="owner")
        listener.until(is_type("executing"))
        ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
        listener.until(is_end)
    assert entry(simulator, prompt_id)["status"]["status_str"] == "success"
    # Nor does the interrupt live on into the next prompt.
    assert run(simulator, graphs.stepped(2, 0.0))["status"]["status_str"] == "success"


def test_a_node_that_swallows_the_interrupt_succeeds(server: Server) -> None:
    _, simulator = server
    with Listener(simulator, "owner") as listener:
        prompt_id = submit(simulator, graphs.swallow_interrupt(4, 0.1), client_id="owner")
        listener.until(is_type("progress"))
        ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id})
        listener.until(is_end)
    assert entry(simulator, prompt_id)["status"]["status_str"] == "success"


def test_an_older_connection_of_the_same_name_takes_the_newer_one_with_it(server: Server) -> None:
    _, simulator = server
    older = Listener(simulator, "same")
    with Listener(simulator, "same") as newer, Listener(simulator, "witness") as witness:
        older.close()
        submit(simulator, graphs.sleeping(0), client_id="same")
        witness.until(is_status(1))
        witness.until(is_status(0))
        newer.send({"type": "feature_flags", "data": {}})
        with pytest.raises(TimeoutError):
            newer.until(is_type("feature_flags"), patience_s=0.3)
    assert [event["type"] for event in newer.events] == ["status"]
