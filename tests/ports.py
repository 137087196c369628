"""Free ports of loopback."""

from __future__ import annotations

import contextlib
import random
import socket

#: Ports that the kernel gives to no outgoing connection (Linux gives those from 32768 on).
_GIVEN_TO_NOBODY = range(20_000, 32_000)


def lasting_ports(count: int) -> list[int]:
    """Return ports that are free on all addresses, and stay free, also after use, until a server binds them."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.sample(_GIVEN_TO_NOBODY, len(_GIVEN_TO_NOBODY)):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("too few ports are free")
