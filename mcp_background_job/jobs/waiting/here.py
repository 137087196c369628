"""Which addresses of this machine a host has."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

#: A connection over UDP sends nothing: of the port nothing depends but that there is one.
_ANY_PORT = 9

_VERSION_6 = 6


#: A name for it that need not be known to whoever is asked for names.
_LOCAL = "localhost"


def addresses_here(host: str) -> frozenset[str]:
    """Return the addresses of a host that are of this machine. Asks for names, which may take seconds."""
    name = host.rstrip(".").casefold()
    is_local = name == _LOCAL or name.endswith(f".{_LOCAL}")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):  # nobody knows it here; a proxy may
        found = []
    own = frozenset(normal(str(address[0])) for family, _, _, _, address in found if _is_own(family, address))
    return own or (frozenset({"127.0.0.1", "::1"}) if is_local else frozenset())


def normal(address: str) -> str:
    """Return an address as the one at which a connection to it arrives, whichever way it was written."""
    meant = _unmapped(ipaddress.ip_address(address))
    if meant.is_unspecified:
        return "::1" if meant.version == _VERSION_6 else "127.0.0.1"
    return str(meant).partition("%")[0]


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
