"""One server has one name, however its URL is written; and what is secret of it is shown nowhere."""

from __future__ import annotations

import logging

import pytest

from mcp_background_job.comfyui.batches.feeder_job import request_of
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint, endpoint_of
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.transfer import Transfer
from mcp_background_job.config import load_comfyui_settings
from mcp_background_job.core.comfyui.server_url import key_of
from mcp_background_job.errors import ConfigError, UnreachableError
from tests.comfyui_simulator.process import Simulator, free_port

SPELLINGS = {
    "http://127.0.0.1:8188": [
        "http://localhost:8188",
        "HTTP://LocalHost:8188/",
        "http://127.0.0.1:8188/",
        "http://0.0.0.0:8188",
        "http://me:p%40ss@localhost:8188",
    ],
    "http://gpu-box": ["http://gpu-box:80", "http://GPU-Box.", "http://u@gpu-box/", "http://u:a@b@gpu-box"],
    "https://comfy.example/gpu0": ["https://comfy.example:443/gpu0/", "https://key:@comfy.example/gpu0"],
    "http://[::1]:8188": ["http://[::1]:8188/"],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_server_has_one_name(name: str) -> None:
    assert key_of(name) == name
    for spelling in SPELLINGS[name]:
        assert endpoint_of(spelling, "", 0).url == name


def test_servers_that_may_be_others_keep_their_own_names() -> None:
    urls = ["http://127.0.0.1:8188", "http://[::1]:8188", "http://127.0.0.2:8188", "https://127.0.0.1:8188"]
    assert [key_of(url) for url in urls] == urls


@pytest.mark.parametrize("text", ["", "here", "http://", "http://x:y", "http://[x", "ftp://me:pw@x"])
def test_what_is_no_url_of_a_server_has_no_other_name(text: str) -> None:
    assert key_of(text) == text


def test_what_is_connected_to_is_what_was_written() -> None:
    found = endpoint_of("http://me:secret@localhost:8188/gpu/", "", 0)
    assert (found.address, found.websocket_url) == ("http://localhost:8188/gpu", "ws://localhost:8188/gpu/ws")


LOGINS: dict[str, tuple[str, str | None, dict[str, str], dict[str, str]]] = {
    "of the URL": ("http://me:p%40ss@x", None, {}, {"Authorization": "Basic bWU6cEBzcw=="}),
    "a token": ("http://x", "abc", {}, {"Authorization": "Bearer abc"}),
    "a token before the URL": ("http://me:pw@x", "abc", {}, {"Authorization": "Bearer abc"}),
    "a header before both": ("http://me:pw@x", "abc", {"authorization": "Custom"}, {"authorization": "Custom"}),
    "a header beside": ("http://x", "abc", {"X-Key": "1"}, {"Authorization": "Bearer abc", "X-Key": "1"}),
    "none": ("http://x", None, {}, {}),
}


@pytest.mark.parametrize("name", LOGINS)
def test_every_request_carries_the_login(name: str) -> None:
    url, token, headers, carried = LOGINS[name]
    assert endpoint_of(url, "", 0, token=token, headers=headers).headers == carried


@pytest.mark.parametrize("url", ["ftp://me:hush@x", "http://me:hush@x:nope", "me:hush@[", "http://me:hush@"])
def test_a_url_that_is_none_is_refused_without_its_login(url: str) -> None:
    with pytest.raises(ConfigError, match="COMFYUI_URL") as error:
        endpoint_of(url, "", 0)
    assert "hush" not in str(error.value)


def test_a_login_is_in_no_repr_and_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_URL", "http://me:hush@x")
    monkeypatch.setenv("COMFYUI_TOKEN", "hush")
    monkeypatch.setenv("COMFYUI_HEADERS", "X-Key: hush")
    settings = load_comfyui_settings()
    assert settings.headers == {"X-Key": "hush"}
    shown = endpoint_of(settings.url, "", 0, token=settings.token, headers=settings.headers)
    assert "hush" not in f"{settings!r} {shown!r}"


HEADERS = {
    '{"X-Key": "1", "CF-Access-Client-Id": "a: b"}': {"X-Key": "1", "CF-Access-Client-Id": "a: b"},
    "X-Key: 1\n\n Other:  a: b ": {"X-Key": "1", "Other": "a: b"},
    "": {},
}


@pytest.mark.parametrize("said", HEADERS)
def test_headers_are_an_object_or_lines(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_HEADERS", said)
    assert load_comfyui_settings().headers == HEADERS[said]


@pytest.mark.parametrize(
    "said", ["hush", ": hush", '{"X": hush}', '{"X": ["hush"]}', "a b: hush", '{"X": "hush\\r\\nY: 1"}', "X: hüsh"]
)
def test_what_is_no_header_is_refused_without_being_shown(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_HEADERS", said)
    with pytest.raises(ConfigError, match="COMFYUI_HEADERS") as error:
        load_comfyui_settings()
    assert "hush" not in str(error.value)
    assert "hüsh" not in str(error.value)


@pytest.mark.real_process
@pytest.mark.parametrize(
    ("required", "url", "token", "headers"),
    [
        ("Authorization: Basic bWU6cEBzcw==", "http://me:p%40ss@{}", None, {}),
        ("Authorization: Bearer abc", "http://{}", "abc", {}),
        ("X-Key: 1", "http://{}", None, {"X-Key": "1"}),
    ],
)
async def test_requests_events_and_files_all_carry_the_login(
    required: str, url: str, token: str | None, headers: dict[str, str]
) -> None:
    with Simulator.start("--startup-delay", "0", "--require-header", required) as simulator:
        place = url.format(f"localhost:{simulator.port}")
        endpoint = endpoint_of(place, "", 0, token=token, headers=headers)
        simulator.output_directory.mkdir(exist_ok=True)
        (simulator.output_directory / "a.png").write_bytes(b"picture")
        client, events = Client(endpoint), EventStream(endpoint)
        try:
            assert (await client.queue()).running == ()
            await events.client_id()
            assert events._reader
            chunks = Transfer(endpoint).chunks("/view?filename=a.png&type=output", lambda: memoryview(bytearray(64)))
            assert b"".join(map(bytes, chunks)) == b"picture"
        finally:
            await events.close()
            await client.close()
        with pytest.raises(UnreachableError, match="COMFYUI_TOKEN"):
            await _ask(endpoint_of(f"http://localhost:{simulator.port}", "", 0))


async def _ask(endpoint: Endpoint) -> None:
    client = Client(endpoint)
    try:
        await client.queue()
    finally:
        await client.close()


async def test_no_error_and_no_log_has_the_login(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = endpoint_of(f"http://me:hush@localhost:{free_port()}", "", 0)
    with pytest.raises(UnreachableError) as error:
        await _ask(endpoint)
    events = EventStream(endpoint)
    await events.client_id()
    await events.close()
    assert "no events from" in caplog.text
    assert "hush" not in caplog.text + str(error.value)
    assert "bWU6aHVzaA" not in caplog.text


def test_a_feeder_is_given_the_login_that_jobs_do_not_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    own = endpoint_of("http://me:hush@localhost:8188/", "", 0, headers={"X-Key": "1"})
    for name, value in request_of(own.url, own).env.items():
        monkeypatch.setenv(name, value)
    settings = load_comfyui_settings()
    assert endpoint_of(settings.url, "", 0, token=settings.token, headers=settings.headers) == own
    assert request_of("http://10.0.0.1:8188", own).env == {
        "COMFYUI_URL": "http://10.0.0.1:8188",
        "COMFYUI_URLS": "",  # of several it feeds this one
    }
