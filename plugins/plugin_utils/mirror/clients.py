"""What clients read of a mirror: indexes and lists, made from its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import contents, files, index, simple, summary
from .layout import CONTENTS
from .mirror import Mirror

Entries = Mapping[str, Mapping[str, Any]]
"""What the list of contents says of files, by path."""

RECORDS = "records.json"
"""Below the mirror's state: what archives say of themselves, by their sha256."""


def entries_of(mirror: Mirror, kept: Entries, sizes: Mapping[str, int]) -> dict[str, Mapping[str, Any]]:
    """Return the list of contents' entries.

    :param kept: entries of what nothing needs any more
    :param sizes: bytes by path of files that are not there (yet)
    """
    found = dict(kept)
    for path, item in mirror.want.items.items():
        size = sizes[path] if path in sizes else (mirror.dest / path).stat().st_size
        found[path] = contents.entry(item, size)
    return found


def records_of(mirror: Mirror, sha256: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return by sha256 what archives say of themselves; read from those that are not remembered.

    :param sha256: of the archives, by path
    """
    remembered = _remembered(mirror.state / RECORDS)
    new = sorted(path for path, sha in sha256.items() if sha not in remembered)
    for path, own in index.read_records(mirror.dest, new).items():
        remembered[sha256[path]] = own
    return {sha: remembered[sha] for sha in sorted(set(sha256.values()))}


def _remembered(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return {str(key): dict(value) for key, value in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def of_kind(mirror: Mirror, kept: Entries, kind: str) -> dict[str, str]:
    """Return the sha256 of all files of a kind, by path."""
    found = {path: item.sha256 for path, item in mirror.want.items.items() if item.kind == kind}
    return found | {path: entry["sha256"] for path, entry in kept.items() if entry["kind"] == kind}


def indexes_of(mirror: Mirror, kept: Entries, records: Mapping[str, dict[str, Any]]) -> dict[str, bytes]:
    """Return all indexes by path."""
    sha256, wanted = of_kind(mirror, kept, "conda"), mirror.want.items
    found = {}
    for folder in _folders(mirror, sha256):
        before = index.former(mirror.dest / folder / index.REPODATA)
        listed = {}
        for path, sha in sha256.items():
            if path.rpartition("/")[0] != folder:
                continue
            name = path.rpartition("/")[2]
            if path in wanted:
                listed[name] = index.record(wanted[path], records[sha])
            else:  # no lock names it any more: as it was listed before
                listed[name] = before[name] if before.get(name, {}).get("sha256") == sha else records[sha]
        found[f"{folder}/{index.REPODATA}"] = index.repodata(folder.rpartition("/")[2], listed)
    return found | simple.simple_pages(of_kind(mirror, kept, "pip"))


def _folders(mirror: Mirror, sha256: Mapping[str, str]) -> list[str]:
    """Return the folders that have an index: those of the locks, of all archives, and what was indexed before."""
    folders = {f"{channel}/{subdir}" for channel, subdir in mirror.want.subdirs}
    folders |= {path.rpartition("/")[0] for path in sha256}
    if not mirror.settings.prune:
        folders |= {p.rpartition("/")[0] for p in mirror.former["indexes"] if p.endswith("/" + index.REPODATA)}
    return sorted(folders)


def lists_of(mirror: Mirror, entries: Entries, indexes: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the list of contents, and one for people for each tier, by path."""
    found = {CONTENTS: contents.text(mirror.want, entries, {p: files.sha256(d) for p, d in indexes.items()}).encode()}
    for tier in mirror.want.tiers:
        of_tier = [entry for entry in entries.values() if any(use.startswith(tier + "/") for use in entry["uses"])]
        lines = [f"{tier}: {summary.sizes(of_tier)}", *summary.of_tier(mirror.want, entries, tier), ""]
        found[f"contents-{tier}.txt"] = "\n".join(lines).encode()
    return found


def stale_files(mirror: Mirror, indexes: Mapping[str, bytes], lists: Mapping[str, bytes]) -> list[str]:
    """Return indexes that are no more, and other forms of those that are (which would contradict them)."""
    found = set(mirror.former["indexes"]) - set(indexes)
    found |= {path.name for path in mirror.dest.glob("contents-*.txt")} - set(lists)
    for path in indexes:
        folder, _unused, name = path.rpartition("/")
        if name == index.REPODATA:
            found |= {f"{folder}/{other}" for other in index.OTHER_FORMS}
    return sorted(path for path in found if (mirror.dest / path).is_file())
