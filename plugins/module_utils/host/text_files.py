"""Write a few small text files, atomically, as an ordinary user."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from .errors import Problem


def state_of(path: str) -> dict[str, Any]:
    """Return `{"text": str | None, "mode": int | None}` of a path; None if there is no regular file."""
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return {"text": None, "mode": None}
        with open(path, encoding="utf-8", errors="replace") as file:
            return {"text": file.read(), "mode": os.stat(path).st_mode & 0o7777}
    except OSError as error:
        raise Problem(f"{path} cannot be read", str(error)) from None


def mode_of(text: str) -> int:
    """Read a mode like "0644".

    :raises Problem: if it is none
    """
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise Problem(f"mode {text!r} is none", "it is not three or four octal digits", 'write it like "0644"')
    return mode


def write(path: str, text: str, mode: int, make_folder: bool = True) -> None:
    """Put a file in place in one step; what was there before stays whole until then.

    :param make_folder: whether a missing folder is made
    :raises Problem: if the folder is missing and not to be made, cannot be made or written, or the disk is full
    """
    folder = os.path.dirname(path)
    if not make_folder and not os.path.isdir(folder):
        raise Problem(f"{path} cannot be written", f"{folder} is not there", "run the role that makes it first")
    temporary = ""
    try:
        os.makedirs(folder, 0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise Problem(
            f"{path} cannot be written",
            str(error),
            "make room, or give the folder to the user that Ansible connects as",
        ) from None


def difference(path: str, text: str, mode: int) -> dict[str, str] | None:
    """Return Ansible's diff of one file; None if nothing differs."""
    have = state_of(path)
    if have["text"] == text and have["mode"] == mode:
        return None
    before = "" if have["text"] is None else have["text"]
    if have["text"] == text:
        return {
            "before_header": path,
            "after_header": path,
            "before": f"mode {have['mode']:04o}\n",
            "after": f"mode {mode:04o}\n",
        }
    return {"before_header": path, "after_header": path, "before": before, "after": text}
