"""What a node runs first: ``__main__`` of the runner's package, and what makes the rest of it start fast.

Who waits for a job's first output waits for this. So modules come from one piece of the package, compiled, if they were
compiled for this Python; from their sources otherwise, in the usual way.
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

#: The piece: what compiled code of one Python begins with, then, by names, whether a module is a package, and its code.
COMPILED = "modules.bin"


class Compiled:
    """Finds modules that are compiled, and loads them."""

    def __init__(self, home: str, modules: dict[str, tuple[bool, bytes]]) -> None:
        """Takes where they lie, and all of them."""
        self._home = home
        self._modules = modules

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> object:
        """Return what is to be known of a module; ``None`` if it is none of these."""
        del path, target
        if name not in self._modules:
            return None
        is_package, _ = self._modules[name]
        file = f"{self._home}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py"
        spec = ModuleSpec(name, cast("Any", self), origin=file, is_package=is_package)
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Have it made in the usual way."""

    def exec_module(self, module: ModuleType) -> None:
        """Run its code, which is not needed again."""
        _, code = self._modules.pop(module.__name__)
        exec(_loaded(code), module.__dict__)  # noqa: S102  what every loader does


def _loaded(code: bytes) -> CodeType:
    loaded: CodeType = marshal.loads(code)  # noqa: S302  of our own package
    return loaded


def begin() -> None:
    """Be what the arguments say, and exit."""
    package: Any = sys.modules[__name__].__loader__
    whole = cast("bytes", package.get_data(COMPILED))
    if whole.startswith(MAGIC_NUMBER):
        modules = marshal.loads(whole[len(MAGIC_NUMBER) :])  # noqa: S302  of our own package
        sys.meta_path.insert(0, cast("Any", Compiled(sys.argv[0], modules)))
    from mcp_background_job.runner.node import light  # noqa: PLC0415  by what was just said

    light.take_the_place_of_dataclasses()
    from mcp_background_job.runner.node.main import main  # noqa: PLC0415  likewise

    main(sys.argv[1:])


if __name__ == "__main__":
    begin()
