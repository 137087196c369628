"""The first code on a node: ``__main__`` of the runner's package, which makes its other modules start fast.

A user who waits for a job's first output also waits for this. So modules come compiled from one piece of the package,
if they were compiled for this Python; otherwise from their sources, in the usual way.
"""

from __future__ import annotations

import marshal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The piece: the magic number of one Python's compiled code, then, by name, whether a module is a package, and its
#: code.
COMPILED = "modules.bin"


class Compiled:
    """Finds and loads compiled modules."""

    def __init__(self, home: str, modules: dict[str, tuple[bool, bytes]]) -> None:
        """Takes the path of the package, and all its modules."""
        self._home = home
        self._modules = modules

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> object:
        """Return the spec of a module; ``None`` if it is not one of these."""
        del path, target
        if name not in self._modules:
            return None
        is_package, _ = self._modules[name]
        file = f"{self._home}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py"
        spec = ModuleSpec(name, cast("Any", self), origin=file, is_package=is_package)
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave this to the usual way."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code, which is not needed again."""
        _, code = self._modules.pop(module.__name__)
        exec(_loaded(code), module.__dict__)  # noqa: S102  what every loader does


def _loaded(code: bytes) -> CodeType:
    loaded: CodeType = marshal.loads(code)  # noqa: S302  of our own package
    return loaded


def begin() -> None:
    """Do what the arguments say, and exit."""
    package: Any = sys.modules[__name__].__loader__
    whole = cast("bytes", package.get_data(COMPILED))
    if whole.startswith(MAGIC_NUMBER):
        modules = marshal.loads(whole[len(MAGIC_NUMBER) :])  # noqa: S302  of our own package
        sys.meta_path.insert(0, cast("Any", Compiled(sys.argv[0], modules)))
    from mcp_background_job.runner.node import light  # noqa: PLC0415  now from the compiled modules

    light.take_the_place_of_dataclasses()
    from mcp_background_job.runner.node.main import main  # noqa: PLC0415  likewise

    main(sys.argv[1:])


if __name__ == "__main__":
    begin()
