"""A generation as a tree of files: its mark, its manifest, and the few file-system operations that keep it whole.

Python 3.9, standard library. On-disk format (layout 1)::

    .lockstep/complete   line 1: sha256 of the rest; then JSON {"layout", "env", "platform", "digest", "content",
                         "manifest": <sha256 of .lockstep/manifest>, "packages": <count>}
    .lockstep/manifest   one line a file or symbolic link of the tree, these two apart, sorted by path:
                         `f <size> <mtime_ns> <sha256> <path>` or `l 0 0 <sha256 of the link's text> <path>`

The mark vouches for the manifest and the manifest for every file. A tree without a valid mark is unfinished, whatever
its name.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import marshal
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Optional

FOLDER = ".lockstep"
MARK = FOLDER + "/complete"
MANIFEST = FOLDER + "/manifest"
NOT_LISTED = frozenset((MARK, MANIFEST))

WORKERS = 8  # processes that hash
BLOCK = 1 << 20


class Entry(NamedTuple):
    """One line of a manifest; `kind` is "f" or "l", sizes are bytes, times nanoseconds."""

    kind: str
    size: int
    mtime_ns: int
    sha256: str


def sha256_text(text: str) -> str:
    """Hash a text, undecodable bytes of file names (surrogates) included."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def sha256_file(path: str, size: int = BLOCK) -> str:
    """Hash a file's content, at most a megabyte at a time.

    :param size: its size if that is known: reading 30,000 small files into large buffers takes twice as long
    :raises OSError: where it cannot be read
    """
    total = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        step = max(1, min(size, BLOCK))
        while True:
            block = os.read(handle, step)
            if not block:
                return total.hexdigest()
            total.update(block)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(handle)


def walk(tree: str, folders: bool = False) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path below the tree, lstat) of every file and symbolic link; of folders (the tree is "") only if asked.

    :raises OSError: where a folder cannot be read: what was not seen must never count as absent
    """
    stack = [""]
    while stack:
        folder = stack.pop()
        if folders:
            yield folder, os.lstat(os.path.join(tree, folder))
        with os.scandir(os.path.join(tree, folder) if folder else tree) as found:
            for item in found:
                path = f"{folder}/{item.name}" if folder else item.name
                if item.is_dir(follow_symlinks=False):
                    stack.append(path)
                else:
                    yield path, item.stat(follow_symlinks=False)


def mtime(path: str) -> float:
    """Return a path's time of change; 0 for one that is not there (any more)."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def entry_of(tree: str, path: str, known: Optional[os.stat_result] = None) -> Entry:
    """Read one file or link into its manifest entry.

    :raises OSError: where it cannot be read
    """
    full = os.path.join(tree, path)
    status = known or os.lstat(full)
    if stat.S_ISLNK(status.st_mode):
        return Entry("l", 0, 0, sha256_text(os.readlink(full)))
    return Entry("f", status.st_size, status.st_mtime_ns, sha256_file(full, status.st_size))


