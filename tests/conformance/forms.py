"""The forms that tools of the conformance suite show to a person."""

from __future__ import annotations

from typing import Any


def form(*, required: list[str], **fields: Any) -> Any:
    return {"type": "object", "properties": fields, "required": required}


RESPONSE = form(response={"type": "string"}, required=["response"])

#: A default of each kind of field.
DEFAULTS = form(
    name={"type": "string", "default": "John Doe"},
    age={"type": "integer", "default": 30},
    score={"type": "number", "default": 95.5},
    status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    verified={"type": "boolean", "default": True},
    required=[],
)

_ONE_TO_THREE = ("First", "Second", "Third")
_PLAIN = ["option1", "option2", "option3"]
_TITLED = [{"const": f"value{n}", "title": title} for n, title in enumerate(_ONE_TO_THREE, 1)]

#: Each way to choose from a list.
CHOICES = form(
    untitledSingle={"type": "string", "enum": _PLAIN},
    titledSingle={"type": "string", "oneOf": _TITLED},
    legacyEnum={"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": list(_ONE_TO_THREE)},
    untitledMulti={"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "enum": _PLAIN}},
    titledMulti={"type": "array", "minItems": 1, "maxItems": 3, "items": {"anyOf": _TITLED}},
    required=[],
)
