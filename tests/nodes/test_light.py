"""What stands for ``dataclasses`` on a node does what Python's does, as far as anybody can tell."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from types import ModuleType
from typing import Any, cast

import pytest

from mcp_background_job.runner.node import light
from tests.patience import PATIENCE_S

_CLASS = """
@dataclass(frozen=True)
class Kind:
    '''A kind.'''
    name: str
    size: int = 3
    parts: list[str] = field(default_factory=list)
    @property
    def double(self): return 2 * self.size
"""

both = pytest.mark.parametrize("module", [dataclasses, light])


def kind_of(module: ModuleType) -> Any:
    namespace: dict[str, Any] = {"dataclass": module.dataclass, "field": module.field, "__name__": __name__}
    exec(compile(f"from __future__ import annotations\n{_CLASS}", "kind", "exec"), namespace)  # noqa: S102
    return namespace["Kind"]


@both
def test_values_come_by_place_by_name_and_by_default(module: ModuleType) -> None:
    kind = kind_of(module)
    one, other = kind("a"), kind("b", 4, parts=["x"])
    assert (one.name, one.size, one.parts, one.double) == ("a", 3, [], 6)
    assert (other.name, other.size, other.parts) == ("b", 4, ["x"])
    assert [*vars(cast("object", other))] == ["name", "size", "parts"]
    assert kind("c").parts is not one.parts
    assert repr(one).endswith("Kind(name='a', size=3, parts=[])")


@both
@pytest.mark.parametrize("given", ["", "'a', 1, [], 2", "'a', name='b'", "'a', other=1"])
def test_what_does_not_fit_is_a_type_error(module: ModuleType, given: str) -> None:
    with pytest.raises(TypeError):
        eval(f"kind({given})", {"kind": kind_of(module)})  # noqa: S307  of this file


@both
def test_equal_values_are_equal_and_a_change_leaves_the_original(module: ModuleType) -> None:
    kind = kind_of(module)
    one = kind("a", parts=("x",))
    assert one == kind("a", 3, ("x",))
    assert hash(one) == hash(kind("a", 3, ("x",)))
    changed = module.replace(one, size=5)
    assert (type(changed), changed.size, one.size) == (kind, 5, 3)
    assert changed not in (one, "a")
    assert [(told.name, told.type) for told in module.fields(kind)] == [
        ("name", "str"),
        ("size", "int"),
        ("parts", "list[str]"),
    ]


def test_what_it_cannot_do_python_s_own_does() -> None:
    program = (
        "from mcp_background_job.runner.node import light; light.take_the_place_of_dataclasses()\n"
        "from dataclasses import Field, asdict, dataclass, field, fields, replace\n"
        "@dataclass(frozen=True, order=True)\nclass Kind:\n  a: int = field(default=1, compare=True)\n"
        "@dataclass\nclass Mixed:\n  a: int = field(default=1)\n  b: list = field(default_factory=list)\n"
        "assert asdict(Mixed()) == {'a': 1, 'b': []}\n"
        "assert Kind() < replace(Kind(), a=2) and asdict(Kind()) == {'a': 1} and type(fields(Kind)[0]) is Field\n"
        "import dataclasses; assert dataclasses.__name__ != 'dataclasses'\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=PATIENCE_S)


def test_it_stands_for_our_own_quicker_ones_too() -> None:
    program = (
        "import sys\n"
        "from mcp_background_job.runner.node import light; light.take_the_place_of_dataclasses()\n"
        "from mcp_background_job.jobdir.records import StopRequest\n"
        "from dataclasses import replace\n"
        "stop = StopRequest(1.0, 'me', 'no use', 'SIGTERM', 5.0)\n"
        "assert replace(stop, by='you').by == 'you' and stop == replace(stop)\n"
        "assert sys.modules['mcp_background_job.core.values'] is light and hasattr(StopRequest, '_light_fields')\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=PATIENCE_S)
