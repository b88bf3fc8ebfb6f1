"""Bounded reading of files that may have been replaced. Python 3.9, standard library.

Only regular files are opened, never through a symbolic link; every read has a limit in bytes, and long work a deadline.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import Optional

SMALL, LARGE, HUGE = 64 << 10, 8 << 20, 256 << 20  # limits, in bytes, for one file


class OutOfTime(Exception):
    """The time limit has passed."""


class Deadline:
    """A time limit; None for no limit.

    :param seconds: from now
    """

    def __init__(self, seconds: Optional[float] = None) -> None:
        self.end = float("inf") if seconds is None else time.monotonic() + seconds

    def check(self) -> None:
        """Return while there is time left.

        :raises OutOfTime: afterwards
        """
        if time.monotonic() > self.end:
            raise OutOfTime("the time limit for inspecting this host has passed")


def reason(why: object) -> str:
    """Return an exception in a few words, without Python's decoration."""
    if isinstance(why, OSError) and why.strerror:
        return f"{why.strerror}: {why.filename}" if why.filename else why.strerror
    return f"{type(why).__name__}: {why}" if isinstance(why, Exception) else str(why)


def open_regular(path: str) -> int:
    """Open a regular file for reading and return its descriptor; its access time stays where that is permitted.

    :raises OSError: if it cannot be opened, is a symbolic link, or is not a regular file
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # O_NOATIME is for owners
        handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return handle


def read(path: str, limit: int = SMALL) -> bytes:
    """Read a whole regular file.

    :raises OSError: if it cannot be opened, is not a regular file, or has more than `limit` bytes
    """
    with open(open_regular(path), "rb", buffering=0) as file:
        parts: list[bytes] = []
        total = 0
        while total <= limit:  # files in /proc have no size: read until the end
            part = file.read(limit + 1 - total)
            if not part:
                return b"".join(parts)
            parts.append(part)
            total += len(part)
    raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)


def read_text(path: str, limit: int = SMALL) -> Optional[str]:
    """Return the text of a small file, None where it cannot be read."""
    try:
        return read(path, limit).decode("utf-8", "replace")
    except OSError:
        return None
