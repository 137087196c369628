"""Which values are secrets, as far as names and forms tell: what is shown of an environment has them masked. Pure."""

from __future__ import annotations

import re

#: What stands in place of a secret. Its length says nothing.
MASK = "••••••••"

#: Names that speak of secrets, as words between underscores, or at the end of one: ``GITHUB_TOKEN``, ``PGPASSWORD``.
_NAME = re.compile(
    r"(?i)(?:token|secret|passw(?:or)?d|passphrase|passwd|pwd|credentials?|apikey|cookie|signature|authorization|"
    r"bearer)s?(?:_|$)|(?:^|_)(?:key|keys|auth|pass|pw|dsn|salt|pin|otp|jwt|pat|private)(?:_|$)|"
    r"(?:access|api|private|secret|signing|encryption|account|license)_?key"
)

#: Names that such words stand in, and that keep nothing secret.
_OPEN_NAMES = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK"})

#: Forms in which keys are given out.
_FORM = re.compile(
    r"^(?:sk-|pk-|rk_|sk_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AKIA|ASIA|AIza|hf_|npm_|pypi-|ya29\.|dop_v1_|"
    r"eyJ[\w-]+\.eyJ|Bearer |Basic |-----BEGIN [A-Z ]*PRIVATE KEY)"
)

#: A password in an address, with or without a user.
_IN_ADDRESS = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)", re.IGNORECASE)


def masked(name: str, value: str) -> str:
    """Return the value of a variable as it may be shown."""
    if not value:
        return value
    if _FORM.match(value) or (name.upper() not in _OPEN_NAMES and _NAME.search(name)):
        return MASK
    return _IN_ADDRESS.sub(rf"\g<before>{MASK}", value)
