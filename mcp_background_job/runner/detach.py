"""Takes a process out of its starter's reach: no shared session, no parent link, no open file, no terminal."""

from __future__ import annotations

import os


def detach(keep: list[int]) -> None:
    """Become a child of init (or of the nearest subreaper) in a session of its own; keeps only these descriptors.

    MCP clients end a server by signalling its process group, or by walking the tree below it by parent links; after
    this call, neither reaches this process. The caller's process ends inside the call; the process that returns is its
    child.
    """
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    standard = {0, 1, 2}
    for descriptor in standard - set(keep):
        os.dup2(null, descriptor)
    if null not in standard:
        os.close(null)
    for descriptor in keep:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  its only form
    os.chdir("/")
