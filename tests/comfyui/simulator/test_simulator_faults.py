"""The simulator loses, hangs, dies and comes back as the measured servers did."""

import errno
import os
import select
import signal
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from tests.comfyui.recordings import load, replay, translate
from tests.comfyui.talk import (
    Listener,
    ask,
    entry,
    is_end,
    is_status,
    is_type,
    run,
    running,
    skip_numbers,
    submit,
    wait_until_silent,
)
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import DidNotStartError, Simulator
from tests.patience import PATIENCE_S, scaled, wait_until

pytestmark = pytest.mark.real_process

QUICK = ("--startup-delay", "0")
FOLDER = Path(__file__).parents[2] / "comfyui_simulator"


@pytest.fixture
def simulator() -> Generator[Simulator]:
    with Simulator.start(*QUICK) as simulator:
        yield simulator


# Races -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["new", "old"])
def test_an_interrupt_between_queue_running_and_the_start_is_lost(version: str) -> None:
    flags = ("--version", version, "--start-gap", "3")
    with Simulator.start(*QUICK, *flags) as simulator, Listener(simulator, "owner") as listener:
        prompt_id = submit(simulator, graphs.stepped(2, 0.05), client_id="owner")
        listener.until(is_status(1))
        listener.until(is_status(1))  # the second is sent when the prompt runs
        assert running(simulator) == [prompt_id]
        if version == "new":
            assert ask(simulator, "POST", f"/api/jobs/{prompt_id}/cancel").json == {"cancelled": True}
        else:
            assert ask(simulator, "POST", "/interrupt", {"prompt_id": prompt_id}).status == 200
        listener.until(is_end)
        assert entry(simulator, prompt_id)["status"]["status_str"] == "success"


def test_execution_success_comes_before_the_history() -> None:
    with Simulator.start(*QUICK, "--history-gap", "3") as simulator, Listener(simulator, "owner") as listener:
        prompt_id = submit(simulator, graphs.sleeping(0), client_id="owner")
        listener.until(is_type("execution_success"))
        assert entry(simulator, prompt_id) is None
        assert running(simulator) == [prompt_id]
        listener.until(is_end)
        assert entry(simulator, prompt_id)["status"]["completed"]
        assert running(simulator) == []


def test_who_reads_the_queue_before_the_history_never_loses_a_job(simulator: Simulator) -> None:
    for _ in range(50):
        prompt_id = submit(simulator, graphs.sleeping(0))
        while True:
            queue = ask(simulator, "GET", "/queue").json
            in_queue = prompt_id in [item[1] for item in queue["queue_running"] + queue["queue_pending"]]
            found = entry(simulator, prompt_id)
            assert in_queue or found is not None
            if found is not None:
                break


# Wedges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["new", "old"])
def test_a_dead_worker_leaves_its_job_running_for_ever(version: str) -> None:
    with Simulator.start(*QUICK, "--version", version) as simulator:
        queue = load(version, "queue_after_sysexit")["response"]["json"]
        [dead], [waiting] = queue["queue_running"], queue["queue_pending"]
        skip_numbers(simulator, dead[0])
        with Listener(simulator, "d") as listener:
            for item in (dead, waiting):
                extra_data = {key: value for key, value in item[3].items() if key != "create_time"}
                submit(simulator, translate(item[2]), prompt_id=item[1], extra_data=extra_data)
                if item is dead:
                    listener.until(is_type("executing"))
            listener.until(is_status(2))
        recorded = [event["type"] for event in load(version, "ws_node_sysexit") if "type" in event]
        assert [event["type"] for event in listener.events] == recorded
        replay(simulator, version, "queue_after_sysexit")
        replay(simulator, version, "api_job_after_sysexit")
        ask(simulator, "POST", "/interrupt", {"prompt_id": dead[1]})
        ask(simulator, "POST", "/queue", {"clear": True})
        assert running(simulator) == [dead[1]]
        assert ask(simulator, "GET", "/prompt").json == {"exec_info": {"queue_remaining": 1}}
        assert ask(simulator, "GET", "/history").json == {}


def test_a_held_interpreter_lock_stops_http_but_not_sigterm(simulator: Simulator) -> None:
    submit(simulator, graphs.gil_hold(60))
    wait_until_silent(simulator)
    simulator.signal(signal.SIGTERM)
    assert simulator.wait() == -signal.SIGTERM


def test_sigint_waits_for_the_interpreter_lock(simulator: Simulator) -> None:
    submit(simulator, graphs.gil_hold(scaled(4.0)))  # longer than the silence that is waited for
    wait_until_silent(simulator)
    simulator.signal(signal.SIGINT)
    assert not _has_ended(simulator, 0.3)
    assert simulator.wait() == 0


