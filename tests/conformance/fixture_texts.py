"""The resources and the prompts of the conformance suite."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP
from fastmcp.prompts import Message

from tests.conformance.fixture_tools import PICTURE, embedded, picture


async def _text() -> str:
    return "Text."


async def _binary() -> bytes:
    return PICTURE


async def _of(id: str) -> str:  # noqa: A002  the suite's template has it
    return f"What is at {id}."


async def _simple() -> str:
    return "Say something."


async def _with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


async def _with_resource(resourceUri: str) -> list[Message]:  # noqa: N803  the suite's prompt has it
    return [Message(embedded(resourceUri)), Message("Consider that.")]


async def _with_picture() -> list[Message]:
    return [Message(picture()), Message("Consider that.")]


def add_texts(server: FastMCP[Any]) -> None:
    """Add them to those of a server."""
    for uri, mime_type, read in (
        ("test://static-text", "text/plain", _text),
        ("test://watched-resource", "text/plain", _text),
        ("test://static-binary", "image/png", _binary),
        ("test://template/{id}/data", "text/plain", _of),
    ):
        server.resource(uri, name=uri, mime_type=mime_type)(read)
    for name, prompt in {
        "test_simple_prompt": _simple,
        "test_prompt_with_arguments": _with_arguments,
        "test_prompt_with_embedded_resource": _with_resource,
        "test_prompt_with_image": _with_picture,
    }.items():
        server.prompt(prompt, name=name, description="Of the conformance suite.")
