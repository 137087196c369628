"""Reads ``backend_config`` and the session to resume, and refuses unusable values before anything is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mcp_background_job.agents.adapters.base import RunRequest
from mcp_background_job.core.nearest import nearest
from mcp_background_job.errors import InvalidRequestError

#: The keys of most agents whose program we start ourselves: their adapters pass on the first three.
OF_PROGRAMS = ("model", "full_access", "args", "binary")

#: The bytes that Linux takes in one argument: 128 KiB with the zero byte behind them.
_ARGUMENT_BYTES = 128 * 1024 - 1

#: Characters of a key that an error quotes.
_QUOTED = 60

#: Counts must fit into the 32 bits that protocols have for them.
_MANY = 2**31


def refuse_unknown(config: Mapping[str, Any], known: Sequence[str], backend: str) -> None:
    """Refuse unknown keys: a caller who misspells one may believe in a sandbox that would not exist.

    Raises:
        InvalidRequestError: there is such a key; the message suggests the likely one.
    """
    unknown = [key for key in config if key not in known]
    if not unknown:
        return
    named: list[str] = []
    for key in unknown:
        near = nearest(key[:_QUOTED], known, 1)
        named.append(f"{key[:_QUOTED]!r}" + (f" (do you mean {near[0]}?)" if near else ""))
    raise InvalidRequestError(
        f"{backend} does not know {', '.join(named)} in backend_config; it takes {', '.join(known)}"
    )


def string(config: Mapping[str, Any], key: str) -> str | None:
    """Return a text, or ``None`` if the key is not given.

    Raises:
        InvalidRequestError: the value is not a text, or is empty.
    """
    value = config.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise InvalidRequestError(f"backend_config.{key} is {value!r}; give a text that is not empty, or leave it out")


def strings(config: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts; empty if the key is not given.

    Raises:
        InvalidRequestError: the value is not a list of texts.
    """
    value = config.get(key)
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value)):
        return cast("list[str]", value)
    raise InvalidRequestError(f"backend_config.{key} is {value!r}; give a list of texts, or leave it out")


def flag(config: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
    """Return true or false; ``default`` if the key is not given.

    Raises:
        InvalidRequestError: the value is neither; a text such as "yes" must not give an agent full access.
    """
    value = config.get(key)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise InvalidRequestError(f"backend_config.{key} is {value!r}; give true or false, or leave it out")


def count(config: Mapping[str, Any], key: str) -> int | None:
    """Return a count, or ``None`` if the key is not given.

    Raises:
        InvalidRequestError: the value is not a whole number from 0 to below 2**31.
    """
    value = config.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MANY):
        return value
    raise InvalidRequestError(f"backend_config.{key} is {value!r}; give a whole number of 0 or more, or leave it out")


def session(request: RunRequest) -> str | None:
    """Return the session to continue, if any.

    Raises:
        InvalidRequestError: the id is blank, or could be taken for an option of the agent's command line.
    """
    if request.resume is not None and (request.resume.startswith("-") or not request.resume.strip()):
        raise InvalidRequestError(f"{request.resume!r} is not the id of a session; start a new one")
    return request.resume


def model_and_session(request: RunRequest, option: str) -> list[str]:
    """Return the arguments for the model, if one is chosen, and for the session to continue, by this option.

    Raises:
        InvalidRequestError: one of them cannot be used.
    """
    model, goes_on = string(request.config, "model"), session(request)
    return [*([f"--model={model}"] if model else []), *([f"{option}={goes_on}"] if goes_on else [])]


def prompt_as_argument(request: RunRequest, agent: str) -> str:
    """Return the prompt as an argument, for an agent that does not read it from stdin.

    Raises:
        InvalidRequestError: the prompt could be taken for an option, or does not fit into one argument.
    """
    prompt = request.prompt.encode(errors="replace")
    if prompt.startswith(b"-"):
        raise InvalidRequestError(f"the task begins with -, and {agent} would take it for an option; begin with a word")
    if b"\0" in prompt:
        raise InvalidRequestError(f"the task has a zero byte, and {agent} takes it as an argument; leave that byte out")
    if len(prompt) > _ARGUMENT_BYTES:
        raise InvalidRequestError(
            f"the task has {len(prompt):,} bytes, and {agent} takes it as an argument: at most {_ARGUMENT_BYTES:,}; "
            "write it to a file, and name the file in the task"
        )
    return prompt.decode()


def refuse_schema(request: RunRequest, agent: str) -> None:
    """Refuse an output schema, for an agent that has no option for one.

    Raises:
        InvalidRequestError: an output schema was asked for.
    """
    if request.output_schema is not None:
        message = f"{agent} does not support an output schema; leave output_schema out and ask for JSON in the prompt"
        raise InvalidRequestError(message)