def test_a_busy_node_slows_http_only(simulator: Simulator) -> None:
    with Listener(simulator, "owner") as listener:
        prompt_id = submit(simulator, graphs.busy(PATIENCE_S), client_id="owner")  # as long as an answer may take
        listener.until(is_type("executing"))
        assert running(simulator) == [prompt_id]


def test_a_stopped_process_answers_after_it_is_continued(simulator: Simulator) -> None:
    submit(simulator, graphs.self_signal(signal.SIGSTOP))
    wait_until(lambda: psutil.Process(simulator.pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    with pytest.raises(TimeoutError):
        ask(simulator, "GET", "/queue", patience_s=0.3)
    simulator.signal(signal.SIGCONT)
    assert ask(simulator, "GET", "/queue").status == 200


def test_a_bad_output_ends_the_process_when_its_owner_listens(simulator: Simulator) -> None:
    with Listener(simulator, "owner") as listener:
        submit(simulator, graphs.bad_ui(), client_id="owner")
        listener.until_closed()
    assert simulator.wait() == 1
    assert "TypeError" in simulator.log()


def test_a_client_that_does_not_read_stops_the_events_of_all(simulator: Simulator) -> None:
    with Listener(simulator, "good") as good, socket.create_connection(("127.0.0.1", simulator.port)) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        stuck.sendall(
            f"GET /ws?clientId=stuck HTTP/1.1\r\nHost: 127.0.0.1:{simulator.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert stuck.recv(64)
        huge = "x" * 30_000_000
        submit(simulator, graphs.raising(huge), client_id="stuck")
        submit(simulator, graphs.sleeping(0), client_id="good")
        with pytest.raises(TimeoutError):
            good.until(is_end, patience_s=0.5)
        assert ask(simulator, "GET", "/prompt").status == 200
        stuck.close()
        good.until(is_end)


# Ends ------------------------------------------------------------------------------------------------------------

SIGNALS = [
    (signal.SIGTERM, -signal.SIGTERM),
    (signal.SIGINT, 0),
    (signal.SIGHUP, -signal.SIGHUP),
    (signal.SIGKILL, -signal.SIGKILL),
    (signal.SIGABRT, -signal.SIGABRT),
]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("graph", [None, graphs.sleeping(60)], ids=["idle", "sleeping"])
def test_a_signal_ends_the_process_as_measured(number: int, code: int, graph: graphs.Graph | None) -> None:
    with Simulator.start(*QUICK) as simulator, Listener(simulator, "owner") as listener:
        if graph is not None:
            submit(simulator, graph, client_id="owner")
            listener.until(is_type("executing"))
        simulator.signal(number)
        assert simulator.wait() == code
        listener.until_closed()
        assert ("Stopped server" in simulator.log()) is (number == signal.SIGINT)
        assert ("Current thread" in simulator.log()) is (number == signal.SIGABRT)


def test_a_second_sigint_ends_it_by_the_signal() -> None:
    with Simulator.start(*QUICK, "--slow-stop") as simulator:
        simulator.signal(signal.SIGINT)
        _wait_for_text(simulator, "Stopped server")
        simulator.signal(signal.SIGINT)
        assert simulator.wait() == -signal.SIGINT


def test_sigterm_is_ignored_once_a_library_says_so(simulator: Simulator) -> None:
    run(simulator, graphs.ignore_sigterm())
    simulator.signal(signal.SIGTERM)
    assert not _has_ended(simulator, 0.3)
    assert ask(simulator, "GET", "/queue").status == 200
    simulator.signal(signal.SIGKILL)
    assert simulator.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("graph", "code"),
    [(graphs.os_exit(42), 42), (graphs.self_signal(signal.SIGKILL), -9), (graphs.self_signal(signal.SIGSEGV), -11)],
    ids=["os_exit", "sigkill", "segv"],
)
def test_a_node_ends_the_process(graph: graphs.Graph, code: int, simulator: Simulator) -> None:
    with Listener(simulator, "owner") as listener:
        submit(simulator, graph, client_id="owner")
        listener.until_closed()
    assert simulator.wait() == code
    with pytest.raises(ConnectionRefusedError):
        ask(simulator, "GET", "/queue")


def test_it_dies_some_time_after_an_interrupt() -> None:
    with Simulator.start(*QUICK, "--die-after-interrupt", "0.1") as simulator:
        assert ask(simulator, "POST", "/interrupt", {}).status == 200
        assert simulator.wait() == 1


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("new", "Port {port} is already in use on address 127.0.0.1. Please close the other application"),
        ("old", "OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', {port})"),
    ],
)
def test_a_port_in_use_is_found_out_late_and_exits_1(version: str, message: str, simulator: Simulator) -> None:
    flags = ("--version", version, "--port", str(simulator.port))
    with pytest.raises(DidNotStartError, match="exited with 1") as raised:
        Simulator.start(*QUICK, *flags)
    assert message.format(port=simulator.port) in str(raised.value)


