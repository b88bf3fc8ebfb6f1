"""How the observer reads: regular files only, bounded in bytes and time, keeping account of what it could not read."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from typing import Any, Optional

SMALL, LARGE, HUGE = 64 << 10, 8 << 20, 256 << 20  # bounds, in bytes, of what is read of one file
Obs = dict[str, Any]


class Odd(Exception):
    """What is there is no regular file, or larger than anything that may be read."""


class OutOfTime(Exception):
    """The request's `seconds` are over."""


class Seen:
    """What goes with one look at a host: the clock, errors, and the sha256 of inodes that were read already."""

    def __init__(self, depth: str, cap: int, seconds: float, workers: int) -> None:
        self.depth, self.cap, self.workers = depth, cap, workers
        self.end = time.monotonic() + seconds
        self.errors: list[dict[str, str]] = []
        self.sums: dict[tuple[int, int, int, int], str] = {}

    def error(self, what: str, why: object) -> None:
        """Record something that could not be looked at; nobody may take it for in order."""
        if len(self.errors) < 50:
            self.errors.append({"what": what, "why": redact(reason(why))[:300]})

    def tick(self) -> None:
        """Stop where the time is over.

        :raises OutOfTime: then
        """
        if time.monotonic() > self.end:
            raise OutOfTime("the time given for looking at this host was over")


def reason(why: object) -> str:
    """An exception in a few words, without Python's decoration."""
    if isinstance(why, OSError) and why.strerror:
        return f"{why.strerror}: {why.filename}" if why.filename else why.strerror
    return f"{type(why).__name__}: {why}" if isinstance(why, Exception) else str(why)


def redact(text: str) -> str:
    """Take user names, passwords, channel tokens and secret parameters out of addresses."""
    text = re.sub(r"(//)[^/@\s\"']+@", r"\1***@", text)
    text = re.sub(r"(/t/)[^/\s\"']+", r"\1***", text)
    return re.sub(r"(?i)([?&][^=&\s]*(?:token|key|secret|sig|signature|password)[^=&\s]*=)[^&\s\"']+", r"\1***", text)


def _open(path: str) -> int:
    """Open a regular file for reading: never through a link, never a pipe or device, its access time left alone."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # O_NOATIME is for owners
        handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Odd("not a regular file")
    return handle


def read(path: str, limit: int = SMALL) -> bytes:
    """Read a whole regular file.

    :raises OSError: where it cannot be opened
    :raises Odd: where it is no regular file, or has more than `limit` bytes
    """
    handle = _open(path)
    with open(handle, "rb", buffering=0) as file:
        parts: list[bytes] = []
        total = 0
        while total <= limit:  # /proc's files have no size: read until the end
            part = file.read(limit + 1 - total)
            if not part:
                return b"".join(parts)
            parts.append(part)
            total += len(part)
    raise Odd(f"larger than {limit} bytes")


def read_text(path: str, limit: int = SMALL) -> Optional[str]:
    """The text of a small file, None where there is none (or no readable one)."""
    try:
        return read(path, limit).decode("utf-8", "replace")
    except (OSError, Odd):
        return None


def sha256(path: str, seen: Optional[Seen] = None) -> str:
    """The sha256 of a regular file, remembered by inode: environments share theirs.

    :raises OSError: where it cannot be read
    :raises Odd: where it is no regular file
    """
    handle = _open(path)
    with open(handle, "rb", buffering=0) as file:
        now = os.fstat(handle)
        key = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns)
        if seen is not None and key in seen.sums:
            return seen.sums[key]
        total = hashlib.sha256()
        while True:
            block = file.read(1 << 20)
            if not block:
                break
            total.update(block)
            if seen is not None:
                seen.tick()
        if seen is not None:
            seen.sums[key] = total.hexdigest()
        return total.hexdigest()
