"""One finished engine per folder of the cache: made aside, renamed when whole, by one process at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .places import PROGRAMS, say


def whole(folder: Path) -> bool:
    """Return whether a folder holds every program of an engine."""
    return all(os.access(folder / name, os.X_OK) for name in PROGRAMS)


@contextmanager
def only_one(store: Path) -> Iterator[None]:
    """Hold the store's lock; the second one waits, says so, and finds the work done."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is preparing the engine; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def once(store: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return `store/name`, made by `make(folder)` if it is not there yet.

    What a killed process left half done lies under a name of its own and goes when the next one holds the lock. A
    rename publishes, so that a folder under its final name is always whole.

    :raises EngineError: whatever `make` raises passes through, and nothing is left behind
    """
    target = store / name
    if whole(target):
        return target
    with only_one(store):
        for left in store.glob(".making-*"):
            shutil.rmtree(left, ignore_errors=True)
        if whole(target):
            return target
        aside = Path(tempfile.mkdtemp(prefix=".making-", dir=store))
        try:
            make(aside)
            missing = [name for name in PROGRAMS if not os.access(aside / name, os.X_OK)]
            if missing:
                raise RuntimeError(f"the engine came without {', '.join(missing)}")
            aside.chmod(0o755)
            if target.exists():  # damaged by hand: it failed the test above
                shutil.rmtree(target)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target
