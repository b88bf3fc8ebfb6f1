"""Inspect whether an unpacked rattler runtime is complete (installer and audit). Python 3.9, standard library."""

from __future__ import annotations

import csv
import io
import os

from ..host.reading import LARGE, read


def installed_wheel(folder: str) -> str:
    """Return the sha256 of the wheel that a folder was unpacked from; "" where the folder is missing or not whole."""
    try:
        checksum = read(os.path.join(folder, ".complete")).decode("ascii").strip()
        inside = os.listdir(os.path.join(folder, "rattler"))
        ends = "__init__.py" in inside and any(name.endswith(".so") for name in inside)
        return checksum if ends and _sizes_agree(folder) else ""
    except (OSError, ValueError, csv.Error):
        return ""


def _sizes_agree(folder: str) -> bool:
    """Compare an unpacked wheel with its own list (RECORD: path, hash, size)."""
    for name in os.listdir(folder):
        if name.endswith(".dist-info"):
            text = read(os.path.join(folder, name, "RECORD"), LARGE).decode("utf-8")
            for path, _unused, size in (row for row in csv.reader(io.StringIO(text)) if len(row) == 3):
                if size and os.lstat(os.path.join(folder, path)).st_size != int(size):
                    return False
    return True
