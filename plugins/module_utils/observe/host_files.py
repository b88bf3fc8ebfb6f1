"""What the project itself put on a host: folders, the rattler runtime, programs and units."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any

from ..build.runtime_inspection import installed_wheel
from ..host.reading import reason
from ..prefix.hashing import sha256_file
from .notes import Notes, Obs


def file_state(path: str, expected: str = "") -> str:
    """ "" where a file has the expected sha256, else its own sha256, or why there is none."""
    try:
        found = sha256_file(path)
        return "" if found == expected else found
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return "unreadable: " + reason(error)


def see_files(base: str, files: dict[str, Any]) -> Obs:
    """Those of some files that are not as expected (sha256, or sha256 and mode), and what was found instead."""
    found: Obs = {}
    for path in sorted(files):
        expected, mode = files[path] if isinstance(files[path], (list, tuple)) else (files[path], None)
        state = file_state(os.path.join(base, path), expected)
        if not state:
            now = stat.S_IMODE(os.lstat(os.path.join(base, path)).st_mode)
            if now & 0o022 or (mode is not None and now != mode):
                state = "mode {:04o}{}".format(now, "" if mode is None else f", not {mode:04o}")
        if state:
            found[path] = state
    return found


def see_folders(root: str) -> Obs:
    """Those of our own folders that another user owns, or that others may write to."""
    found = {}
    owner = os.stat(root).st_uid
    names = ["", "bin", "rattler", "envs", "generations", "miniconda", "pkgs", "state", "wheels"]
    for folder in ("rattler", "generations"):  # who may write to one of these can exchange what is in it
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names += [f"{folder}/{name}" for name in sorted(os.listdir(os.path.join(root, folder))) if name[0] != "."]
    for name in names:
        path = os.path.join(root, name)
        try:
            status = os.lstat(path) if name else os.stat(path)
        except FileNotFoundError:
            continue
        if status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode):
            found[name or "."] = f"others may write to it ({stat.S_IMODE(status.st_mode):04o})"
        elif status.st_uid != owner:
            found[name] = f"belongs to uid {status.st_uid}, and the root to uid {owner}"
    return found


def see_rattler(root: str, notes: Notes) -> Obs:
    """Return the rattler runtimes (folder to sha256 of its wheel, "" if incomplete) and the folders of host files."""
    result: Obs = {"versions": {}, "tools": []}
    folder = os.path.join(root, "rattler")
    if not os.path.isdir(folder):
        return result
    for name in sorted(os.listdir(folder))[:50]:
        if name.startswith("tools-"):
            result["tools"].append(name)
        elif name[:1].isdigit():
            result["versions"][name] = installed_wheel(os.path.join(folder, name))[:100]
    return result
