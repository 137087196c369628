"""Whether a host is this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

#: A connection over UDP sends nothing: of the port nothing depends but that there is one.
_ANY_PORT = 9


def is_here(host: str) -> bool:
    """Tell whether a name or an address is of this machine. Asks for names, which may take seconds."""
    name = host.rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):  # nobody knows it here; a proxy may
        return False
    return any(_is_own(family, address) for family, _, _, _, address in found)


def _is_own(family: int, address: tuple[str | int | bytes, ...]) -> bool:
    meant = _unmapped(ipaddress.ip_address(str(address[0])))
    if meant.is_loopback or meant.is_unspecified:
        return True
    # What is sent to an address of this machine comes from there; all else comes from another.
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:  # no way leads there
        probe.connect((address[0], _ANY_PORT, *address[2:]))
        return probe.getsockname()[0] == address[0]
    return False


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
