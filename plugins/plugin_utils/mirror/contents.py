"""The list of contents: what all of a mirror is, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .layout import SHA256, safe
from .plan import Item, Wanted

SCHEMA = 1


def text(want: Wanted, files: Mapping[str, Mapping[str, Any]], indexes: Mapping[str, str]) -> str:
    """Return the text of `contents.json`: the same for the same locks and files, without time, host or source.

    :param files: by path: what `entry` returns, also of files that nothing needs any more
    :param indexes: sha256 by path of what is made from the files
    """
    data = {
        "schema": SCHEMA,
        "platforms": list(want.platforms),
        "locks": [
            {"path": one.path, "sha256": one.sha256, "platforms": sorted(one.lock.platforms)}
            for one in sorted(want.locks, key=lambda one: one.path)
        ],
        "files": [{"path": path, **files[path]} for path in sorted(files)],
        "indexes": dict(sorted(indexes.items())),
    }
    return json.dumps(data, indent=1, ensure_ascii=True) + "\n"


def entry(item: Item, size: int) -> dict[str, Any]:
    """Return what the list of contents says of a file."""
    return {
        "sha256": item.sha256, "size": size, "kind": item.kind, "name": item.name, "version": item.version,
        "url": item.url, "uses": list(item.uses),
    }  # fmt: skip


def read(said: str) -> dict[str, Any] | None:
    """Return a list of contents as data, None where the text is none of ours; it may come from another machine."""
    try:
        data = json.loads(said)
        if data["schema"] != SCHEMA:
            return None
        for file in data["files"]:
            if not safe(file["path"]) or not SHA256.match(file["sha256"]) or not isinstance(file["size"], int):
                return None
        if not all(safe(path) and isinstance(sha, str) for path, sha in data["indexes"].items()):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return dict(data)
