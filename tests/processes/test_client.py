from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mcp_background_job.processes.client import client_of, conversation_of, goes_on, own_conversation


def test_a_conversation_goes_on_as_long_as_its_process_lives() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as client:
        conversation = conversation_of(client.pid)
        assert goes_on(conversation)
        assert conversation_of(client.pid) == conversation
        assert conversation_of(os.getpid()) != conversation
    assert not goes_on(conversation)


def test_another_process_with_the_same_pid_is_another_conversation() -> None:
    pid, start, boot = conversation_of(os.getpid()).split("-")
    assert not goes_on(f"{pid}-{int(start) - 1}-{boot}")
    assert not goes_on(f"{pid}-{start}-00000000")


@pytest.mark.parametrize("conversation", ["", "x", "-1-2", "99999999-1-2", "1"])
def test_what_is_no_conversation_does_not_go_on(conversation: str) -> None:
    assert not goes_on(conversation)


def test_the_conversation_of_this_process_is_that_of_its_parent() -> None:
    assert own_conversation() == conversation_of(os.getppid())


def test_a_client_is_found_behind_what_has_started_a_server_for_it() -> None:
    wait = "echo begun; read line; exit"
    with subprocess.Popen(["/bin/sh", "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout
        assert shell.stdout.readline()  # its arguments are in place a moment after its exec
        assert client_of(conversation_of(shell.pid)) == conversation_of(os.getpid())
    assert client_of(conversation_of(os.getpid())) == conversation_of(os.getpid())


@pytest.mark.parametrize("conversation", ["", "x", "99999999-1-2"])
def test_what_is_no_conversation_has_no_client(conversation: str) -> None:
    assert client_of(conversation) == ""
