"""The mark and the manifest of a generation, read with mistrust (module_utils/prefix/tree.py writes them)."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Optional

from .reading import Obs, Odd, read, reason

MARK, MANIFEST = ".lockstep/complete", ".lockstep/manifest"


def read_mark(tree: str) -> tuple[Optional[Obs], str]:
    """What the mark of a generation says, and why it is worth nothing ("" where it is).

    The first line is the sha256 of the rest, so that a half-written mark is no mark.
    """
    try:
        seal, body = read(os.path.join(tree, MARK)).decode("utf-8").split("\n", 1)
    except FileNotFoundError:
        return None, "it has no mark: it was never finished"
    except (OSError, Odd) as error:
        return None, reason(error)
    except ValueError:
        return None, "its mark is empty or damaged: it was never finished"
    if hashlib.sha256(body.encode("utf-8")).hexdigest() != seal:
        return None, "its mark does not match its own seal"
    try:
        mark = json.loads(body)
    except (ValueError, RecursionError):
        return None, "its mark is not JSON"
    keys = ("digest", "content", "manifest")
    whole = isinstance(mark, dict) and all(isinstance(mark.get(key), str) for key in keys)
    return (mark, "") if whole else (None, "its mark lacks digest, content or manifest")


def parse_manifest(data: bytes) -> dict[str, tuple[str, int, int, str]]:
    """Map path to (`f` or `l`, size, mtime in ns, sha256).

    :raises ValueError: for a line of another form
    """
    found = {}
    for line in os.fsdecode(data).split("\n"):
        if line:
            kind, size, stamp, digest, path = line.split(" ", 4)
            if kind not in ("f", "l") or len(digest) != 64 or path.startswith("/"):
                raise ValueError(f"line {line[:80]!r}")
            found[path] = (kind, int(size), int(stamp), digest)
    return found
