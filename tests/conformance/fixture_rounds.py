"""What the conformance suite calls again and again, each time with more answers to what was asked."""

from __future__ import annotations

from typing import Any

from fastmcp import Context, FastMCP
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

from tests.conformance.forms import form

_STATE = "asked once"


def _form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    shown = form(required=[field], **{field: {"type": kind}})
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=shown))


def _sample(text: str) -> CreateMessageRequest:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[asked], max_tokens=50))


_NAME = _form("What is your name?", "name")
_OK = _form("Please confirm", "ok", "boolean")
_CAPITAL = _sample("What is the capital of France?")


def _said(ctx: Context, name: str, kind: type[Any]) -> Any:
    """Return what was answered to a question; ``None`` if nothing was, or something else than was asked for."""
    answer = (ctx.input_responses or {}).get(name)
    return answer if isinstance(answer, kind) else None


async def _elicitation(ctx: Context) -> str | InputRequiredResult:
    said = _said(ctx, "user_name", ElicitResult)
    if said is None:
        return InputRequiredResult(input_requests={"user_name": _NAME})
    return f"Hello, {said.content}!"


async def _sampling(ctx: Context) -> str | InputRequiredResult:
    said = _said(ctx, "capital_question", CreateMessageResult)
    if said is None:
        return InputRequiredResult(input_requests={"capital_question": _CAPITAL})
    return f"The model said: {said.content}"


async def _roots(ctx: Context) -> str | InputRequiredResult:
    said = (ctx.input_responses or {}).get("client_roots")
    if said is None:
        return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
    return f"The roots are: {said}"


async def _confirmed(ctx: Context) -> str | InputRequiredResult:
    if _said(ctx, "confirm", ElicitResult) is None or ctx.request_state != _STATE:
        return InputRequiredResult(input_requests={"confirm": _OK}, request_state=_STATE)
    return "state-ok"


async def _several(ctx: Context) -> str | InputRequiredResult:
    asked: dict[str, Any] = {
        "user_name": _NAME,
        "greeting": _sample("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    if asked.keys() - (ctx.input_responses or {}).keys():
        return InputRequiredResult(input_requests=asked, request_state=_STATE)
    return "All is said."


async def _rounds(ctx: Context) -> str | InputRequiredResult:
    if ctx.request_state == "2" and _said(ctx, "step2", ElicitResult):
        return "Both are said."
    if ctx.request_state == "1" and _said(ctx, "step1", ElicitResult):
        color = _form("Step 2: What is your favorite color?", "color")
        return InputRequiredResult(input_requests={"step2": color}, request_state="2")
    return InputRequiredResult(input_requests={"step1": _NAME}, request_state="1")


async def _as_declared(ctx: Context) -> str | InputRequiredResult:
    capabilities = ctx.session.client_capabilities
    asked: dict[str, Any] = {}
    if capabilities and capabilities.elicitation:
        asked["elicit"] = _NAME
    if capabilities and capabilities.sampling:
        asked["sample"] = _CAPITAL
    return InputRequiredResult(input_requests=asked) if asked else "Nobody can be asked."


async def _streaming(ctx: Context) -> str | InputRequiredResult:
    await ctx.report_progress(50, 100)
    return await _elicitation(ctx)


_TOOLS = {
    "elicitation": _elicitation,
    "sampling": _sampling,
    "list_roots": _roots,
    "request_state": _confirmed,
    "tampered_state": _confirmed,
    "multiple_inputs": _several,
    "multi_round": _rounds,
    "capabilities": _as_declared,
}


async def _prompt(ctx: Context) -> str | InputRequiredResult:
    said = _said(ctx, "user_context", ElicitResult)
    if said is None:
        asked = _form("What context should the prompt use?", "context")
        return InputRequiredResult(input_requests={"user_context": asked})
    return f"Consider {said.content}."


def add_rounds(server: FastMCP[Any]) -> None:
    """Add them to the tools and the prompts of a server."""
    tools = {f"test_input_required_result_{name}": tool for name, tool in _TOOLS.items()}
    for name, tool in {**tools, "test_streaming_elicitation": _streaming}.items():
        server.tool(tool, name=name, description="Of the conformance suite.", output_schema=None)
    server.prompt(_prompt, name="test_input_required_result_prompt", description="Of the conformance suite.")
