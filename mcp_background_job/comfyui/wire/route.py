"""The way to a server: with or without TLS, proxy and login; the same as httpx2 would take."""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from mcp_background_job.comfyui.wire.client import CONNECT_S
from mcp_background_job.comfyui.wire.endpoint import Endpoint, basic_login

_HTTP = 80


@dataclass(frozen=True)
class Route:
    """An unopened connection, and the base path and headers of requests on it."""

    connection: http.client.HTTPConnection
    base: str
    headers: Mapping[str, str]


def route_to(endpoint: Endpoint) -> Route:
    """Return how to reach a server."""
    server = urlsplit(endpoint.address)
    proxy = _proxy_of(endpoint)
    if proxy is None:
        return Route(_connection(endpoint, endpoint.host, endpoint.port), server.path, endpoint.headers)
    connection = _connection(endpoint, proxy.hostname or "", proxy.port or _HTTP)
    proxy_login = basic_login("Proxy-Authorization", proxy)
    if endpoint.is_encrypted:
        connection.set_tunnel(endpoint.host, endpoint.port, proxy_login)
        return Route(connection, server.path, endpoint.headers)
    return Route(connection, endpoint.address, {**endpoint.headers, **proxy_login})


def _connection(endpoint: Endpoint, host: str, port: int) -> http.client.HTTPConnection:
    if endpoint.is_encrypted:
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=CONNECT_S)


def _proxy_of(endpoint: Endpoint) -> SplitResult | None:
    # A server on this machine is not reached through a proxy.
    if endpoint.is_near or urllib.request.proxy_bypass(endpoint.host):
        return None
    proxies = urllib.request.getproxies()
    url = proxies.get("https" if endpoint.is_encrypted else "http") or proxies.get("all")
    return urlsplit(url if "://" in url else f"http://{url}") if url else None
