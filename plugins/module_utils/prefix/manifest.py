"""A generation's list of files. Python 3.9, standard library. On-disk format (layout 1)::

    .lockstep/complete   line 1: sha256 of the rest; then JSON {"layout", "env", "platform", "digest", "content",
                         "manifest": <sha256 of .lockstep/manifest>, "packages": <count>}
    .lockstep/manifest   one line for each file or symbolic link of the tree but these two, sorted by path:
                         `f <size> <mtime_ns> <sha256> <path>` or `l 0 0 <sha256 of the link's text> <path>`

The completion marker holds the checksum of the manifest, and the manifest those of all files. A tree without a valid
marker is unfinished, whatever its name.
"""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple, Optional

from ..host.reading import HUGE, read
from .marker import FOLDER, MARKER, read_marker

MANIFEST = FOLDER + "/manifest"
NOT_LISTED = frozenset((MARKER, MANIFEST))


class Entry(NamedTuple):
    """One line of a manifest; `kind` is "f" or "l", sizes are bytes, times nanoseconds."""

    kind: str
    size: int
    mtime_ns: int
    sha256: str


def manifest_text(entries: dict[str, Entry]) -> str:
    """Write a manifest's text, sorted by path."""
    return "".join(
        f"{entry.kind} {entry.size} {entry.mtime_ns} {entry.sha256} {path}\n" for path, entry in sorted(entries.items())
    )


def parse_manifest(data: bytes) -> dict[str, Entry]:
    """Read a manifest's text.

    :raises ValueError: if a line has another form
    """
    entries = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        kind, size, mtime, digest, path = line.split(" ", 4)
        if kind not in ("f", "l") or len(digest) != 64 or path.startswith("/"):
            raise ValueError(f"line {line[:80]!r} has another form")
        entries[path] = Entry(kind, int(size), int(mtime), digest)
    return entries


def read_manifest(tree: str, checksum: str) -> dict[str, Entry]:
    """Read a generation's manifest.

    :param checksum: the sha256 that its completion marker holds
    :raises OSError: if it cannot be read
    :raises ValueError: if it is another one, or malformed
    """
    data = read(os.path.join(tree, MANIFEST), HUGE)
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ValueError("its checksum is not the one in the completion marker")
    return parse_manifest(data)


def verified_manifest(tree: str) -> Optional[dict[str, Entry]]:
    """Return the manifest of a complete generation, None where marker or manifest is not valid."""
    marker, _unused = read_marker(tree)
    try:
        return read_manifest(tree, marker.manifest) if marker else None
    except (OSError, ValueError):
        return None
