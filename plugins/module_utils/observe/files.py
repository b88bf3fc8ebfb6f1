"""The files of a generation against its manifest: all of them, or at the quick look the packages' names."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from .packages import DIST, META, dist_infos, site_packages
from .problems import Problems
from .reading import Obs, Odd, Seen, reason, sha256
from .seals import MANIFEST, MARK, parse_manifest

KINDS = {
    stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip


def kind(status: os.stat_result) -> str:
    """What an entry is, in one word."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "odd")


def walk(tree: str, seen: Seen) -> Iterator[tuple[str, os.stat_result]]:
    """Every entry below a folder, the folders included, with its lstat. Links are not followed, mounts not entered.

    :raises OSError: where a folder cannot be listed
    :raises OutOfTime: after the request's `seconds`
    """
    top = os.lstat(tree)
    yield "", top
    todo = [("", tree)]
    while todo:
        base, path = todo.pop()
        seen.tick()
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield base + entry.name, status
                if stat.S_ISDIR(status.st_mode) and status.st_dev == top.st_dev:
                    todo.append((base + entry.name + "/", entry.path))


def _check_mode(path: str, status: os.stat_result, owner: int, problems: Problems) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != owner:
        problems.add("owner", path, f"belongs to uid {status.st_uid}")
    if stat.S_ISDIR(status.st_mode):
        if mode != 0o555:
            problems.add("mode", path or ".", f"folder {mode:04o}, not 0555")
    elif stat.S_ISREG(status.st_mode) and (mode & 0o7022 or mode & 0o444 != 0o444):
        problems.add(
            "mode",
            path,
            "file {:04o}: {}".format(
                mode, "others may write" if mode & 0o022 else "setuid" if mode & 0o7000 else "not everybody may read"
            ),
        )


def _check_file(tree: str, path: str, known: tuple[str, int, int, str], status: os.stat_result, seen: Seen,
                problems: Problems) -> str:  # fmt: skip
    """Compare one entry with its line of the manifest; says "hash" where its contents are to be read."""
    sort, size, stamp, digest = known
    found = kind(status)
    if found != ("file" if sort == "f" else "link"):
        problems.add("altered", path, f"is a {found} now")
    elif sort == "l":
        text = os.fsencode(os.readlink(os.path.join(tree, path)))
        if hashlib.sha256(text).hexdigest() != digest:
            problems.add("altered", path, "points elsewhere")
    elif status.st_size != size:
        problems.add("altered", path, f"{status.st_size} bytes, not {size}")
    elif seen.depth == "hashes" or status.st_mtime_ns != stamp:
        return "hash"
    return ""


def check_files(tree: str, manifest: dict[str, tuple[str, int, int, str]], seen: Seen) -> tuple[Obs, Problems]:
    """Compare a whole tree with its manifest.

    At depth `stats` a file is read only where its time differs: an image or a copy may have kept no times.
    """
    problems, to_hash, present = Problems(), [], set()
    size = files = touched = 0
    owner = os.lstat(tree).st_uid
    for path, status in walk(tree, seen):
        if kind(status) != "link":
            _check_mode(path, status, owner, problems)
        if kind(status) == "folder" or path in (MARK, MANIFEST):
            if path in manifest:
                present.add(path)
                problems.add("altered", path, "is a folder now")
            continue
        files, size = files + 1, size + status.st_size
        known = manifest.get(path)
        if known is None:
            problems.add("extra" if kind(status) in ("file", "link") else "odd", path,
                         "" if kind(status) == "file" else "a " + kind(status))  # fmt: skip
            continue
        present.add(path)
        if _check_file(tree, path, known, status, seen, problems):
            to_hash.append((path, known[3], status.st_mtime_ns == known[2]))
    for path in manifest.keys() - present:
        problems.add("missing", path)

    def look(path: str, digest: str, in_time: bool) -> tuple[str, str, str]:
        try:
            if sha256(os.path.join(tree, path), seen) != digest:
                return path, "altered", "other contents of the same size"
            return path, "" if in_time else "touched", ""
        except (OSError, Odd) as error:
            return path, "unreadable", reason(error)

    # in chunks: a future for each of 30,000 small files costs more than hashing them
    chunks = [to_hash[at : at + 64] for at in range(0, len(to_hash), 64)]
    with ThreadPoolExecutor(seen.workers) as pool:
        for found in pool.map(lambda chunk: [look(*item) for item in chunk], chunks):
            for path, what, why in found:
                if what == "touched":
                    touched += 1
                elif what:
                    problems.add(what, path, why)
    return {"files": files, "bytes": size, "touched": touched, "hashed": len(to_hash)}, problems


def check_names(tree: str, data: bytes) -> Problems:
    """The quick look: the packages' records and Python's metadata, by name only."""
    problems = Problems()
    for path in (".", "conda-meta", ".lockstep"):
        _check_mode(path, os.lstat(os.path.join(tree, path)), os.lstat(tree).st_uid, problems)
    known = {path for path in parse_manifest(data) if META.match(path) or DIST.match(path)}
    found = {"conda-meta/" + name for name in os.listdir(os.path.join(tree, "conda-meta")) if name.endswith(".json")}
    for site in site_packages(tree):
        _check_mode(site, os.lstat(os.path.join(tree, site)), os.lstat(tree).st_uid, problems)
        found |= {path for path in dist_infos(tree, site) if DIST.match(path)}
    for path in known - found:
        problems.add("missing", path)
    for path in found - known:
        problems.add("extra", path)
    return problems
