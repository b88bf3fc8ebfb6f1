"""What is derived from locks, kept for all hosts and runs: the one cache of desired states and install plans.

A kept answer counts only for the same inputs and the same code: its key holds a hash of the sources that derive it, so
that no upgrade is answered by what an older version derived.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ..core import atomic_write

PLUGINS = Path(__file__).resolve().parent.parent.parent
SOURCES = ("plugin_utils/conda", "plugin_utils/core", "plugin_utils/desired", "module_utils/host")
"""The folders whose code takes part in deriving."""

KEPT_SECONDS = 30 * 86400


@cache
def code_version(plugins: Path = PLUGINS) -> str:
    """Return the sha256 of the code that derives, computed once in a process.

    :raises OSError: where a source cannot be read
    """
    total = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((plugins / folder).glob("*.py")):
            total.update(f"{folder}/{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def identity(path: Path) -> list[Any]:
    """Return what changes with any change of a file, without reading it: ctime moves with each.

    :raises OSError: where the file is missing
    """
    status = path.stat()
    return [str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def derived(folder: Path | None, inputs: list[Any], derive: Callable[[], Any]) -> Any:
    """Return what `derive` makes of the inputs, as JSON data; the first process derives, the others wait for it.

    :param folder: where answers are kept; None, or one that cannot be written: derive each time
    :param inputs: JSON data that names the kind of the answer and everything that it depends on, the code apart
    :raises Exception: whatever `derive` raises; nothing is kept then
    """
    if folder is None:
        return derive()
    key = hashlib.sha256(json.dumps([code_version(), *inputs]).encode()).hexdigest()
    place = folder / "derived" / f"{key}.json"
    found = _kept(place)
    if found is not None:
        return found
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        turn = place.with_suffix(".lock").open("a", encoding="utf-8")
    except OSError:
        return derive()
    with turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        found = _kept(place)
        if found is None:
            found = derive()
            with suppress(OSError):
                _keep(place, found)
    return found


def _kept(place: Path) -> Any:
    """Return a kept answer, None where there is none or it is not whole."""
    try:
        checksum, text = place.read_text("utf-8").split("\n", 1)
        return json.loads(text) if hashlib.sha256(text.encode()).hexdigest() == checksum else None
    except (OSError, ValueError):
        return None


def _keep(place: Path, answer: Any) -> None:
    for old in place.parent.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                old.unlink()
    text = json.dumps(answer, separators=(",", ":"))
    atomic_write.write(place, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
