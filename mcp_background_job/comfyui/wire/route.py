"""How a server is reached: over TLS or not, through a proxy or not, with a login or not; as httpx2 does it."""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from mcp_background_job.comfyui.wire.client import CONNECT_S
from mcp_background_job.comfyui.wire.endpoint import Endpoint

_HTTP = 80


@dataclass(frozen=True)
class Route:
    """A connection that is not open yet, and what requests on it begin with and carry."""

    connection: http.client.HTTPConnection
    base: str
    headers: Mapping[str, str]


def route_to(endpoint: Endpoint) -> Route:
    """Return how to reach a server."""
    server = urlsplit(endpoint.url)
    proxy = _proxy_of(endpoint)
    login = _login("Authorization", server)
    if proxy is None:
        return Route(_connection(endpoint, endpoint.host, endpoint.port), server.path, login)
    connection = _connection(endpoint, proxy.hostname or "", proxy.port or _HTTP)
    proxy_login = _login("Proxy-Authorization", proxy)
    if endpoint.is_encrypted:
        connection.set_tunnel(endpoint.host, endpoint.port, proxy_login)
        return Route(connection, server.path, login)
    place = server.netloc.rpartition("@")[2]
    return Route(connection, f"http://{place}{server.path}", {**login, **proxy_login})


def _connection(endpoint: Endpoint, host: str, port: int) -> http.client.HTTPConnection:
    if endpoint.is_encrypted:
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=CONNECT_S)


def _proxy_of(endpoint: Endpoint) -> SplitResult | None:
    # What is on this machine is not reached through a proxy.
    if endpoint.is_local or urllib.request.proxy_bypass(endpoint.host):
        return None
    proxies = urllib.request.getproxies()
    url = proxies.get("https" if endpoint.is_encrypted else "http") or proxies.get("all")
    return urlsplit(url if "://" in url else f"http://{url}") if url else None


def _login(header: str, place: SplitResult) -> dict[str, str]:
    if place.username is None:
        return {}
    pair = f"{unquote(place.username)}:{unquote(place.password or '')}"
    return {header: f"Basic {b64encode(pair.encode()).decode()}"}
