"""The completion marker of a generation: it says which environment this is. Python 3.9, standard library."""

from __future__ import annotations

import hashlib
import json
import os
from typing import NamedTuple, Optional

from ..host.reading import read, reason

FOLDER = ".lockstep"
MARKER = FOLDER + "/complete"
TYPES = (int, str, str, str, str, str, int)  # of a marker's fields


class Marker(NamedTuple):
    """What a completion marker says; `content` and `manifest` are digests, `packages` is a number."""

    layout: int
    env: str
    platform: str
    digest: str
    content: str
    manifest: str
    packages: int


def marker_text(marker: Marker) -> str:
    """Return a marker's text. It begins with its own checksum, since power may fail while it is written."""
    text = json.dumps(marker._asdict(), sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def read_marker(tree: str) -> tuple[Optional[Marker], str]:
    """Return what a generation's completion marker says, and why it is not valid ("" where it is)."""
    try:
        checksum, _unused, body = read(os.path.join(tree, MARKER)).partition(b"\n")
    except FileNotFoundError:
        return None, "its completion marker is missing: it was never finished"
    except OSError as error:
        return None, f"its completion marker cannot be read: {reason(error)}"
    if not body:
        return None, "its completion marker is empty or cut off: it was never finished"
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        return None, "its completion marker does not match its own checksum"
    try:
        marker = Marker(**json.loads(body))
        valid = tuple(type(value) for value in marker) == TYPES
    except (ValueError, TypeError, RecursionError):
        valid = False
    return (marker, "") if valid else (None, "its completion marker has another form")


def is_complete(tree: str) -> bool:
    """Return whether a generation has a valid completion marker."""
    return read_marker(tree)[0] is not None
