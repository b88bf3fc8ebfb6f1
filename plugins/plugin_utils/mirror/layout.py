"""Define the layout of a mirror's folder; write, read and remove files in it.

<dest>/<channel>/<subdir>/…conda, repodata.json    a channel for conda, micromamba and py-rattler
<dest>/<host>/<path>/<subdir>/…                    a channel that locks name by its url, to serve as that host
<dest>/miniconda/<installer>   <dest>/rattler/<wheel>   <dest>/simple/<name>/<wheel>, index.html (PEP 503)
<dest>/contents.json           the list of all files, for programs; written last
<dest>/contents-<tier>.txt     the same for people
<dest>/.lockstep/              partial downloads and what was hashed; clients do not read it
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from ...module_utils.host import install_plan as plans
from ...module_utils.host.errors import Problem
from ..conda import channels as chan

MINICONDA, RATTLER, SIMPLE = "miniconda", "rattler", "simple"
"""Folders beside the channels. A site's variables name them; the local fleet's channel has the same ones."""

CONTENTS, STATE = "contents.json", ".lockstep"
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def path_of(url: str) -> str:
    """Return the path of a published url in the mirror: below the channel alias's folder, or below its host's name."""
    if url.startswith(chan.PUBLISHED_ALIAS + "/"):
        return url[len(chan.PUBLISHED_ALIAS) + 1 :]
    scheme, _unused, rest = url.partition("://")
    place = "local" + rest if scheme == "file" else rest.replace(":", "_", 1)
    return "/".join(part.lstrip(".") for part in place.split("/") if part.strip("."))


def channel_folder(channel: str) -> str:
    """Return a channel's folder in the mirror.

    :raises Problem: if the folder has another use there
    """
    base = chan.published(channel)
    folder = path_of(base)
    if folder.split("/")[0] in (MINICONDA, RATTLER, SIMPLE):
        raise Problem(
            f"channel {channel} cannot be mirrored",
            f"the mirror's folder {folder} has another use",
            "give the channel another name",
        )
    return folder


def below(base: str, path: str) -> str:
    """Return the url of a path below a url."""
    return f"{base.rstrip('/')}/{path}"


def safe(path: Any) -> bool:
    """Return whether a path stays below the mirror and out of its hidden folders."""
    if not isinstance(path, str) or not path or plans.CONTROL.search(path):
        return False
    return all(part and not part.startswith(".") for part in path.split("/"))


def write_file(path: Path, data: bytes) -> bool:
    """Write a file in one step unless it has these bytes already; return whether it was written.

    The temporary name is fixed: one run holds the mirror's lock, and the next run overwrites what a killed one left.

    :raises OSError: if it cannot be written
    """
    if read_file(path) == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return True


def read_file(path: Path) -> bytes | None:
    """Return a file's bytes, None if there is no file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_file(dest: Path, path: str) -> None:
    """Remove a file below a folder, and the folders there that are then empty."""
    (dest / path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for folder in list(Path(path).parents)[:-1]:
            (dest / folder).rmdir()
