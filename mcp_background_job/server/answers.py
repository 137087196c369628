"""The answers of tools: reports of actions in the form of MCP."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, cast, get_args

from pydantic import BaseModel

from mcp_background_job.actions.action import Illustrated, Report, facts_of
from mcp_background_job.core.wire import plain, to_json, utf8
from mcp_background_job.server.fastmcp_names import ImageContent, TextContent, ToolResult

#: Under which an error's ``_meta`` holds its code, one of those in ``errors``.
ERROR_CODE = "mcp-background-job/code"

#: Characters of an error.
_MAX_ERROR = 2000

_JSON_TYPES = {
    "<class 'str'>": "string",
    "<class 'int'>": "integer",
    "<class 'float'>": "number",
    "<class 'bool'>": "boolean",
}


def as_tool_result(
    report: Report, endings: list[str], *, more: str | None = None, code: str | None = None
) -> ToolResult:
    """Return a report; what the client has not been told yet (more tools, endings) is put on top of it.

    Fields without a value are left out, since every field costs tokens. Clients, their hooks and tasks look at no
    more than whether it is an error: it is one, with a code, if the report is not what was asked for.
    """
    if isinstance(report, str):
        text = utf8("\n".join([*([more] if more else []), *endings, report]))
        return ToolResult(content=[TextContent(type="text", text=text)])
    pictures = report.pictures if isinstance(report, Illustrated) else []
    told: dict[str, Any] = {"tools": more} if more else {}
    told |= {"endings": endings} if endings else {}
    content = plain({**told, **facts_of(report)})
    images = [
        ImageContent(type="image", data=b64encode(picture.data).decode(), mime_type=picture.mime_type)
        for picture in pictures
    ]
    text = TextContent(type="text", text=to_json(content))
    meta = {ERROR_CODE: code} if code else None
    return ToolResult(content=[text, *images], structured_content=content, meta=meta, is_error=code is not None)


def as_tool_error(sentence: str, code: str) -> ToolResult:
    """Return an error: the sentence for the reader, and the code for a program.

    The code is beside the content: structured content is promised to be of the tool's schema, also by an error.
    """
    told = utf8(sentence)
    if len(told) > _MAX_ERROR:  # it quotes what it is about, however long that is, and ends with what to do
        told = f"{told[: _MAX_ERROR // 2]} … {told[-_MAX_ERROR // 2 :]}"
    return ToolResult(content=[TextContent(type="text", text=told)], meta={ERROR_CODE: code}, is_error=True)


def schema_of(form: type[BaseModel]) -> dict[str, Any]:
    """Return a short schema of a report: the fields that are always there, and those that need an explanation.

    Other fields explain themselves when they appear; in the list of tools, each one would cost tokens in every
    conversation.
    """
    properties: dict[str, Any] = {}
    for name, item in form.model_fields.items():
        if not item.is_required() and not item.description:
            continue
        types = [part for part in get_args(item.annotation) if part is not type(None)] or [item.annotation]
        properties[name] = {"type": _JSON_TYPES.get(str(types[0]), "array")}
        if item.description:
            properties[name]["description"] = item.description
    required = [name for name, item in form.model_fields.items() if item.is_required()]
    return {"type": "object", "properties": properties, "required": required}


def shortened(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles, and without ``null`` for fields that may be left out.

    An object keeps either its properties or what it says of those that it does not name: some vendors of models refuse
    an object of which a schema says neither, and both would only cost tokens.
    """
    short: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" or (key == "additionalProperties" and "properties" in schema):
            continue
        if key == "default" and value is None:
            continue
        if key == "properties":
            short[key] = {name: shortened(cast("dict[str, Any]", item)) for name, item in value.items()}
        elif key == "anyOf":
            short |= _without_null(cast("list[dict[str, Any]]", value))
        elif isinstance(value, dict):
            short[key] = shortened(cast("dict[str, Any]", value))
        else:
            short[key] = value
    return short


def _without_null(options: list[dict[str, Any]]) -> dict[str, Any]:
    rest = [shortened(option) for option in options if option.get("type") != "null"]
    return rest[0] if len(rest) == 1 else {"anyOf": rest}
