"""Cache what is derived from locks, desired states and install plans, for all hosts and runs.

The key of an entry holds its inputs and a hash of the code that derives it. So an upgrade never reads what an older
version derived.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ..core import atomic_write
from ..core.digest import sha256, sha256_file

PLUGINS = Path(__file__).resolve().parent.parent.parent
SOURCES = ("plugin_utils/conda", "plugin_utils/core", "plugin_utils/desired", "module_utils/host")
"""The folders of the code that derives."""

KEPT_SECONDS = 30 * 86400


@cache
def code_version(plugins: Path = PLUGINS) -> str:
    """Return the sha256 of the code that derives; it is computed once in a process.

    :raises OSError: if a source cannot be read
    """
    files = [file for folder in SOURCES for file in sorted((plugins / folder).glob("*.py"))]
    return sha256("".join(f"{file.relative_to(plugins)}\0{sha256_file(file)}\n" for file in files).encode())


def identity(path: Path) -> list[Any]:
    """Return data that changes with every change of a file (ctime does), without reading it.

    :raises OSError: if the file is missing
    """
    status = path.stat()
    return [str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def derived(folder: Path | None, inputs: list[Any], derive: Callable[[], Any]) -> Any:
    """Return the result of `derive`, from the cache if possible. One process derives; others wait for its result.

    :param folder: the folder of the cache; if it is None or cannot be written, derive each time
    :param inputs: JSON data: the kind of the result, and all that it depends on except the code
    :param derive: returns JSON data
    :raises Exception: what `derive` raises; nothing is cached then
    """
    if folder is None:
        return derive()
    key = sha256(json.dumps([code_version(), *inputs]).encode())
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
    """Return a cached result; None if there is none, or its checksum is wrong."""
    try:
        checksum, text = place.read_text("utf-8").split("\n", 1)
        return json.loads(text) if sha256(text.encode()) == checksum else None
    except (OSError, ValueError):
        return None


def _keep(place: Path, answer: Any) -> None:
    for old in place.parent.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                old.unlink()
    text = json.dumps(answer, separators=(",", ":"))
    atomic_write.write(place, f"{sha256(text.encode())}\n{text}")
