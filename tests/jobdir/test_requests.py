"""Whatever comes in over a runner's socket is refused, or becomes a request that can be acted on as it is."""

from __future__ import annotations

import base64
import json
import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.records import StopRequest
from mcp_background_job.jobdir.requests import (
    MAX_BY,
    MAX_GRACE_S,
    MAX_READ,
    MAX_SIZE,
    MAX_WHY,
    BadRequestError,
    Input,
    Port,
    Read,
    Request,
    Signal,
    SignalHandlers,
    Stop,
    Unknown,
    Usage,
    Waits,
    Watch,
    parse,
)

#: Half of a surrogate pair too: JSON can hold it.
TEXT = st.text(st.characters(codec=None), max_size=20)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -1, 0, 65, 2**63, 2**64, 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | st.sampled_from(["SIGTERM", "SIG_IGN", "SIGNAL", "TERM", "QQ==", "="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    "op",
    "size",
    "leader_exited",
    "signal",
    "grace_s",
    "by",
    "why",
    "at",
    "number",
    "data",
    "eof",
    "pss",
    "port",
    "offset",
    "limit",
]
OPS = st.sampled_from(["watch", "stop", "signal", "signal_handlers", "input", "usage", "port", "waits", "read", "news"])
NEARLY = st.fixed_dictionaries({"op": OPS | VALUES}, optional=dict.fromkeys(NAMES[1:], VALUES))
VALID = {
    "watch": {"size": 0, "leader_exited": False},
    "stop": {"signal": "SIGTERM", "grace_s": 5, "by": "me", "why": "so", "at": 1},
    "signal": {"number": 2},
    "input": {"data": "QQ==", "eof": False},
    "port": {"port": 8080},
    "read": {"offset": 0, "limit": 100},
}


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def assert_usable(request: Request) -> None:
    """Fail if acting on it could raise."""
    match request:
        case Watch():
            assert type(request.size) is int
            assert 0 <= request.size < 2**63
            assert isinstance(request.leader_exited, bool)
        case Signal() | SignalHandlers():
            assert signal.Signals(request.number) or signal.SIGRTMIN <= request.number <= signal.SIGRTMAX
        case Stop():
            wish = request.request
            assert signal.Signals[wish.signal] > 0
            assert 0 <= wish.grace_s <= MAX_GRACE_S
            assert len(wish.by) <= MAX_BY
            assert len(wish.why) <= MAX_WHY
            assert (wish.by + wish.why).encode()
            status = records.Status(state="running", boot_id="b", runner_pid=1, stop_requested=wish)
            assert records.decode(records.Status, records.encode(status), "status") == status
        case Input():
            assert isinstance(request.data, bytes)
            assert isinstance(request.eof, bool)
        case Usage():
            assert isinstance(request.pss, bool)
        case Port():
            assert type(request.number) is int
            assert 0 < request.number < 65536
        case Read():
            assert 0 <= request.offset < 2**63
            assert 0 <= request.limit <= MAX_READ
        case Waits() | Unknown():
            assert isinstance(request.op.encode(), bytes)


def try_out(data: bytes) -> None:
    try:
        request = parse(data)
    except BadRequestError as error:
        complaint = str(error)
    else:
        assert_usable(request)
        return
    assert len(complaint.encode()) < 200


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_a_usable_request(data: bytes) -> None:
    try_out(data)


@given(VALUES)
def test_any_json_is_refused_or_a_usable_request(value: object) -> None:
    try_out(json.dumps(value).encode())


@given(NEARLY)
def test_what_is_nearly_a_request_is_refused_or_usable(fields: dict[str, object]) -> None:
    try_out(json.dumps(fields).encode())


@given(st.sampled_from(sorted(VALID)), st.data())
def test_a_request_with_one_field_spoilt_is_refused_or_usable(op: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(VALID[op])))
    try_out(line(op=op, **{**VALID[op], name: data.draw(VALUES)}))


