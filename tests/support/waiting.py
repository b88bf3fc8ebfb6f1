"""Waiting in tests: for what is to become true, not for a time in which it usually does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 120.0  # seconds: only a test that fails waits as long


def until(found: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """What `found` gives as soon as it gives something true; AssertionError with `what` when it never does."""
    deadline = time.monotonic() + patience
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"after {patience:.0f} s still not: {what}"
        time.sleep(0.02)


@contextmanager
def held(in_use_lock: str | Path, how: str) -> Iterator[None]:
    """Another process holds a lock file, shared (`-s`) or alone (`-x`), from now to the end of the block."""
    command = ["flock", how, "--no-fork", str(in_use_lock), "sh", "-c", "echo held; exec sleep 3600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout and holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.kill()


def freed(in_use_lock: str | Path) -> None:
    """Wait until no process holds a lock file: the kernel releases an in-use lock a moment after its holder's
    death.
    """
    done = subprocess.run(["flock", "-x", "-w", f"{PATIENCE:.0f}", str(in_use_lock), "true"], check=False)
    assert done.returncode == 0, f"{in_use_lock} is still held after {PATIENCE:.0f} s"
