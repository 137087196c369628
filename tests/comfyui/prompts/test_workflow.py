"""What can be given as a workflow, and what is said of everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.prompts.graphs.workflow import Drawn, Workflow
from mcp_background_job.comfyui.wire.endpoint import endpoint_of, endpoint_of_job
from mcp_background_job.errors import ConfigError, WorkflowError
from tests.comfyui.workflows import made_files
from tests.comfyui_simulator.nodes import graphs

GRAPH = graphs.with_output(graphs.stepped())


def _file(directory: Path, content: bytes) -> str:
    path = directory / "workflow.json"
    path.write_bytes(content)
    return str(path)


def _loaded(path: str, working_dir: str = ".") -> Workflow:
    read = workflow.load(path, working_dir)
    assert isinstance(read, Workflow)
    return read


def test_a_file_is_read(tmp_path: Path) -> None:
    assert _loaded(_file(tmp_path, json.dumps(GRAPH).encode())).graph == GRAPH


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert _loaded(_file(tmp_path, b"\xef\xbb\xbf" + json.dumps(GRAPH).encode())).graph == GRAPH


def test_a_relative_path_begins_in_the_working_directory(tmp_path: Path) -> None:
    _file(tmp_path, json.dumps(GRAPH).encode())
    assert _loaded("workflow.json", str(tmp_path)).graph == GRAPH


def test_the_body_of_a_request_is_unwrapped_with_what_goes_with_it(tmp_path: Path) -> None:
    body = {"prompt": GRAPH, "client_id": "x", "extra_data": {"extra_pnginfo": {"workflow": {"id": "w"}}}}
    read = _loaded(_file(tmp_path, json.dumps(body).encode()))
    assert (read.graph, read.extra_data) == (GRAPH, body["extra_data"])


def test_a_node_that_is_called_prompt_is_a_node() -> None:
    graph = {"prompt": graphs.node("SimSleep", seconds=1)}
    assert workflow.check(graph) == Workflow(graph)


def test_what_the_editor_saves_is_read_to_be_converted(tmp_path: Path) -> None:
    saved = {"nodes": [{"id": 1, "type": "KSampler"}], "links": []}
    path = _file(tmp_path, json.dumps(saved).encode())
    assert workflow.load(path) == Drawn(saved, path, "workflow")


def test_of_an_image_the_prompt_is_taken_rather_than_the_workflow_it_is_from(tmp_path: Path) -> None:
    image = made_files.png({"workflow": json.dumps({"nodes": []}), "prompt": json.dumps(GRAPH)})
    assert _loaded(_file(tmp_path, image)).graph == GRAPH


def test_an_image_larger_than_any_workflow_is_read(tmp_path: Path) -> None:
    image = made_files.png({"prompt": json.dumps(GRAPH)})
    path = Path(_file(tmp_path, image))
    with path.open("r+b") as file:
        file.truncate(60 * 1024**2)
    assert _loaded(str(path)).graph == GRAPH


FILES = {
    "not JSON": (b"{'a': 1}", "is not JSON"),
    "empty": (b"", "is not JSON"),
    "binary": (b"\x89XYZ\xff\0\0", "binary"),
    "an image of another program": (b"\x89PNG\r\n\x1a\n\0\0", "no prompt and no workflow in it"),
    "too deep": (b"[" * 100_000, "is not JSON"),
    "a list": (b"[]", "is not a JSON object"),
    "a word": (b'"flux"', "is not a JSON object"),
    "no nodes": (b"{}", "no nodes"),
    "an empty body": (b'{"prompt": {}}', "no nodes"),
    "an old node without a class": (b'{"1": {"inputs": {}}}', "class_type"),
    "a number for a class": (b'{"1": {"class_type": 5}}', "class_type"),
    "a number for a node": (b'{"1": 5}', "class_type"),
    "a number that is none": (b'{"1": {"class_type": "A", "inputs": {"x": NaN}}}', "NaN|JSON compliant|cannot be sent"),
    "half a character": (b'{"1": {"class_type": "A", "inputs": {"x": "\\ud800"}}}', "cannot be sent"),
    "a number that is none, beside it": (
        b'{"prompt": {"1": {"class_type": "A"}}, "extra_data": {"x": NaN}}',
        "cannot be sent",
    ),
    "half a character, beside it": (
        b'{"prompt": {"1": {"class_type": "A"}}, "extra_data": {"x": "\\ud800"}}',
        "cannot be sent",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_workflow_is_refused_with_its_file_and_why(name: str, tmp_path: Path) -> None:
    content, why = FILES[name]
    path = _file(tmp_path, content)
    with pytest.raises(WorkflowError, match=why) as refusal:
        workflow.load(path)
    assert path in str(refusal.value)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("name", ["missing.json", "", "two\0parts", "n" * 300])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="cannot be read"):
        workflow.load(name, str(tmp_path))


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"self/mem|cannot be read"):
        workflow.load("/proc/self/mem", str(tmp_path))


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/full"])
def test_a_file_without_an_end_is_not_read(name: str) -> None:
    with pytest.raises(WorkflowError, match=name):
        workflow.load(name)


def test_a_file_of_fifty_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    with path.open("wb") as file:
        file.truncate(50 * 1024**2)
    with pytest.raises(WorkflowError, match="52,428,800 bytes"):
        workflow.load(str(path))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["prompt", "nodes", "class_type", "extra_data", "1"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_json)
def test_any_object_is_a_workflow_that_can_be_sent_or_is_refused(content: Any) -> None:
    try:
        read = workflow.check(content)
    except WorkflowError:
        return
    sent = [read.content] if isinstance(read, Drawn) else [read.graph, read.extra_data]
    json.dumps(sent, ensure_ascii=False, allow_nan=False).encode()


# The endpoint ----------------------------------------------------------------------------------------------------

ENDPOINTS = {
    "http://127.0.0.1:8188": ("http://127.0.0.1:8188", "127.0.0.1", 8188, True),
    "http://127.0.0.1:8188/": ("http://127.0.0.1:8188", "127.0.0.1", 8188, True),
    "localhost:8188": ("http://127.0.0.1:8188", "localhost", 8188, True),
    "comfy.localhost": ("http://comfy.localhost", "comfy.localhost", 80, True),
    "http://0.0.0.0:8188": ("http://127.0.0.1:8188", "0.0.0.0", 8188, True),  # noqa: S104  connected to
    "http://[::1]:8188": ("http://[::1]:8188", "::1", 8188, True),
    "http://192.168.0.5:8188": ("http://192.168.0.5:8188", "192.168.0.5", 8188, False),
    "https://comfy.example": ("https://comfy.example", "comfy.example", 443, False),
    "https://comfy.example/gpu0/": ("https://comfy.example/gpu0", "comfy.example", 443, False),
    " gpu-box:9000 ": ("http://gpu-box:9000", "gpu-box", 9000, False),
}


@pytest.mark.parametrize("url", ENDPOINTS)
def test_a_url_is_read_as_people_write_it(url: str) -> None:
    found = endpoint_of(url, "unused", 1)
    assert (found.url, found.host, found.port, found.is_local) == ENDPOINTS[url]
    assert found.websocket_url == f"ws{found.address.removeprefix('http')}/ws"
    assert found.is_encrypted == url.startswith("https")


def test_without_a_url_host_and_port_are_used() -> None:
    assert endpoint_of(None, "127.0.0.1", 8188).url == "http://127.0.0.1:8188"


def test_files_about_two_servers_on_one_port_have_two_names() -> None:
    urls = ("http://127.0.0.1:8188", "http://a.example:8188", "http://b.example:8188", "http://a.example:8189")
    keys = [endpoint_of(url, "unused", 1).file_key for url in urls]
    assert keys[0] == "8188"
    assert len({*keys, endpoint_of_job("j8188", 8188).file_key}) == len(urls) + 1
    assert endpoint_of("", "::1", 8188).url == "http://[::1]:8188"


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "http://x:99999", "http://x:y", "http://[::1", "http://[x]:1", "file:///etc", "://"]
)
def test_what_is_no_url_of_a_server_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigError, match="COMFYUI_URL"):
        endpoint_of(url, "127.0.0.1", 8188)


@given(st.text(alphabet=st.sampled_from("http:/s[]@?#%. \t\nx1:8é\0"), max_size=20))
def test_any_url_is_read_or_refused_by_name(url: str) -> None:
    try:
        endpoint_of(url, "127.0.0.1", 8188)
    except ConfigError as error:
        assert "COMFYUI_URL" in str(error)  # noqa: PT017  either is right
