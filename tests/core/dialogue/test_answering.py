"""When a program that was sent input has answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcp_background_job.core.dialogue.answering import Since, has_answered, is_echo

ECHO = Since(
    sent="sleep 1; echo R\n",
    output="sleep 1; echo R\r\n",
    last_line="",
    how="no",
    mode="line",
    slept_anew=False,
    is_steady=True,
    unread=0,
    quiet_for=0.5,
)
ANSWERED = replace(ECHO, output="sleep 1; echo R\r\nR\r\n$ ", last_line="$ ")

ANSWERS = [
    (replace(ANSWERED, how="read", slept_anew=True), True),
    (replace(ECHO, how="read", slept_anew=True), True),  # it had nothing to say
    (replace(ECHO, output="", how="read", slept_anew=True), True),
    (replace(ECHO, output="", how="read", slept_anew=True, quiet_for=0.1), False),
    (replace(ANSWERED, how="read", slept_anew=False), False),  # it has not read the input yet
    (replace(ANSWERED, how="read", slept_anew=True, is_steady=False), False),
    (replace(ANSWERED, how="read", slept_anew=True, unread=4), False),
    (replace(ANSWERED, how="poll"), True),
    (replace(ANSWERED, how="unknown"), True),
    (replace(ANSWERED, how="poll", quiet_for=0.1), False),
    (replace(ANSWERED, how="poll", last_line=""), False),
    (replace(ANSWERED, how="poll", last_line="", quiet_for=1.0), True),
    (replace(ANSWERED, how="poll", last_line="", quiet_for=1.0, asked=True), False),
    (replace(ANSWERED, how="poll", last_line="", quiet_for=5.0, asked=True), True),
    (replace(ANSWERED, how="poll", asked=True), True),
    (replace(ANSWERED, how="poll", unread=1), False),
    (replace(ANSWERED, how="poll", mode="raw", last_line="  2) deploy", asked=True), False),
    (replace(ANSWERED, how="poll", mode="raw", last_line="  2) deploy", asked=True, quiet_for=1.0), True),
    (replace(ANSWERED, how="poll", mode="raw", last_line="-- Press space --", asked=True), True),
    (replace(ANSWERED, how="no", mode="raw", last_line="  2) deploy", quiet_for=1.0), False),
    (replace(ANSWERED, how="no"), False),
    (replace(ANSWERED, how="no", quiet_for=5.0), True),
    (replace(ECHO, how="poll", quiet_for=60.0), False),
    (replace(ECHO, sent="\x1b[B", output="\x1b[5;1H", how="poll", mode="raw", quiet_for=1.0, asked=True), True),
    (replace(ECHO, sent="\x1b[B", output="\x1b[5;1H", how="poll", mode="raw", quiet_for=0.5), False),
    (replace(ECHO, sent="\x1b[B", output="", how="poll", mode="raw", quiet_for=60.0), False),
    (replace(ECHO, sent="\x1b[B", output="\x1b[5;1H", how="poll", mode="line", quiet_for=60.0), False),
    (replace(ECHO, sent="\r", output="\r\n", how="poll", mode="raw", quiet_for=60.0), False),
    (replace(ECHO, how="unknown", quiet_for=60.0), False),
    (replace(ECHO, how="no", quiet_for=60.0), False),
]


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_an_answer_is_complete_when_input_is_waited_for_again_or_nothing_follows(number: int) -> None:
    since, complete = ANSWERS[number]
    assert has_answered(since) is complete


@pytest.mark.parametrize(
    ("output", "sent", "echo"),
    [
        ("", "anything", True),
        ("1+", "1+1\n", True),
        ("\x1b[?2004l\r1+1\r\n", "1+1\n", True),
        ("\x1b]0;title\x07l\x1b[Ks\r\n", "ls\n", True),
        ("\r\n", "secret\n", True),
        ("1+1\r\n2", "1+1\n", False),
        ("2", "1+1\n", False),
        ("^C", "", False),
    ],
)
def test_an_echo_is_a_beginning_of_the_input(output: str, sent: str, *, echo: bool) -> None:
    assert is_echo(output, sent) is echo
