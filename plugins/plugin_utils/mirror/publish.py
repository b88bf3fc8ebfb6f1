"""Make the indexes and lists that clients read, and publish them in an order that survives a kill at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...module_utils.host import fs
from ..core.digest import sha256
from . import contents, index
from .contents import Entries
from .layout import CONTENTS, read_file, remove_file, write_file
from .mirror import Mirror

RECORDS = "records.json"
"""Below the mirror's state: the records that were read from archives, by the archive's sha256."""


def make_entries(mirror: Mirror, kept: Entries, sizes: Mapping[str, int]) -> dict[str, Mapping[str, Any]]:
    """Return the entries of the list of contents.

    :param kept: entries of files that no lock needs any more
    :param sizes: bytes by path of files that are not there (yet)
    """
    found = dict(kept)
    for path, item in mirror.want.items.items():
        size = sizes[path] if path in sizes else (mirror.dest / path).stat().st_size
        found[path] = contents.make_entry(item, size)
    return found


def read_records(mirror: Mirror, archives: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the records of archives by their sha256; read only those archives that no earlier run has read.

    :param archives: sha256 by path
    :raises Problem: if an archive is no conda package
    """
    remembered = _remembered_records(mirror)
    new = sorted(path for path, sha in archives.items() if sha not in remembered)
    for path, own in index.read_records(mirror.dest, new).items():
        remembered[archives[path]] = own
    return {sha: remembered[sha] for sha in sorted(set(archives.values()))}


def _remembered_records(mirror: Mirror) -> dict[str, dict[str, Any]]:
    try:
        data = json.loads((mirror.state / RECORDS).read_bytes())
        return {str(key): dict(value) for key, value in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def files_of_kind(mirror: Mirror, kept: Entries, kind: str) -> dict[str, str]:
    """Return the sha256 of all files of a kind, by path."""
    found = {path: item.sha256 for path, item in mirror.want.items.items() if item.kind == kind}
    return found | {path: entry["sha256"] for path, entry in kept.items() if entry["kind"] == kind}


def make_indexes(mirror: Mirror, kept: Entries, records: Mapping[str, dict[str, Any]]) -> dict[str, bytes]:
    """Return the bytes of all indexes (channels, and the package index for pip), by path."""
    archives, wanted = files_of_kind(mirror, kept, "conda"), mirror.want.items
    found = {}
    for folder in _index_folders(mirror, archives):
        before = index.read_repodata(mirror.dest / folder / index.REPODATA)
        listed = {}
        for path, sha in archives.items():
            parent, _unused, name = path.rpartition("/")
            if parent != folder:
                continue
            if path in wanted:
                listed[name] = index.make_record(wanted[path], records[sha])
            else:  # no lock names it any more: it stays as it was listed
                listed[name] = before[name] if before.get(name, {}).get("sha256") == sha else records[sha]
        found[f"{folder}/{index.REPODATA}"] = index.make_repodata(folder.rpartition("/")[2], listed)
    return found | index.simple_pages(files_of_kind(mirror, kept, "pip"))


def _index_folders(mirror: Mirror, archives: Mapping[str, str]) -> list[str]:
    """Return the folders that have an index: those of the locks, of all archives, and those indexed before."""
    folders = {f"{channel}/{subdir}" for channel, subdir in mirror.want.subdirs}
    folders |= {path.rpartition("/")[0] for path in archives}
    if not mirror.settings.prune:
        folders |= {p.rpartition("/")[0] for p in mirror.former["indexes"] if p.endswith("/" + index.REPODATA)}
    return sorted(folders)


def make_lists(mirror: Mirror, entries: Entries, indexes: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the bytes of contents.json and of each tier's contents-<tier>.txt, by path."""
    hashes = {path: sha256(data) for path, data in indexes.items()}
    found = {CONTENTS: contents.to_json(mirror.want, entries, hashes).encode()}
    for tier in mirror.want.tiers:
        used = [entry for entry in entries.values() if any(use.startswith(tier + "/") for use in entry["uses"])]
        lines = [f"{tier}: {contents.count_line(used)}", *contents.tier_lines(mirror.want, entries, tier), ""]
        found[f"contents-{tier}.txt"] = "\n".join(lines).encode()
    return found


def stale_files(mirror: Mirror, indexes: Mapping[str, bytes], lists: Mapping[str, bytes]) -> list[str]:
    """Return the former indexes and lists, and other forms of current indexes, which would contradict them."""
    found = set(mirror.former["indexes"]) - set(indexes)
    found |= {path.name for path in mirror.dest.glob("contents-*.txt")} - set(lists)
    for path in indexes:
        folder, _unused, name = path.rpartition("/")
        if name == index.REPODATA:
            found |= {f"{folder}/{other}" for other in index.OTHER_FORMS}
    return sorted(path for path in found if (mirror.dest / path).is_file())


def changed_files(mirror: Mirror, made: Mapping[str, bytes]) -> list[str]:
    """Return the paths whose file differs from what was made for it, or is missing."""
    return sorted(path for path, data in made.items() if read_file(mirror.dest / path) != data)


def publish(
    mirror: Mirror,
    indexes: Mapping[str, bytes],
    lists: Mapping[str, bytes],
    stale: Sequence[str],
    records: Mapping[str, dict[str, Any]],
) -> None:
    """Write the indexes, then the lists, then remove the files that no index names any more.

    :param records: the archives' records by sha256, which later runs need not read again
    :raises OSError: if a file cannot be written
    """
    dest, pruned = mirror.dest, mirror.outcome.pruned
    fs.sync_filesystem(str(dest))
    for path in stale:
        remove_file(dest, path)
    for path, data in indexes.items():
        write_file(dest / path, data)
    for path in sorted(lists, reverse=True):  # contents.json after the texts
        write_file(dest / path, lists[path])
    for path in pruned:
        remove_file(dest, path)
    mirror.hashed.keep(set(mirror.hashed.entries) - set(pruned))
    write_file(mirror.state / RECORDS, json.dumps(records, sort_keys=True).encode())
