"""Where a ComfyUI server is."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from mcp_background_job.errors import ConfigError


@dataclass(frozen=True)
class Endpoint:
    """The address of a server.

    Attributes:
        url: its base URL, without a slash at its end.
        host: name or address.
        port: TCP port.
        is_local: it is on this machine, where its process can be found.
    """

    url: str
    host: str
    port: int
    is_local: bool

    @property
    def websocket_url(self) -> str:
        """The URL of its websocket, without the client's id."""
        return f"ws{self.url.removeprefix('http')}/ws"

    @property
    def is_encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.url.startswith("https:")


def endpoint_of(url: str | None, host: str, port: int) -> Endpoint:
    """Return the endpoint of a URL, or of host and port where none is given.

    Raises:
        ConfigError: it is not the URL of an HTTP server.
    """
    text = (url or f"http://{_bracketed(host)}:{port}").strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        given_port = parts.port
    except ValueError as error:
        raise ConfigError(f"COMFYUI_URL={url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"COMFYUI_URL={url!r}: give it as http://127.0.0.1:8188")
    default = 443 if parts.scheme == "https" else 80
    return Endpoint(text.rstrip("/"), parts.hostname, given_port or default, is_local=_is_local(parts.hostname))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
