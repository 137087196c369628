"""Which of the sockets that listen on a port is given a connection."""

from __future__ import annotations

import socket

import pytest

from mcp_background_job.kernel import sockets
from mcp_background_job.kernel.sockets import Listener, asked_at, packed_address

#: The address of those that take connections to any of IPv4.
ANY = socket.inet_ntoa(bytes(4))


def at(*addresses: str) -> list[Listener]:
    return [Listener(number, 1, socket.inet_pton(family(address), address)) for number, address in enumerate(addresses)]


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.mark.parametrize(
    ("asked", "listeners", "given_to"),
    [
        ("127.0.0.1", ("::1",), []),
        ("127.0.0.1", ("127.0.0.1", "::1"), [0]),
        ("127.0.0.1", (ANY, "127.0.0.1"), [1]),
        ("127.0.0.1", ("::", ANY), [1]),
        ("127.0.0.9", ("::", "127.0.0.1"), [0]),
        ("127.0.0.9", ("127.0.0.9", "::ffff:127.0.0.9"), [0, 1]),
        ("::ffff:127.0.0.9", ("127.0.0.9", "::"), [0]),
        ("::1", ("::", ANY), [0]),
        ("::1", ("::1", "::"), [0]),
        ("::1", (ANY,), []),
    ],
)
def test_the_most_specific_listeners_are_given_a_connection(
    asked: str, listeners: tuple[str, ...], given_to: list[int]
) -> None:
    assert [one.inode for one in asked_at(asked, at(*listeners))] == given_to


@pytest.mark.parametrize("address", ["127.0.0.3", "::1"])
@pytest.mark.parametrize("over_netlink", [True, False])
def test_the_kernel_tells_addresses(address: str, *, over_netlink: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not over_netlink:
        monkeypatch.setattr(sockets, "_NETLINK_SOCK_DIAG", -1)
    with socket.socket(family(address)) as sock:
        sock.bind((address, 0))
        sock.listen()
        port = sock.getsockname()[1]
        found = [one.address for one in sockets.listening() if one.port == port]
    assert found == [packed_address(address)]
