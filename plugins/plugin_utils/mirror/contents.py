"""Make and read the list of a mirror's contents: contents.json for programs, lines of text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...module_utils.host.disk_space import human
from .items import Item, Wanted
from .layout import SHA256, safe

SCHEMA = 1

Entries = Mapping[str, Mapping[str, Any]]
"""The entries of the list of contents, by path."""

_KINDS = {"conda": "package", "miniconda": "installer", "rattler": "rattler wheel", "pip": "pip wheel"}


def make_entry(item: Item, size: int) -> dict[str, Any]:
    """Return a file's entry in the list of contents; `size` in bytes."""
    return {
        "sha256": item.sha256, "size": size, "kind": item.kind, "name": item.name, "version": item.version,
        "url": item.url, "uses": list(item.uses),
    }  # fmt: skip


def to_json(want: Wanted, files: Entries, indexes: Mapping[str, str]) -> str:
    """Return the text of `contents.json`: the same for the same locks and files, without time, host or source.

    :param files: entries by path, also of files that no lock needs any more
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


def from_json(text: str) -> dict[str, Any] | None:
    """Return the data of a list of contents, None if the text is malformed; it may come from another machine."""
    try:
        data = json.loads(text)
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


def tier_lines(want: Wanted, files: Entries, tier: str) -> list[str]:
    """Return a line for each lock and platform of a tier: packages, size and lock."""
    lines = []
    for one in want.locks:
        if one.tier != tier:
            continue
        for platform in sorted(set(one.lock.platforms) & set(want.platforms)):
            used = [file for file in files.values() if one.use(platform) in file["uses"]]
            kind = "previous lock" if one.previous else "lock"
            lines.append(
                f"{one.env:<12} {platform:<15} {len(used):>4} packages  "
                f"{human(sum(file['size'] for file in used)):>9}  {kind} {one.sha256[:12]}"
            )
    return lines


def count_line(files: Iterable[Mapping[str, Any]]) -> str:
    """Return how many files of each kind there are, and their size: "5 packages, 1 installer, 12 MB"."""
    count: dict[str, int] = {}
    total = 0
    for file in files:
        count[file["kind"]] = count.get(file["kind"], 0) + 1
        total += file["size"]
    parts = [f"{count[kind]} {word}{'s' * (count[kind] > 1)}" for kind, word in _KINDS.items() if kind in count]
    return ", ".join([*parts, human(total)])


def summary(dest: Path, want: Wanted, files: Entries, prunable: Mapping[str, int]) -> list[str]:
    """Return lines about all tiers of the mirror, and about what prune would remove (bytes by path)."""
    lines = [f"{dest}: {count_line([file for file in files.values() if file['uses']])}"]
    for tier in want.tiers:
        lines += [f"{tier:<6} {line}" for line in tier_lines(want, files, tier)]
    if prunable:
        lines.append(
            f"{len(prunable)} files that no chosen lock needs stay, {human(sum(prunable.values()))}; "
            "-e prune=true removes them"
        )
    return lines
