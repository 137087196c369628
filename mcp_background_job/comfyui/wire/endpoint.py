"""The address of a ComfyUI server, and the login that it demands."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from mcp_background_job.core.comfyui.server_url import bracketed, key_of, shown_url, without_login
from mcp_background_job.errors import ConfigError

_AUTHORIZATION = "Authorization"

#: The beginning of the names of servers that are jobs on other machines.
_JOB = "job:"

#: The variable of such a job that holds its port on that machine.
PORT_VARIABLE = "COMFYUI_PORT"


@dataclass(frozen=True)
class Endpoint:
    """The address of a server.

    Attributes:
        url: its name, here and in the journal: the same for every spelling of its URL, and without a login.
        address: the base URL for connections, as it was written, without a login and a slash at its end.
        host: name or address.
        port: TCP port.
        is_local: whether it is on this machine, where its process can be found.
        job_id: the job on another machine as which it runs; it is reached by a port of ours, and each life is one job.
        headers: the headers of every request. They are secrets.
    """

    url: str
    address: str
    host: str
    port: int
    is_local: bool
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    job_id: str = ""

    @property
    def is_near(self) -> bool:
        """Whether connections to it stay on this machine, and so never use a proxy."""
        return self.is_local or bool(self.job_id)

    @property
    def file_key(self) -> str:
        """Names files about this server: its port if it is on this machine, as in release 1.0.0."""
        return self.job_id or (str(self.port) if self.is_local else f"{self.host}-{self.port}")

    @property
    def websocket_url(self) -> str:
        """The URL of its websocket, without the client's id."""
        return f"ws{self.address.removeprefix('http')}/ws"

    @property
    def is_encrypted(self) -> bool:
        """Whether connections to it use TLS."""
        return self.address.startswith("https:")


def endpoint_of_job(job_id: str, port: int) -> Endpoint:
    """Return the endpoint of a job on another machine, to which a port of this machine leads."""
    return Endpoint(f"{_JOB}{job_id}", f"http://127.0.0.1:{port}", "127.0.0.1", port, is_local=False, job_id=job_id)


def job_named(server: str) -> str:
    """Return the job that a server's name means; empty if it means none."""
    return server.removeprefix(_JOB) if server.startswith(_JOB) else ""


def endpoint_of(
    url: str | None,
    host: str,
    port: int,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Endpoint:
    """Return the endpoint of a URL, or of host and port if no URL is given.

    If there are several logins, the header takes precedence over the token, and the token over that of the URL.

    Raises:
        ConfigError: it is not the URL of an HTTP server.
    """
    text = (url or f"http://{bracketed(host)}:{port}").strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        given_port = parts.port
    except ValueError as error:
        raise ConfigError(f"COMFYUI_URL={shown_url(text)!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"COMFYUI_URL={shown_url(text)!r}: give it as http://127.0.0.1:8188")
    return Endpoint(
        url=key_of(text),
        address=without_login(parts).rstrip("/"),
        host=parts.hostname,
        port=given_port or (443 if parts.scheme == "https" else 80),
        is_local=_is_local(parts.hostname),
        headers=_headers(parts, token, headers or {}),
    )


def basic_login(header: str, place: SplitResult) -> dict[str, str]:
    """Return the header with the login of a URL, if it has one."""
    if place.username is None:
        return {}
    pair = f"{unquote(place.username)}:{unquote(place.password or '')}"
    return {header: f"Basic {b64encode(pair.encode()).decode()}"}


def _headers(parts: SplitResult, token: str | None, given: Mapping[str, str]) -> dict[str, str]:
    login = {_AUTHORIZATION: f"Bearer {token}"} if token else basic_login(_AUTHORIZATION, parts)
    if any(name.lower() == _AUTHORIZATION.lower() for name in given):
        login = {}
    return {**login, **given}


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
