"""Which values are secrets, by their names and forms. An environment is shown with them masked. Pure."""

from __future__ import annotations

import re

#: Stands in place of a secret. It does not show the secret's length.
MASK = "••••••••"

#: Names of secrets: these words stand between underscores, or at the end: ``GITHUB_TOKEN``, ``PGPASSWORD``.
_NAME = re.compile(
    r"(?i)(?:token|secret|passw(?:or)?d|passphrase|passwd|pwd|credentials?|apikey|cookie|signature|authorization|"
    r"bearer)s?(?:_|$)|(?:^|_)(?:key|keys|auth|pass|pw|dsn|salt|pin|otp|jwt|pat|private)(?:_|$)|"
    r"(?:access|api|private|secret|signing|encryption|account|license)_?key"
)

#: Names that hold such a word but no secret.
_OPEN_NAMES = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK"})

#: Forms of issued keys.
_FORM = re.compile(
    r"^(?:sk-|pk-|rk_|sk_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AKIA|ASIA|AIza|hf_|npm_|pypi-|ya29\.|dop_v1_|"
    r"eyJ[\w-]+\.eyJ|Bearer |Basic |-----BEGIN [A-Z ]*PRIVATE KEY)"
)

#: A password in an address, with or without a user.
_IN_ADDRESS = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)", re.IGNORECASE)


def masked(name: str, value: str) -> str:
    """Return the value of a variable with secrets masked."""
    if not value:
        return value
    if _FORM.match(value) or (name.upper() not in _OPEN_NAMES and _NAME.search(name)):
        return MASK
    return _IN_ADDRESS.sub(rf"\g<before>{MASK}", value)
