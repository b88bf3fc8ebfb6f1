"""Operations on files and folders that a generation is built with. Python 3.9, standard library."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import sys
from typing import Any

MOUNTS = "/proc/self/mountinfo"


def write_file(path: str, text: str, mode: int = 0o644, durable: bool = False) -> None:
    """Write a text (undecodable bytes of file names allowed), in place.

    :raises OSError: if it cannot be written
    """
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def read_file(path: str) -> str:
    """Read such a text back.

    :raises OSError: if it cannot be read
    """
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def mtime(path: str) -> float:
    """Return a path's time of change; 0 for a missing one."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def libc() -> Any:
    """Load the C library that this process runs with."""
    return ctypes.CDLL(None, use_errno=True)


def exchange(one: str, two: str) -> None:
    """Swap two folders of one parent in one step (renameat2 RENAME_EXCHANGE; renamex_np RENAME_SWAP on macOS).

    :raises OSError: if the kernel or the file system cannot do that
    """
    library = libc()
    if sys.platform == "darwin":
        failed = library.renamex_np(os.fsencode(one), os.fsencode(two), 2)
    else:
        failed = library.renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one)


def sync(path: str) -> None:
    """Fsync one file or folder.

    :raises OSError: if the disk refuses
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_filesystem(path: str) -> None:
    """Write out everything dirty on a file system: far cheaper than an fsync for each of 20,000 files.

    :raises OSError: if the disk refuses
    """
    library = libc()
    if not hasattr(library, "syncfs"):
        os.sync()
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        if library.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(handle)


def chmod_folders(tree: str, mode: int) -> None:
    """Set the mode of every folder, and of no file: files share inodes and modes with the cache and other generations.

    :raises OSError: if one cannot be changed
    """
    for folder, _unused, _unused in os.walk(tree):
        os.chmod(folder, mode)


def mount_in(tree: str) -> str:
    """Return a path at or below a folder where another file system or folder is mounted, "" where there is none.

    The kernel lists mounts in proc_pid_mountinfo(5); a bind mount has the same device number as its surroundings.
    """
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            fields = [line.split(" ") for line in file]
    except OSError:  # no such list on macOS
        return ""
    top = os.path.realpath(tree)
    for line in fields:
        path = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), line[4])
        if path == top or path.startswith(top + "/"):
            return path
    return ""


def remove(tree: str) -> None:
    """Remove a tree, frozen or not, or a single file or link; a missing one is no error.

    What is mounted in the tree belongs to somebody else, so nothing is removed then.

    :raises OSError: if something cannot be removed, or something is mounted there
    """
    if os.path.isdir(tree) and not os.path.islink(tree):
        mount = mount_in(tree)
        if mount:
            raise OSError(errno.EBUSY, "something is mounted here, so it is not removed; unmount it", mount)
        os.chmod(tree, 0o755)
        for folder, subfolders, _unused in os.walk(tree):  # from the top: a frozen folder refuses even its owner
            for name in subfolders:
                full = os.path.join(folder, name)
                if not os.path.islink(full):
                    os.chmod(full, 0o755)
        shutil.rmtree(tree)
    elif os.path.lexists(tree):
        os.unlink(tree)