def test_it_can_fail_during_start() -> None:
    with pytest.raises(DidNotStartError, match="exited with 7"):
        Simulator.start(*QUICK, "--exit-during-start", "7")


def test_an_unknown_flag_exits_2() -> None:
    with pytest.raises(DidNotStartError, match="exited with 2"):
        Simulator.start("--nope")


# Faults that a caller meets ----------------------------------------------------------------------------------------


def test_the_fault_flags_change_the_answers() -> None:
    with Simulator.start(*QUICK, "--queue-status", "500") as broken:
        assert ask(broken, "GET", "/queue").status == 500
        assert ask(broken, "GET", "/prompt").status == 200
    with Simulator.start(*QUICK, "--forbid") as forbidding:
        assert ask(forbidding, "GET", "/nope").status == 403
    with Simulator.start(*QUICK, "--html") as page:
        answers = [ask(page, "POST", "/nope"), ask(page, "GET", "/queue")]
        assert [(answer.status, answer.content_type) for answer in answers] == [(200, "text/html; charset=utf-8")] * 2
    with Simulator.start(*QUICK, "--hang") as hanging, pytest.raises(TimeoutError):
        ask(hanging, "GET", "/queue", patience_s=0.3)


@pytest.mark.parametrize(
    ("manager", "method", "path"), [("execv", "POST", "/v2/manager/reboot"), ("old", "GET", "/manager/reboot")]
)
def test_the_manager_starts_the_server_anew_under_the_same_pid(manager: str, method: str, path: str) -> None:
    with Simulator.start(*QUICK, "--manager", manager, anew=True) as simulator:
        run(simulator, graphs.sleeping(0))
        if manager == "execv":
            replay(simulator, "new", "manager_form_post")
        with pytest.raises(ConnectionError):
            ask(simulator, method, path)
        simulator.wait_until_answering()
        assert ask(simulator, "GET", "/history").json == {}
        assert simulator.process.poll() is None


# The process of a test ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new_session", [False, True])
def test_a_child_that_a_node_leaves_behind_outlives_the_server_but_not_the_test(*, new_session: bool) -> None:
    with Simulator.start(*QUICK) as simulator:
        done = run(simulator, graphs.spawn_child(ignore_sigterm=True, new_session=new_session))
        child = int(done["outputs"]["1"]["text"][0])
        descriptor = os.pidfd_open(child)
        simulator.signal(signal.SIGKILL)
        simulator.wait()
        assert (os.getpgid(child) == simulator.pid) is not new_session
        assert not _readable(descriptor, 0)
    try:
        assert _readable(descriptor, PATIENCE_S)
    finally:
        os.close(descriptor)


def test_it_starts_like_a_checkout_and_on_a_terminal(tmp_path: Path) -> None:
    with Simulator.start(*QUICK, cwd=FOLDER, pty=True, directory=tmp_path) as simulator:
        argv = ask(simulator, "GET", "/system_stats").json["system"]["argv"]
        assert argv == [
            "main.py",
            "--port",
            str(simulator.port),
            "--output-directory",
            str(tmp_path / "output"),
            *QUICK,
        ]
        run(simulator, graphs.output())
        assert (tmp_path / "output" / "simulated_00001_.png").exists()
    assert "To see the GUI go to: http://127.0.0.1:" in simulator.log()


def test_the_port_is_refused_while_it_starts() -> None:
    with Simulator.start("--startup-delay", "60", wait=False) as simulator, socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", simulator.port)) == errno.ECONNREFUSED


def _has_ended(simulator: Simulator, patience_s: float) -> bool:
    descriptor = os.pidfd_open(simulator.pid)
    try:
        return _readable(descriptor, patience_s)
    finally:
        os.close(descriptor)


def _readable(descriptor: int, patience_s: float) -> bool:
    return bool(select.select([descriptor], [], [], patience_s)[0])


def _wait_for_text(simulator: Simulator, text: str) -> None:
    for _ in range(500):
        if text in simulator.log():
            return
        threading.Event().wait(0.01)
    pytest.fail(f"{text!r} is not in the log")
