"""Take locks between runs on a host (flock), and explain errors of the system. Python 3.9, standard library."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from .errors import Problem


@contextlib.contextmanager
def error_context(message: str) -> Iterator[None]:
    """Turn an OSError into a Problem that says what could not be done, and for a full disk what to do."""
    try:
        yield
    except OSError as error:
        cause = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        remedy = ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "make room: bin/lockstep-clean removes retired generations and unused packages"
        elif error.errno in (errno.EACCES, errno.EPERM):
            remedy = "give it to the user that Ansible connects as"
        elif error.errno == errno.EROFS:
            remedy = "the disk was mounted read-only, perhaps after an error: see the kernel's log"
        raise Problem(message, cause, remedy) from None


@contextlib.contextmanager
def open_lock(path: str) -> Iterator[int]:
    """Open a lock's file; closing it ends the lock, unless a child has inherited the descriptor.

    It is readable by its owner alone: a user who can read a file can lock it, and so hold up every run.

    :raises Problem: if it cannot be opened
    """
    with error_context(f"{path} cannot be opened"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):
            os.fchmod(handle, 0o600)  # one that an older version made
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def exclusive_lock(path: str, label: str, what: str, patience: float) -> Iterator[int]:
    """Hold a lock exclusively; yield its descriptor.

    :param label: what it protects, for messages
    :param what: what it is held for, for messages of others
    :param patience: seconds to wait
    :raises Problem: if others keep it for longer
    """
    with open_lock(path) as handle:
        wait(handle, False, label, patience)
        sign(handle, what)
        try:
            yield handle
        finally:  # work that has ended is not shown
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)


def try_lock(handle: int) -> bool:
    """Try to take a lock exclusively without waiting; return whether that succeeded."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def wait(handle: int, shared: bool, label: str, patience: float) -> None:
    """Wait for a lock without blocking the process.

    :raises Problem: after `patience` seconds, naming the holder
    """
    deadline = time.monotonic() + patience
    pause = 0.02
    while True:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Problem(
                    f"{label} is busy: {holder(handle)}",
                    f"waited {patience:.0f} s for it",
                    "let that run end, or end it, and run again",
                ) from None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def sign(handle: int, what: str) -> None:
    """Write into a lock's file who holds it. Only for messages: a full disk must not keep the clean from running."""
    _write(handle, {"pid": os.getpid(), "since": int(time.time()), "what": what})


def tell(handle: int, doing: str) -> None:
    """Write the holder's progress into a lock's file, for runs that wait and for the controller during a long build."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        _write(handle, {**json.loads(os.pread(handle, 4096, 0)), "doing": doing})


def _write(handle: int, sign: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(sign).encode(), 0)


def holder(handle: int) -> str:
    """Return who holds a lock, as the holder wrote into its file."""
    try:
        found = json.loads(os.pread(handle, 4096, 0).decode())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["since"]))
        text = f"another run ({found['what']}, pid {found['pid']}) has held it since {since}"
        if found.get("doing"):
            text += f" ({found['doing']})"
        if not os.path.exists(f"/proc/{int(found['pid'])}") and os.path.isdir("/proc/self"):
            text += "; that process has ended, but a child of it is still at work"
        return text
    except (OSError, ValueError, KeyError, TypeError):
        return "another run is at work"