@pytest.mark.parametrize(
    ("op", "name"), [(op, name) for op, fields in VALID.items() for name in fields if name != "at"]
)
def test_a_request_without_one_of_its_fields_is_refused_and_the_field_named(op: str, name: str) -> None:
    fields = {key: value for key, value in VALID[op].items() if key != name}

    with pytest.raises(BadRequestError, match=f"{name} is missing"):
        parse(line(op=op, **fields))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"stop"',
        b"[" * 100_000,
        b'{"op":' * 100_000,
        b"1" * 10_000,
        b"\xff\xfe{",
        b'{"op": ["stop"]}',
        b'{"op": "watch", "size": Infinity, "leader_exited": false}',
        b'{"op": "watch", "size": NaN, "leader_exited": false}',
        b'{"op": "watch", "size": true, "leader_exited": false}',
        b'{"op": "watch", "size": 1e3, "leader_exited": false}',
        b'{"op": "watch", "size": -1, "leader_exited": false}',
        b'{"op": "watch", "size": 9223372036854775808, "leader_exited": false}',
        b'{"op": "watch", "size": 1, "leader_exited": 0}',
        b'{"op": "signal", "number": 0}',
        b'{"op": "signal", "number": -9}',
        b'{"op": "signal", "number": 65}',
        b'{"op": "signal", "number": 4294967305}',
        b'{"op": "signal", "number": "9"}',
        b'{"op": "signal", "number": 9.0}',
        b'{"op": "input", "data": "Q", "eof": false}',
        b'{"op": "input", "data": "Q Q==", "eof": false}',
        '{"op": "input", "data": "\u00e4", "eof": false}'.encode(),
        b'{"op": "input", "data": 5, "eof": false}',
        b'{"op": "input", "data": "", "eof": "no"}',
        b'{"op": "usage", "pss": 1}',
        b'{"op": "port", "port": 0}',
        b'{"op": "port", "port": 65536}',
        b'{"op": "port", "port": true}',
        b'{"op": "port", "port": "80"}',
    ],
)
def test_this_junk_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        parse(data)


@pytest.mark.parametrize("name", ["SIG_IGN", "SIG_DFL", "TERM", "SIGNAL", "sigterm", "", "SIG\ud800", "__doc__"])
def test_what_names_no_signal_stops_nothing(name: str) -> None:
    with pytest.raises(BadRequestError, match="signal"):
        parse(line(op="stop", **{**VALID["stop"], "signal": name}))


@pytest.mark.parametrize("grace", [math.inf, -math.inf, math.nan, -1, -0.1, "5", None, True, [5]])
def test_what_is_no_time_is_no_grace_period(grace: object) -> None:
    with pytest.raises(BadRequestError, match="grace_s"):
        parse(line(op="stop", **{**VALID["stop"], "grace_s": grace}))


@pytest.mark.parametrize("grace", [1e300, 10**400, MAX_GRACE_S + 1])
def test_a_grace_period_without_end_is_cut(grace: float) -> None:
    request = parse(line(op="stop", **{**VALID["stop"], "grace_s": grace}))

    assert isinstance(request, Stop)
    assert request.request.grace_s == MAX_GRACE_S


def test_long_texts_are_cut() -> None:
    request = parse(line(op="stop", **{**VALID["stop"], "by": "b" * 5000, "why": "\ud800" + "w" * 5000}))

    assert isinstance(request, Stop)
    assert request.request.by == "b" * MAX_BY
    assert request.request.why == "?" + "w" * (MAX_WHY - 1)


def test_requests_become_what_they_say() -> None:
    assert parse(line(op="watch", size=MAX_SIZE - 1, leader_exited=True)) == Watch(MAX_SIZE - 1, leader_exited=True)
    assert parse(line(op="signal", number=2)) == Signal(2)
    assert parse(line(op="input", data=base64.b64encode(b"\0\xff").decode(), eof=True)) == Input(b"\0\xff", eof=True)
    assert parse(line(op="usage")) == Usage(pss=False)
    assert parse(line(op="usage", pss=True)) == Usage(pss=True)
    assert parse(line(op="port", port=65535)) == Port(65535)
    assert parse(line(op="port", port=1, address="::ffff:127.0.0.1")) == Port(1, "::ffff:127.0.0.1")
    assert parse(line(op="news", more=[1])) == Unknown("news")
    stop = parse(line(op="stop", **vars(StopRequest(at=1.0, by="me", why="so", signal="SIGINT", grace_s=0.5))))
    assert isinstance(stop, Stop)
    assert (stop.request.by, stop.request.why, stop.request.signal, stop.request.grace_s) == ("me", "so", "SIGINT", 0.5)


@pytest.mark.parametrize("number", [1, 9, 15, signal.SIGRTMIN, signal.SIGRTMAX])
def test_every_signal_can_be_sent(number: int) -> None:
    assert parse(line(op="signal", number=int(number))) == Signal(number)
