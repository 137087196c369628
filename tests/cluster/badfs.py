"""``python badfs.py DIRECTORY MOUNT_POINT [COMMAND...]``: shows a directory as NFS without locks would at its worst.

Each machine has a mount of its own: locks and sockets of one are unknown to the others, and a name that was looked for
in vain is not looked for again for an hour, unless the directory is seen to have changed, as by a chmod from there.
With a command, the mount is seen by that alone, which is what a node is here.

It speaks the kernel's protocol itself, <linux/fuse.h>, in as much of it as jobs need. It takes root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import queue
import signal
import stat
import struct
import sys
import threading
from collections.abc import Callable

#: Seconds for which a name that is not there is remembered as such: half a minute on NFS, and here longer than any test
#: waits. And for which facts of a file are.
_ABSENT_S = 3600
_FACTS_S = 1

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<6Q10I")
_ENTRY = struct.Struct("<QQQQII")
_ATTR_OUT = struct.Struct("<QII")
_OPEN_OUT = struct.Struct("<QII")
_SETATTR = struct.Struct("<IIQQQQQQIIIIIIII")
_READ = struct.Struct("<QQIIQII")
_DIRENT = struct.Struct("<QQII")

_ROOT = 1
_MAX_WRITE = 128 * 1024
_MOUNT_OPTIONS = "fd={},rootmode=40000,user_id=0,group_id=0,allow_other"
_NOTIFY_CHANGED, _NOTIFY_ABSENT = 2, 3  # FUSE_NOTIFY_INVAL_INODE, FUSE_NOTIFY_INVAL_ENTRY

# FATTR_… of <linux/fuse.h>
_MODE, _UID, _GID, _SIZE, _ATIME, _MTIME = (1 << bit for bit in range(6))

# From <sched.h>, <sys/mount.h> and <sys/prctl.h>
_NEW_MOUNTS = 0x20000
_PRIVATE, _RECURSIVE = 1 << 18, 1 << 14
_PARENT_DEATH_SIGNAL = 1

_LIBC = ctypes.CDLL(None, use_errno=True)

#: What the kernel sends and waits for no answer to: forgetting names, interrupts.
_UNANSWERED = (2, 36, 42)


class BadFileSystem:
    """One mount."""

    def __init__(self, directory: str, at: str) -> None:
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        _mount("badfs", at, "fuse", 0, _MOUNT_OPTIONS.format(self._device))
        self._paths = {_ROOT: directory}
        self._numbers = {directory: _ROOT}
        self._absent: dict[int, set[bytes]] = {}
        self._changed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._operations: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup,
            3: lambda node, _: self._facts(self._paths[node]),
            4: self._set,
            5: lambda node, _: os.readlink(self._paths[node]).encode(),
            6: self._symlink,
            8: self._mknod,
            9: self._mkdir,
            10: self._unlink,
            11: self._rmdir,
            12: lambda node, body: self._rename(node, body, 8),
            13: self._link,
            14: self._open,
            15: self._read,
            16: self._write,
            17: lambda _node, _body: struct.pack("<5Q4I6I", *[2**20] * 5, 4096, 255, 4096, 0, *[0] * 6),
            18: self._release,
            20: self._fsync,
            25: lambda _node, _body: b"",
            26: self._init,
            27: lambda _node, _body: _OPEN_OUT.pack(0, 0, 0),
            28: self._list,
            29: lambda _node, _body: b"",
            34: lambda _node, _body: b"",
            35: self._create,
            45: lambda node, body: self._rename(node, body, 16),
        }

    def serve(self) -> None:
        """Answer the kernel until the file system is unmounted."""
        threading.Thread(target=self._look_again, daemon=True).start()
        while True:
            try:
                request = os.read(self._device, _MAX_WRITE + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                raise
            _, operation, unique, node, *_ = _IN.unpack_from(request)
            if operation in _UNANSWERED:
                continue
            try:
                answer, code = self._operations[operation](node, request[_IN.size :]), 0
            except KeyError:
                answer, code = b"", errno.ENOSYS
            except OSError as error:
                answer, code = b"", error.errno or errno.EIO
            self._send(-code, unique, answer)
            if operation == 4:
                self._changed.put(node)

    def _send(self, code: int, unique: int, body: bytes) -> None:
        try:
            os.write(self._device, _OUT.pack(_OUT.size + len(body), code, unique) + body)
        except OSError as error:  # whoever asked has been killed; or the name was not remembered; or all is over
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def _look_again(self) -> None:
        """A machine that sees a directory change looks anew for what was not there.

        In a thread of its own: it waits while somebody changes the directory, who waits for an answer of ours.
        """
        while True:
            node = self._changed.get()
            # All that ever were absent: the kernel may note one as such after it was told to forget it.
            for name in list(self._absent.get(node, ())):
                body = struct.pack("<QII", node, len(name), 0) + name + b"\0"
                self._send(_NOTIFY_ABSENT, 0, body)

    def _init(self, _node: int, body: bytes) -> bytes:
        _, minor = struct.unpack_from("<II", body)
        return struct.pack("<IIIIHHIIHHI7I", 7, min(minor, 31), 65536, 0, 16, 12, _MAX_WRITE, 1, 0, 0, 0, *[0] * 7)

    # -- names ---------------------------------------------------------------------------------------------------------

    def _lookup(self, node: int, body: bytes) -> bytes:
        name = body.rstrip(b"\0")
        path = self._child(node, name)
        if not os.path.lexists(path):
            self._absent.setdefault(node, set()).add(name)
            return _ENTRY.pack(0, 0, _ABSENT_S, 0, 0, 0) + bytes(_ATTRIBUTES.size)
        return self._entry(path)

    def _child(self, node: int, name: bytes) -> str:
        return os.path.join(self._paths[node], os.fsdecode(name))

    def _entry(self, path: str) -> bytes:
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self._paths) + 1
            self._paths[number] = path
        return _ENTRY.pack(number, 0, _FACTS_S, _FACTS_S, 0, 0) + _attributes(path)

    def _facts(self, path: str) -> bytes:
        return _ATTR_OUT.pack(_FACTS_S, 0, 0) + _attributes(path)

    def _forget(self, path: str) -> None:
        # Whoever has the file open goes on with it; whoever makes another of this name gets another number.
        self._numbers.pop(path, None)

    def _mkdir(self, node: int, body: bytes) -> bytes:
        mode, _ = struct.unpack_from("<II", body)
        path = self._child(node, body[8:].rstrip(b"\0"))
        os.mkdir(path, mode)
        return self._entry(path)

    def _mknod(self, node: int, body: bytes) -> bytes:
        mode, device, _, _ = struct.unpack_from("<4I", body)
        path = self._child(node, body[16:].rstrip(b"\0"))
        os.mknod(path, mode, device)
        return self._entry(path)

    def _symlink(self, node: int, body: bytes) -> bytes:
        name, target, _ = body.split(b"\0")
        path = self._child(node, name)
        os.symlink(os.fsdecode(target), path)
        return self._entry(path)

    def _link(self, node: int, body: bytes) -> bytes:
        (old,) = struct.unpack_from("<Q", body)
        path = self._child(node, body[8:].rstrip(b"\0"))
        os.link(self._paths[old], path)
        return self._entry(path)

    def _unlink(self, node: int, body: bytes) -> bytes:
        path = self._child(node, body.rstrip(b"\0"))
        os.unlink(path)
        self._forget(path)
        return b""

    def _rmdir(self, node: int, body: bytes) -> bytes:
        path = self._child(node, body.rstrip(b"\0"))
        os.rmdir(path)
        self._forget(path)
        return b""

    def _rename(self, node: int, body: bytes, head: int) -> bytes:
        (directory,) = struct.unpack_from("<Q", body)
        old, new, _ = body[head:].split(b"\0")
        source, target = self._child(node, old), self._child(directory, new)
        os.rename(source, target)
        self._forget(target)
        number = self._numbers.pop(source, None)
        if number is not None:
            self._numbers[target], self._paths[number] = number, target
        return b""

    # -- files ---------------------------------------------------------------------------------------------------------

    def _set(self, node: int, body: bytes) -> bytes:
        valid, _, _, size, _, atime, mtime, _, _, _, _, mode, _, uid, gid, _ = _SETATTR.unpack_from(body)
        path = self._paths[node]
        if valid & _MODE:
            os.chmod(path, stat.S_IMODE(mode))
        if valid & (_UID | _GID):
            os.chown(path, uid if valid & _UID else -1, gid if valid & _GID else -1)
        if valid & _SIZE:
            os.truncate(path, size)
        if valid & (_ATIME | _MTIME):
            known = os.stat(path)
            os.utime(path, (atime if valid & _ATIME else known.st_atime, mtime if valid & _MTIME else known.st_mtime))
        return self._facts(path)

    def _open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        # Whoever opens a file sees what was written before, as by all clients of NFS: its size is asked for anew.
        self._send(_NOTIFY_CHANGED, 0, struct.pack("<Qqq", node, -1, 0))
        return _OPEN_OUT.pack(os.open(self._paths[node], _usable(flags)), 0, 0)

    def _create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", body)
        path = self._child(node, body[16:].rstrip(b"\0"))
        descriptor = os.open(path, _usable(flags) | os.O_CREAT, stat.S_IMODE(mode))
        return self._entry(path) + _OPEN_OUT.pack(descriptor, 0, 0)

    def _read(self, _node: int, body: bytes) -> bytes:
        descriptor, offset, size, *_ = _READ.unpack_from(body)
        return os.pread(descriptor, size, offset)

    def _write(self, _node: int, body: bytes) -> bytes:
        descriptor, offset, size, *_ = _READ.unpack_from(body)
        return struct.pack("<II", os.pwrite(descriptor, body[_READ.size : _READ.size + size], offset), 0)

    def _release(self, _node: int, body: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    def _fsync(self, _node: int, body: bytes) -> bytes:
        os.fsync(struct.unpack_from("<Q", body)[0])
        return b""

    def _list(self, node: int, body: bytes) -> bytes:
        _, offset, size, *_ = _READ.unpack_from(body)
        listed = b""
        for number, name in enumerate(sorted(os.listdir(self._paths[node]))[offset:], offset + 1):
            raw = os.fsencode(name)
            entry = _DIRENT.pack(number, number, len(raw), 0) + raw
            entry += bytes(-len(entry) % 8)
            if len(listed) + len(entry) > size:
                break
            listed += entry
        return listed


def _mount(source: str, at: str, kind: str, flags: int, options: str) -> None:
    if _LIBC.mount(source.encode(), at.encode(), kind.encode(), flags, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), at)


def _be_node(directory: str, at: str, command: list[str]) -> None:
    """Become a command that sees the directory in its own way; the file system ends with it."""
    if _LIBC.unshare(_NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), "cannot have mounts of its own")
    _mount("none", "/", "", _PRIVATE | _RECURSIVE, "")
    file_system = BadFileSystem(directory, at)
    if os.fork() == 0:
        _LIBC.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        file_system.serve()
        os._exit(0)
    os.execvp(command[0], command)  # noqa: S606  as whoever has a shell start it


def _usable(flags: int) -> int:
    # Where a write goes is said with each; and the kernel reads what it writes a part of.
    flags &= ~(os.O_APPEND | os.O_EXCL | os.O_DIRECT | os.O_NOFOLLOW) if not flags & os.O_CREAT else ~os.O_APPEND
    return (flags & ~os.O_ACCMODE) | os.O_RDWR if flags & os.O_ACCMODE == os.O_WRONLY else flags


def _attributes(path: str) -> bytes:
    facts = os.lstat(path)
    times = [facts.st_atime_ns, facts.st_mtime_ns, facts.st_ctime_ns]
    return _ATTRIBUTES.pack(
        facts.st_ino,
        facts.st_size,
        facts.st_blocks,
        *(time // 10**9 for time in times),
        *(time % 10**9 for time in times),
        facts.st_mode,
        facts.st_nlink,
        facts.st_uid,
        facts.st_gid,
        facts.st_rdev,
        facts.st_blksize,
        0,
    )


def main(directory: str, at: str, *command: str) -> None:
    """Serve, or be a node."""
    if command:
        _be_node(directory, at, list(command))
    BadFileSystem(directory, at).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
