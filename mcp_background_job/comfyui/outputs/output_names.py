"""The path of a file that a server names: inside the download directory, whatever the server says.

Names come from a server, which may be anybody's. A name that could lead elsewhere, hide, or mean something else to
another system is refused, not repaired: a repaired name would describe the file wrongly. Notes are people's words, and
are made into names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mcp_background_job.comfyui.wire.node_outputs import OutputFile, Shown

#: The folder for texts; no server has it beside output, temp and input.
TEXT = "text"

#: The limit of file systems on Linux and macOS, in bytes of UTF-8.
MAX_NAME = 255

#: Characters of a folder's name: enough to distinguish notes, and short enough for a listing; at most 240 bytes.
_MAX_FOLDER = 60

#: Characters of a prompt's id: enough to distinguish prompts.
_SHORT_ID = 8

#: The highest number in a name: without a limit, the search would never end in a directory that somebody fills.
_MAX_NUMBER = 9999

#: Devices of Windows, in any case and with any suffix; a shared folder may be read there.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE | re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")
_RESERVED = re.compile(r'[/\\<>:"|?*]')
_SPACES = re.compile(r"\s+")


def folder_of(note: str, prompt_id: str) -> str:
    """Return the name of the folder for a prompt's files: made from its note, or from its id if it has none."""
    return _made_name(note) or _made_name(prompt_id[:_SHORT_ID]) or "prompt"


def _made_name(text: str) -> str:
    plain = "".join(" " if _is_unprintable(char) else char for char in text)
    name = _RESERVED.sub("_", _SPACES.sub(" ", plain)).strip("._ ")[:_MAX_FOLDER].rstrip("._ ")
    return f"_{name}" if _DEVICE.fullmatch(name) else name


def text_file(shown: Shown) -> OutputFile:
    """Return the file name for a text that a node shows, as if the server had it as a file."""
    name = _made_name(f"node {shown.node_id} {shown.kind}") or "text"
    return OutputFile(shown.node_id, shown.kind, f"{name}.txt", "", TEXT)


def parts_of(file: OutputFile) -> tuple[str, ...]:
    """Return the names of the folders of a file, followed by its own name.

    Raises:
        ValueError: the names are not allowed here; the message says why.
    """
    # A server on Windows uses its own separator.
    folders = file.subfolder.replace("\\", "/").split("/") if file.subfolder else []
    if folders[:1] == [""]:
        raise ValueError(f"its folder {file.subfolder!r} is an absolute path")
    parts = (*(folder for folder in folders if folder), file.filename)
    for part in parts:
        if trouble := _trouble_with(part):
            raise ValueError(f"its name has {part!r} in it, which {trouble}")
    return parts


def _trouble_with(name: str) -> str | None:
    if not name or name.startswith("."):
        return "leads elsewhere or hides it"
    if "/" in name or "\\" in name:
        return "has a separator in it"
    if any(map(_is_unprintable, name)):
        return "has characters that cannot be printed"
    if _DRIVE.match(name) or _DEVICE.fullmatch(name) or name.endswith((".", " ")):
        return "means something else on Windows"
    return f"is longer than {MAX_NAME} bytes" if _length(name) > MAX_NAME else None


def _is_unprintable(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def candidates(name: str) -> Iterator[str]:
    """Yield the name, followed by alternatives if it is taken: ``name (2).png``, ``name (3).png`` and so on."""
    yield name
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    for number in range(2, _MAX_NUMBER + 1):
        tail = f" ({number}){dot}{suffix}"
        if _length(tail) >= MAX_NAME:  # the part after the last dot is most of the name, so it is no suffix
            stem, tail = name, f" ({number})"
        yield _cut(stem, MAX_NAME - _length(tail)) + tail


def _cut(text: str, length: int) -> str:
    return text.encode()[:length].decode(errors="ignore")


def _length(text: str) -> int:
    return len(text.encode())
