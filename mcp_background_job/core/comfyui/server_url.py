"""One name for a ComfyUI server, however its URL is written. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

#: Hosts that mean this machine over IPv4. ``::1`` is apart: another server may listen there on the same port.
_THIS_MACHINE = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1"}  # noqa: S104  connected to

_DEFAULT_PORTS = {"http": 80, "https": 443}


def key_of(url: str) -> str:
    """Return the name of the server at a base URL, without login: the same name for each way to write the URL.

    A text that is not such a URL is returned unchanged.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return url
    name = parts.hostname.rstrip(".")
    shown_port = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{bracketed(_THIS_MACHINE.get(name, name))}{shown_port}{parts.path.rstrip('/')}"


def without_login(parts: SplitResult) -> str:
    """Return a URL as it was written, without user name and password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def shown_url(text: str) -> str:
    """Return a text, which may not be a URL, as it may be shown: everything before the last @ could be a login."""
    start, at, place = text.rpartition("@")
    return f"{start.partition('://')[0]}://***@{place}" if "://" in start else f"***@{place}" if at else text


def bracketed(host: str) -> str:
    """Return a host as a URL has it, an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
