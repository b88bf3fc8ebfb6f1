"""What is there of a mirror: which files are missing, and which nothing needs any more."""

from __future__ import annotations

import os
from typing import Any

from ...module_utils.host.disk_space import human
from ..net import wheel_cache
from .index import is_archive
from .mirror import SHOWN, Mirror
from .plan import Item
from .progress import Progress
from .workers import each


def missing_items(mirror: Mirror, write: bool) -> list[Item]:
    """Return what is to be fetched; files that are there are hashed unless they are believed."""
    dest, missing, doubtful = mirror.dest, [], []
    for item in mirror.want.items.values():
        try:
            status = (dest / item.path).stat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(item)
            continue
        if mirror.settings.verify or not mirror.seen.believed(item.path, item.sha256, status):
            doubtful.append(item)
    if doubtful:
        total = sum((dest / item.path).stat().st_size for item in doubtful)
        mirror.say(f"mirror: hashing {len(doubtful)} files that are there, {human(total)}")
        progress = Progress(mirror.say, len(doubtful), total)

        def look(item: Item) -> None:
            found = wheel_cache.sha256_of(dest / item.path)
            progress.arrive((dest / item.path).stat().st_size)
            progress.finish()
            with progress.guard:
                if found == item.sha256:
                    mirror.seen.add(dest, item.path, found, write)
                else:
                    missing.append(item)
                    mirror.outcome.repaired.append(item.path)

        each(mirror, look, doubtful, progress, os.cpu_count() or 2)
    return sorted(missing, key=lambda item: item.path)


def needless_files(mirror: Mirror) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Return what nothing needs any more: files to keep listed (without prune), and the size of all by path.

    What this or an earlier run did not put there is not touched, whatever it is, and named in a note.
    """
    listed = {file["path"]: file for file in mirror.former["files"]}
    gone: dict[str, int] = {}
    kept = {}
    for path in sorted(({*listed, *mirror.seen.entries}) - set(mirror.want.items)):
        try:
            status = (mirror.dest / path).stat()
        except OSError:
            continue
        gone[path] = status.st_size
        # a file that a killed run fetched and nothing ever listed stays unlisted
        if path in listed and not mirror.settings.prune and _unchanged(mirror, path, listed[path]["sha256"], status):
            kept[path] = {**{k: v for k, v in listed[path].items() if k != "path"}, "uses": []}
    if foreign := _foreign(mirror, {*gone, *mirror.want.items}):
        mirror.outcome.notes.append(
            f"not the mirror's own, left alone and not listed: {', '.join(foreign[:SHOWN])}"
            + (f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else "")
        )
    return kept, gone


def _unchanged(mirror: Mirror, path: str, sha256: str, status: os.stat_result) -> bool:
    if not mirror.settings.verify and mirror.seen.believed(path, sha256, status):
        return True
    same = wheel_cache.sha256_of(mirror.dest / path) == sha256
    if not same:
        mirror.outcome.notes.append(f"{path}, which no chosen lock needs, is damaged and no longer listed")
    return same


def _foreign(mirror: Mirror, own: set[str]) -> list[str]:
    """Return the archives in the channels' folders that are not the mirror's own."""
    folders = {f"{channel}/{subdir}" for channel, subdir in mirror.want.subdirs}
    return sorted(
        f"{folder}/{entry.name}"
        for folder in folders
        if (mirror.dest / folder).is_dir()
        for entry in (mirror.dest / folder).iterdir()
        if is_archive(entry.name) and f"{folder}/{entry.name}" not in own
    )
