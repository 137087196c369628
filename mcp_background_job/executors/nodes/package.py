"""The runner as one file, for any Python from 3.9 on. An engine starts it on a node without anything of ours.

It holds the modules that a runner on a node imports, and no others. Its name depends on its content. So jobs that wait
in a cluster's queue start with the runner with which they were submitted, even after an upgrade.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import marshal
import os
import threading
import zipfile

import mcp_background_job
from mcp_background_job.errors import StateDirError
from mcp_background_job.jobdir import records

#: The module that a node runs. It stands apart, and is packed rather than imported.
_START = "mcp_background_job.runner.node.start"

#: The file where that module looks for compiled modules; see there.
_COMPILED = "modules.bin"

#: Two threads would write one temporary file, which is named after the process; other processes use other names.
_WRITING = threading.Lock()

#: The earliest moment in a zip file: with the current time in it, the file would never be the same.
_MOMENT = (1980, 1, 1, 0, 0, 0)

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(mcp_background_job.__file__)))


def runner_package(root: str) -> str:
    """Return the path of the runner in a directory that nodes share; writes it there unless it exists.

    Raises:
        StateDirError: the file cannot be written.
    """
    name, content = packed()
    path = os.path.join(root, name)
    with _WRITING:
        if not os.path.exists(path):
            try:
                records.write(path, content, durable=True)
            except OSError as error:
                why = f"the runner for the nodes cannot be written to {path}: {error.strerror}"
                raise StateDirError(why) from error
    return path


@functools.cache  # all modules are parsed for it, which takes a tenth of a second
def packed() -> tuple[str, bytes]:
    """Return the name of the runner's file, and its content."""
    sources = _modules()
    sources["__main__.py"] = sources[f"{_START.replace('.', '/')}.py"]
    return f"runner-{_hash(sources)}.pyz", _zipped({**sources, _COMPILED: _compiled(sources)})


def _modules() -> dict[str, bytes]:
    """Return the modules of the runner on a node: each file's name in the package, and its content."""
    found: dict[str, bytes] = {}
    wanted = [_START]
    while wanted:
        name = wanted.pop()
        path = _file_of(name)
        if path is None or path in found:
            continue
        with open(os.path.join(_HOME, path), "rb") as file:
            found[path] = file.read()
        wanted += _imported_by(found[path])
        wanted += [name.rpartition(".")[0]] if "." in name else []  # a package is imported before its modules
    return found


def _file_of(module: str) -> str | None:
    """Return the file of our module, relative to the package's parent; ``None`` for other modules."""
    stem = module.replace(".", "/")
    is_ours = module.split(".", 1)[0] == mcp_background_job.__name__
    paths = (f"{stem}.py", f"{stem}/__init__.py") if is_ours else ()
    return next((path for path in paths if os.path.isfile(os.path.join(_HOME, path))), None)


def _imported_by(source: bytes) -> list[str]:
    """Return the names of everything that a module imports at any time; some of them may be no modules."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _hash(sources: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(sources.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in sorted(files.items()):
            package.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _compiled(sources: dict[str, bytes]) -> bytes:
    """Return all modules compiled for our version of Python: compiling them takes two thirds of a start.

    Other versions notice that, and use the sources beside it.
    """
    modules: dict[str, tuple[bool, bytes]] = {}
    for path, source in sorted(sources.items()):
        name = path.removesuffix(".py").replace("/", ".")
        # Without references between objects (version 2): which references exist depends on chance.
        code = marshal.dumps(compile(source, path, "exec", dont_inherit=True), 2)
        modules[name.removesuffix(".__init__")] = (name.endswith(".__init__"), code)
    return importlib.util.MAGIC_NUMBER + marshal.dumps(modules, 2)
