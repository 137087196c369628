"""Who listens on a port, asked of the kernel."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Generator

import pytest

from mcp_background_job.processes import listeners
from mcp_background_job.processes.listeners import Listener, listener_on
from tests.conftest import Liveness
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

_NOBODY = 65534


@contextlib.contextmanager
def _listening(address: str, port: int = 0) -> Generator[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_listener_is_found_with_its_address(address: str) -> None:
    with _listening(address) as port:
        assert listener_on(port) == Listener(os.getpid(), frozenset({address}))
    assert listener_on(port) is None


def test_all_addresses_of_the_listener_are_named() -> None:
    with _listening("127.0.0.1") as port, _listening("::1", port):
        assert listener_on(port) == Listener(os.getpid(), frozenset({"127.0.0.1", "::1"}))


def test_a_connection_is_no_listener() -> None:
    with _listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        assert listener_on(client.getsockname()[1]) is None


def test_of_those_who_share_a_socket_the_one_that_made_it_is_named(liveness: Liveness) -> None:
    body = (
        "sock = socket.socket()\nsock.bind(('127.0.0.1', 0))\nsock.listen()\n"
        "fork_into(lambda: connect('heir'))\n"
        "connect('maker').sendall(b'%d\\n' % sock.getsockname()[1])\nhang()\n"
    )
    maker = subprocess.Popen(liveness.script("maker", body).split())
    try:
        liveness.expect("maker", "heir")
        liveness.wait_received("maker", b"\n")
        assert listener_on(int(liveness.received("maker"))) == Listener(maker.pid, frozenset({"127.0.0.1"}))
    finally:
        liveness.end_all()
        maker.wait(PATIENCE_S)


def test_who_answers_on_the_loopback_is_meant_where_two_listen(liveness: Liveness) -> None:
    with _listening("127.0.0.1") as port:
        body = f"sock = socket.socket()\nsock.bind(('127.0.0.2', {port}))\nsock.listen()\nconnect('other')\nhang()\n"
        other = subprocess.Popen(liveness.script("other", body).split())
        try:
            liveness.expect("other")
            assert listener_on(port) == Listener(os.getpid(), frozenset({"127.0.0.1"}))
        finally:
            liveness.end_all()
            other.wait(PATIENCE_S)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_users_listener_has_no_pid() -> None:
    with _listening("127.0.0.1") as port:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.closerange(3, writer)  # the socket was inherited
                os.closerange(writer + 1, 256)
                os.setresuid(_NOBODY, _NOBODY, _NOBODY)
                os.write(writer, repr(listener_on(port)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader) as answer:
            assert answer.read() == repr(Listener(None, frozenset({"127.0.0.1"})))
        os.waitpid(child, 0)


def test_where_there_is_no_proc_psutil_tells() -> None:
    with _listening("127.0.0.1") as port:
        assert listeners._listener_by_psutil(port) == Listener(os.getpid(), frozenset({"127.0.0.1"}))
    assert listeners._listener_by_psutil(port) is None


@pytest.mark.skipif(sys.byteorder != "little", reason="the examples are of a little-endian machine")
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),  # noqa: S104  nobody binds to it
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("B80D01200000000000000000010000FE", "2001:db8::fe00:1"),
    ],
)
def test_addresses_are_decoded(text: str, address: str) -> None:
    assert listeners._address(text) == address
