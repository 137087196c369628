"""The secret of a state directory: the bearer token of ``serve --http``, and the key that signs links to pages."""

from __future__ import annotations

import secrets

from mcp_background_job.config import Settings, variable_of
from mcp_background_job.errors import StateDirError
from mcp_background_job.jobdir import plain
from mcp_background_job.jobdir.layout import StateDir

_BYTES = 32

_INSTEAD = f"or set {variable_of('http_token')}"


def secret_of(settings: Settings) -> str:
    """Return the configured secret, else the stored one, else a new one that is then stored.

    Raises:
        StateDirError: it can be neither read nor made.
    """
    if settings.http_token is not None:
        return settings.http_token
    path = StateDir(settings.state_dir).http_token
    try:
        # Only if there is none: of two servers that start at once one makes it, and both read it.
        plain.write_first(path, f"{secrets.token_urlsafe(_BYTES)}\n".encode())
        with open(path, "rb") as file:  # noqa: PTH123  a plain path of the state directory
            token = file.read().strip()
    except OSError as error:
        raise StateDirError(
            f"the token in {path} can be neither read nor made: {error.strerror}; remove it, {_INSTEAD}"
        ) from error
    if not token or not token.isascii() or len(token.split()) != 1:
        raise StateDirError(f"{path} holds no token: remove it, and a new one is made; {_INSTEAD}")
    return token.decode()
