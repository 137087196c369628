"""Directories for downloads: below a root for callers that may not choose freely, and never outside."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from mcp_background_job.comfyui.outputs.part_file import sweep
from mcp_background_job.errors import InvalidRequestError

_SETTING = "COMFYUI_OUTPUT_DIR"


def below(root: Path, wanted: str) -> Path:
    """Return a directory by its path, which is relative to the root or inside it; symbolic links are followed.

    Raises:
        InvalidRequestError: the path is outside, or the root is the whole file system.
    """
    try:
        real = root.resolve()
        path = Path(real, Path(wanted).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, no such user, a null byte
        raise InvalidRequestError(f"output_dir={wanted!r} cannot be used: {error}") from error
    if real == Path(real.anchor):
        raise InvalidRequestError(
            f"outputs go below the working directory, which is {real}: set {_SETTING} to a directory for them"
        )
    if not path.is_relative_to(real):
        raise InvalidRequestError(
            f"output_dir={wanted!r} is not inside {real}, which outputs are downloaded below: "
            f"give a relative path, or set {_SETTING}"
        )
    return path


class OutputDirectory:
    """A directory, and folders in it. Any thread may use it."""

    def __init__(self, path: Path) -> None:
        """Takes the directory; makes nothing."""
        self.path = path.resolve()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, ...], Path] = {}

    def make(self) -> None:
        """Make the directory if it does not exist.

        Raises:
            InvalidRequestError: it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequestError(f"outputs cannot be downloaded to {self.path}: {error.strerror}") from error

    def folder(self, names: Sequence[str]) -> Path:
        """Return a folder in it, made if it does not exist; the remains of killed downloads in it are removed.

        Raises:
            OSError: it cannot be made.
            ValueError: a symbolic link leads out of the directory.
        """
        key = tuple(names)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._made(key)
                sweep(self._known[key])
            return self._known[key]

    def _made(self, names: tuple[str, ...]) -> Path:
        path = self.path
        for name in names:
            # Step by step: a link that leads out must be found before anything is made behind it.
            path /= name
            path.mkdir(exist_ok=True)
            real = path.resolve()
            if not real.is_relative_to(self.path):
                raise ValueError(f"{path} is a link that leads out of {self.path}")
            path = real
        return path