def entries_of(tree: str, paths: Iterable[tuple[str, os.stat_result]]) -> dict[str, Entry]:
    """Hash many files, with a forked process for each further processor: threads would wait for each other.

    :raises OSError: where one cannot be read
    """
    listed = sorted(paths, key=lambda item: item[1].st_size, reverse=True)
    count = max(
        1, min(WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, len(listed) // 500)
    )
    shares = [listed[i::count] for i in range(count)]
    children = [(_fork_share(tree, share), share) for share in shares[1:]]
    result = {}
    try:
        for path, status in shares[0]:
            result[path] = entry_of(tree, path, status)
    finally:
        answers = [(_answer(child), share) for child, share in children]
    for answer, share in answers:
        if answer is None:  # it was killed, or memory is short: then one after the other
            answer = [(path, *entry_of(tree, path, status)) for path, status in share]
        for path, *rest in answer:
            if path == "":
                raise OSError(*rest)
            result[path] = Entry(*rest)
    return result


def _fork_share(tree: str, share: list[tuple[str, os.stat_result]]) -> tuple[int, int]:
    """Start a child that hashes some files; return its process id and the pipe that it answers on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.close(reading)
        try:
            answer: list[tuple[Any, ...]] = [(path, *entry_of(tree, path, status)) for path, status in share]
        except OSError as error:
            answer = [("", error.errno, error.strerror, error.filename)]
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(marshal.dumps(answer))
    finally:
        os._exit(0)


def _answer(child: tuple[int, int]) -> Optional[list[tuple[Any, ...]]]:
    """Read a child's whole answer; None where it did not give one."""
    process, reading = child
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(process, 0)
    try:
        found = marshal.loads(text)
    except (EOFError, ValueError, TypeError):
        return None
    return found if isinstance(found, list) else None


def manifest_text(entries: dict[str, Entry]) -> str:
    """Write a manifest's text, sorted by path."""
    return "".join(
        f"{entry.kind} {entry.size} {entry.mtime_ns} {entry.sha256} {path}\n" for path, entry in sorted(entries.items())
    )


def parse_manifest(text: str) -> dict[str, Entry]:
    """Read a manifest's text.

    :raises ValueError: where a line is not one
    """
    entries = {}
    for line in text.split("\n")[:-1]:
        kind, size, mtime, digest, path = line.split(" ", 4)
        entries[path] = Entry(kind, int(size), int(mtime), digest)
    return entries


def write_file(path: str, text: str, mode: int = 0o644, durable: bool = False) -> None:
    """Write a text (undecodable bytes of file names allowed), in place.

    :raises OSError: where it cannot be written
    """
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def read_file(path: str) -> str:
    """Read such a text back.

    :raises OSError: where it cannot be read
    """
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def mark_text(body: dict[str, Any]) -> str:
    """Return a mark's text: it seals itself, since power may fail in the middle of writing it."""
    text = json.dumps(body, sort_keys=True)
    return f"{sha256_text(text)}\n{text}"


def read_mark(tree: str) -> Optional[dict[str, Any]]:
    """Return what a generation's mark says, or None: missing, empty or not whole means unfinished."""
    try:
        seal, _, text = read_file(os.path.join(tree, MARK)).partition("\n")
        body = json.loads(text) if seal == sha256_text(text) else None
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def read_manifest(tree: str) -> Optional[dict[str, Entry]]:
    """Return a marked generation's manifest, or None where it is not the one that the mark vouches for."""
    mark = read_mark(tree)
    try:
        text = read_file(os.path.join(tree, MANIFEST))
        return parse_manifest(text) if mark and mark.get("manifest") == sha256_text(text) else None
    except (OSError, ValueError):
        return None


def damage(tree: str, depth: str = "stats") -> list[str]:
    """Compare a marked generation with its manifest; an empty list means whole.

    A file whose size is right and whose time is not (a copied disk image) is hashed, and counts by its content.

    :param depth: "marks" (mark and manifest only), "stats" (every file's size and time, every link's text, modes and
        owner, nothing missing, nothing extra) or "hashes" (every file's sha256 as well)
    """
    manifest = read_manifest(tree)
    if manifest is None:
        return [f"{MANIFEST} is not what the mark vouches for" if read_mark(tree) else f"no valid {MARK}"]
    if depth == "marks":
        return []
    problems, left, hashed = [], set(manifest), []
    try:
        owner = os.lstat(tree).st_uid
        for path, status in walk(tree, folders=True):
            problems += mode_problems(path, status, owner)
            if stat.S_ISDIR(status.st_mode) or path in NOT_LISTED:
                continue
            entry = manifest.get(path)
            left.discard(path)
            if entry is None:
                problems.append(f"extra {path}")
            elif stat.S_ISLNK(status.st_mode):
                problems += [] if entry == entry_of(tree, path, status) else [f"altered {path}"]
            elif entry[:2] != ("f", status.st_size) or not stat.S_ISREG(status.st_mode):
                problems.append(f"altered {path}")
            elif depth == "hashes" or entry.mtime_ns != status.st_mtime_ns:
                hashed.append((path, status))
        problems += [f"missing {path}" for path in left]
        found = entries_of(tree, hashed)
    except OSError as error:
        return [f"unreadable {error.filename}: {error.strerror}"]
    problems += [f"altered {path}" for path, entry in found.items() if entry.sha256 != manifest[path].sha256]
    return sorted(problems)


def mode_problems(path: str, status: os.stat_result, owner: int) -> list[str]:
    """Say where a mode or owner lets the wrong people write, or keeps people from reading; links have neither."""
    if stat.S_ISLNK(status.st_mode):
        return []
    mode = stat.S_IMODE(status.st_mode)
    bad = mode != 0o555 if stat.S_ISDIR(status.st_mode) else mode & 0o7022 or mode & 0o444 != 0o444
    problems = [f"mode {mode:04o} of {path or '.'}"] if bad else []
    return [*problems, f"owner {status.st_uid} of {path or '.'}"] if status.st_uid != owner else problems


def libc() -> Any:
    """Load the C library that this process runs with."""
    return ctypes.CDLL(None, use_errno=True)


def exchange(one: str, two: str) -> None:
    """Swap two folders of one parent in one step (renameat2 RENAME_EXCHANGE; renamex_np RENAME_SWAP on macOS).

    :raises OSError: where the kernel or the file system cannot do that
    """
    library = libc()
    if sys.platform == "darwin":
        failed = library.renamex_np(os.fsencode(one), os.fsencode(two), 2)
    else:
        failed = library.renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one)


def sync(path: str) -> None:
    """Fsync one file or folder.

    :raises OSError: where the disk refuses
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_filesystem(path: str) -> None:
    """Write out everything dirty on a file system: far cheaper than an fsync for each of 20,000 files.

    :raises OSError: where the disk refuses
    """
    library = libc()
    if not hasattr(library, "syncfs"):
        os.sync()
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        if library.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(handle)


def chmod_folders(tree: str, mode: int) -> None:
    """Set the mode of every folder. Files are left: they share inodes, so modes, with the cache and other generations.

    :raises OSError: where one cannot be changed
    """
    for folder, _, _ in os.walk(tree):
        os.chmod(folder, mode)


def remove(tree: str) -> None:
    """Remove a tree, frozen or not, or a single file or link; nothing there is no error.

    :raises OSError: where something cannot be removed
    """
    if os.path.isdir(tree) and not os.path.islink(tree):
        os.chmod(tree, 0o755)
        for folder, subfolders, _ in os.walk(tree):  # from the top: a frozen folder refuses even its owner
            for name in subfolders:
                full = os.path.join(folder, name)
                if not os.path.islink(full):
                    os.chmod(full, 0o755)
        shutil.rmtree(tree)
    elif os.path.lexists(tree):
        os.unlink(tree)
