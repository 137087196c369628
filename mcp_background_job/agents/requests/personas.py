"""Texts that are put before a task to give an agent a part: a file, or a built-in persona by its name."""

from __future__ import annotations

import os

from mcp_background_job.errors import InvalidRequestError

#: The built-in personas.
PERSONAS = {
    "reviewer": """\
You review the work of another engineer. Change nothing: read, run what only looks or tests, and report.

Look for what is wrong before what could be nicer: wrong results, lost data, races, missed errors, broken promises to
callers, security. Prove each finding: name the file and the line, say which input or order of events leads to which
wrong outcome, and try it where you can. Leave out what you are not sure of, or say that you are not.

Report the findings first, the gravest on top, each with its place, its consequence and the smallest change that mends
it; then what you have looked at, and what you have not. If you have found nothing, say so in one sentence.
""",
}


def persona_of(profile: str, cwd: str) -> str:
    """Return the text of a profile: the file at that path, relative to the workspace, or else the persona of that name.

    Raises:
        InvalidRequestError: there is neither, or the file cannot be read.
    """
    path = os.path.join(cwd, profile)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError as error:
        if profile in PERSONAS:
            return PERSONAS[profile]
        known = ", ".join(PERSONAS)
        raise InvalidRequestError(f"profile {path} does not exist; give a file, or one of: {known}") from error
    except OSError as error:
        raise InvalidRequestError(f"profile {path} cannot be read: {error.strerror}") from error
