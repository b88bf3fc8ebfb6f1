"""Files of a mirror: written in one step, removed with the folders that are empty then."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


def put(path: Path, data: bytes) -> bool:
    """Write a file in one step, unless it is the same already; return whether it was written.

    :raises OSError: where it cannot be written
    """
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return True


def remove(dest: Path, path: str) -> None:
    """Remove a file below a folder, and the folders there that are empty then."""
    (dest / path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for folder in list(Path(path).parents)[:-1]:
            (dest / folder).rmdir()


def read(path: Path) -> bytes | None:
    """Return a file's bytes, None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def sha256(data: bytes) -> str:
    """Return the sha256 of bytes, as hex."""
    return hashlib.sha256(data).hexdigest()
