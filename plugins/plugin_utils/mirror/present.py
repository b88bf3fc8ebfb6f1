"""Inspect a mirror: find the files that are missing, and those that no lock needs any more."""

from __future__ import annotations

import os
from typing import Any

from ...module_utils.host.disk_space import human
from ..core.digest import sha256_file
from .index import is_archive
from .items import Item
from .mirror import SHOWN, Mirror
from .workers import Progress, for_each


def missing_items(mirror: Mirror, write: bool) -> list[Item]:
    """Return the files to fetch. Hash files that are there, unless size and time are those of the last hash.

    :param write: whether later runs may rely on these hashes
    """
    dest, missing, unverified = mirror.dest, [], []
    for item in mirror.want.items.values():
        try:
            status = (dest / item.path).stat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(item)
            continue
        if mirror.settings.verify or not mirror.hashed.unchanged(item.path, item.sha256, status):
            unverified.append(item)
    if unverified:
        total = sum((dest / item.path).stat().st_size for item in unverified)
        mirror.report(f"mirror: hashing {len(unverified)} files that are there, {human(total)}")
        progress = Progress(mirror.report, len(unverified), total)

        def verify(item: Item) -> None:
            found = sha256_file(dest / item.path)
            progress.add_bytes((dest / item.path).stat().st_size)
            progress.finish_file()
            with progress.guard:
                if found == item.sha256:
                    mirror.hashed.add(dest, item.path, found, write)
                else:
                    missing.append(item)
                    mirror.outcome.repaired.append(item.path)

        for_each(mirror, verify, unverified, progress, os.cpu_count() or 2)
    return sorted(missing, key=lambda item: item.path)


def needless_files(mirror: Mirror) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Return the files that no lock needs any more: entries of those to keep listed, and bytes of all, by path.

    Files that no run of the mirror put there stay as they are, and a note names them.
    """
    listed = {file["path"]: file for file in mirror.former["files"]}
    gone: dict[str, int] = {}
    kept = {}
    for path in sorted(({*listed, *mirror.hashed.entries}) - set(mirror.want.items)):
        try:
            status = (mirror.dest / path).stat()
        except OSError:
            continue
        gone[path] = status.st_size
        # a file that a killed run fetched and that was never listed stays unlisted
        if path in listed and not mirror.settings.prune and _unchanged(mirror, path, listed[path]["sha256"], status):
            kept[path] = {**{k: v for k, v in listed[path].items() if k != "path"}, "uses": []}
    if foreign := _foreign(mirror, {*gone, *mirror.want.items}):
        mirror.outcome.notes.append(
            f"not put there by the mirror, so neither listed nor removed: {', '.join(foreign[:SHOWN])}"
            + (f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else "")
        )
    return kept, gone


def _unchanged(mirror: Mirror, path: str, sha256: str, status: os.stat_result) -> bool:
    """Return whether a file still has its sha256; note a damaged one."""
    if not mirror.settings.verify and mirror.hashed.unchanged(path, sha256, status):
        return True
    same = sha256_file(mirror.dest / path) == sha256
    if not same:
        mirror.outcome.notes.append(f"{path}, which no chosen lock needs, is damaged and no longer listed")
    return same


def _foreign(mirror: Mirror, own: set[str]) -> list[str]:
    """Return the archives in the channels' folders that are not in `own`."""
    folders = {f"{channel}/{subdir}" for channel, subdir in mirror.want.subdirs}
    return sorted(
        f"{folder}/{entry.name}"
        for folder in folders
        if (mirror.dest / folder).is_dir()
        for entry in (mirror.dest / folder).iterdir()
        if is_archive(entry.name) and f"{folder}/{entry.name}" not in own
    )
