"""What a wait is for, and what ends it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.waiting import MAX_WAIT_S, Facts, Kind, Until, Why, parse_until, why_over
from mcp_background_job.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("text", "until"),
    [
        (None, Until(Kind.EXIT)),
        ("exit", Until(Kind.EXIT)),
        ("port:1", Until(Kind.PORT, port=1)),
        ("port:8188", Until(Kind.PORT, port=8188)),
        ("port: 8188 ", Until(Kind.PORT, port=8188)),
        ("port:65535", Until(Kind.PORT, port=65535)),
        ("idle:10", Until(Kind.IDLE, idle_s=10.0)),
        ("idle:0.5", Until(Kind.IDLE, idle_s=0.5)),
        (f"idle:{MAX_WAIT_S:g}", Until(Kind.IDLE, idle_s=MAX_WAIT_S)),
        ("ready on port 80", Until(Kind.REGEX, pattern="ready on port 80")),
        ("port", Until(Kind.REGEX, pattern="port")),
        ("port[:]http", Until(Kind.REGEX, pattern="port[:]http")),
        ("http://localhost:8080/health?a=b", Until(Kind.HTTP, url="http://localhost:8080/health?a=b")),
        (" https://[::1]:8443", Until(Kind.HTTP, url="https://[::1]:8443")),
        ("HTTPS://Host.Example/Path", Until(Kind.HTTP, url="https://Host.Example/Path")),
        ("Https: HTTP://127.0.0.5/a", Until(Kind.HTTP, url="http://127.0.0.5/a")),
        ("\tPort : 5173\n", Until(Kind.PORT, port=5173)),
        ("PORT:5173", Until(Kind.PORT, port=5173)),
        (" Idle: 2", Until(Kind.IDLE, idle_s=2.0)),
        (" Exit\n", Until(Kind.EXIT)),
        (" Ready in 3 ms", Until(Kind.REGEX, pattern=" Ready in 3 ms")),
        ("[P]ort: 80", Until(Kind.REGEX, pattern="[P]ort: 80")),
        ("https://[::1]:8443 ", Until(Kind.HTTP, url="https://[::1]:8443")),
        ("http:https://127.0.0.5", Until(Kind.HTTP, url="https://127.0.0.5")),
        ("https?://localhost", Until(Kind.REGEX, pattern="https?://localhost")),
        ("http", Until(Kind.REGEX, pattern="http")),
        ("error: .*", Until(Kind.REGEX, pattern="error: .*")),
        ("exit code", Until(Kind.REGEX, pattern="exit code")),
        (" ", Until(Kind.REGEX, pattern=" ")),
    ],
)
def test_until_is_read_as(text: str | None, until: Until) -> None:
    assert parse_until(text) == until


@pytest.mark.parametrize(
    "text",
    [
        "",
        "port:0",
        "port:65536",
        "port:99999999999999999999",
        "port:" + "9" * 5000,
        "port:",
        "port:http",
        "port:-1",
        "port:80 82",
        r"port: \d+",
        "PORT:any",
        " Http:/x",
        "HTTPS://:443",
        "http:",
        "http:/",
        "http://",
        "http://:80",
        "http://localhost:http",
        "http://localhost:0",
        "http://localhost:99999",
        "http://local host",
        "http://[::1",
        "https://a\nb",
        "idle",
        "idle:",
        "idle:soon",
        "idle:0",
        "idle:-1",
        "idle:nan",
        "idle:inf",
        "idle:51",
    ],
)
def test_until_that_cannot_be_used_is_refused_with_what_was_given(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_until(text)

    assert "until" in str(refusal.value)
    assert " ".join(text.split())[:20] in str(refusal.value)


@pytest.mark.parametrize("text", ["Port: any", " HTTP:/x", "idle", "IDLE:soon"])
def test_a_refusal_says_how_to_look_for_the_same_in_the_output(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_until(text)

    meant = str(refusal.value).rpartition("write it as ")[2].strip('"')
    assert parse_until(meant) == Until(Kind.REGEX, pattern=meant)
    assert re.fullmatch(meant, text.strip())


@given(text=st.one_of(st.text(), st.from_regex(r"(port|https?|idle|exit):?(//)?.{0,8}", fullmatch=True)))
def test_any_text_is_either_understood_or_refused(text: str) -> None:
    try:
        until = parse_until(text)
    except InvalidRequestError:
        return
    assert until.kind in Kind
    assert until.kind is not Kind.REGEX or until.pattern == text
    assert until.kind is not Kind.PORT or 0 < until.port < 65536
    assert until.kind is not Kind.HTTP or until.url.startswith(("http://", "https://"))
    assert until.kind is not Kind.IDLE or 0 < until.idle_s <= MAX_WAIT_S


#: What outranks what; a wait that several things end is told the first.
PRIORITY = [
    (Why.FAILED_MATCH, "failed_match"),
    (Why.MATCHED, "matched"),
    (Why.EXIT, "exited"),
    (Why.PORT, "port_open"),
    (Why.HTTP, "answered"),
    (Why.LEFT_RUNNING, "left_running"),
]


@pytest.mark.parametrize("present", list(itertools.product((False, True), repeat=len(PRIORITY))))
@pytest.mark.parametrize("waited", [0.0, 10.0])
@pytest.mark.parametrize("idle_for", [0.0, 3.0])
@pytest.mark.parametrize("until", [Until(Kind.EXIT), Until(Kind.IDLE, idle_s=3.0)])
def test_of_several_reasons_the_first_of_the_table_is_told(
    until: Until, idle_for: float, waited: float, present: tuple[bool, ...]
) -> None:
    flags = {name: there for (_, name), there in zip(PRIORITY, present, strict=True)}
    why = why_over(until, Facts(**flags, command_failed=True, idle_for=idle_for, waited=waited), wait_s=10.0)

    expected = next((why for (why, _), there in zip(PRIORITY, present, strict=True) if there), None)
    if expected is None and until.kind is Kind.IDLE and idle_for >= 3.0:
        expected = Why.IDLE
    if expected is None and waited >= 10.0:
        expected = Why.TIMEOUT
    assert why is expected


def test_silence_ends_only_a_wait_for_silence() -> None:
    silent = Facts(idle_for=1000.0)

    assert why_over(Until(Kind.REGEX, pattern="x"), silent, wait_s=10.0) is None
    assert why_over(Until(Kind.IDLE, idle_s=999.0), silent, wait_s=10.0) is Why.IDLE


def test_output_ends_only_a_wait_for_output() -> None:
    longer = Facts(grew=True)

    assert why_over(Until(Kind.EXIT), longer, wait_s=10.0) is None
    assert why_over(Until(Kind.OUTPUT), Facts(), wait_s=10.0) is None
    assert why_over(Until(Kind.OUTPUT), longer, wait_s=10.0) is Why.OUTPUT


def test_a_wait_of_no_time_is_over_at_once() -> None:
    assert why_over(Until(Kind.EXIT), Facts(), wait_s=0.0) is Why.TIMEOUT


def test_every_reason_can_be_told() -> None:
    assert {why for why, _ in PRIORITY} | {Why.OUTPUT, Why.IDLE, Why.TIMEOUT} == set(Why)


@pytest.mark.parametrize(
    ("until", "goes_on"),
    [("exit", False), ("port:80", True), ("http://localhost", True), ("ready", True), ("idle:3", True)],
)
def test_a_command_that_left_something_running_has_not_answered_for_it(until: str, *, goes_on: bool) -> None:
    left = Facts(left_running=True)
    assert why_over(parse_until(until), left, 1.0) is (None if goes_on else Why.LEFT_RUNNING)
    assert why_over(parse_until(until), replace(left, command_failed=True), 1.0) is Why.LEFT_RUNNING
