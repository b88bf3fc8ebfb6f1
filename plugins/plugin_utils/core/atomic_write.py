"""Write a file atomically: the whole file or nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

_LEFTOVER_AGE = 3600  # seconds after which the temporary file of a killed run is removed


def write(path: Path, content: str | bytes) -> None:
    """Write to a temporary file, sync it, and rename it: a killed run leaves the old file. Mode 0644; makes the folder.

    Also remove the temporary files of runs that were killed more than an hour ago.

    :raises OSError: if the file cannot be written
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    for leftover in path.parent.glob(f"{prefix}*.new"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE:
                leftover.unlink()
    _write(path, content.encode() if isinstance(content, str) else content, 0o644, sync=True)


def write_private(path: Path, text: str) -> None:
    """Write to a temporary file and rename it, without syncing (for data that can be made again); mode 0600.

    Characters that UTF-8 cannot encode are written as escapes.

    :raises OSError: if the file cannot be written
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(path, text.encode(errors="backslashreplace"), 0o600, sync=False)


def _write(path: Path, data: bytes, mode: int, *, sync: bool) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if sync:
                os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
