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
    handle, temporary = tempfile.mkstemp(prefix=prefix, suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
