"""How many processes the kernel has killed for want of memory, as their cgroup counts them.

The count of a cgroup includes processes that were killed in it and below it, whatever ran out of memory: the cgroup,
one above it, or the whole machine. All processes of a user may share one cgroup. So a higher count shows that a process
was killed, but not which one.
"""

from __future__ import annotations

from mcp_background_job.kernel import proc

ROOT = "/sys/fs/cgroup"
_OWN = "/proc/self/cgroup"


def files_of(own: str, root: str = ROOT) -> list[str]:
    """Return the files that may hold the count, the likeliest first.

    Args:
        own: content of ``/proc/self/cgroup``.
        root: where cgroups are mounted.
    """
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in own.splitlines())}
    files: list[str] = []
    for controllers, path in paths.items():
        if "memory" in controllers.split(","):
            # In a container the path may be the one outside of it, while the cgroup is mounted as the root.
            files += [f"{root}/memory{_end(path)}/memory.oom_control", f"{root}/memory/memory.oom_control"]
    if not files and "" in paths:
        files = [f"{root}{_end(paths[''])}/memory.events", f"{root}/memory.events"]
    return files


def count_in(text: str) -> int | None:
    """Return the count in such a file; ``None`` if there is none."""
    counts = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    count = counts.get("oom_kill", "")
    return int(count) if count.isdecimal() else None


def killed(root: str = ROOT, own: str = _OWN) -> int | None:
    """Return how many processes of this one's cgroup were killed so far; ``None`` if no file counts them."""
    try:
        files = files_of(proc.read(own).decode(errors="surrogateescape"), root)
    except OSError:
        return None
    for file in files:
        try:
            return count_in(proc.read(file).decode())
        except OSError:  # noqa: PERF203  two files
            continue
    return None


def _end(path: str) -> str:
    return "" if path == "/" else path
