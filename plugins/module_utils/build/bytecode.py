"""Byte-code for a frozen environment: linked from a sibling generation, else compiled. Python 3.9, stdlib."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Optional

from ..prefix.hashing import entries_of
from ..prefix.manifest import Entry, verified_manifest

TAGGED = re.compile(r"(.*/)?__pycache__/([^/]+)\.cpython-[0-9]+t?\.pyc\Z")
WORKERS = 8  # each keeps about 20 MB

COMPILE = """
# Several of these run, each with its share: one process pool less to fail in a minimal environment. unchecked-hash:
# times are never compared. Templates that do not compile are normal, so nothing is said about them.
import py_compile, sys
new, final = sys.argv[1:]
for line in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\\0"):
    if line:
        try:
            py_compile.compile(new + "/" + line, dfile=final + "/" + line, doraise=False, quiet=2,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        except Exception:
            pass
"""


def sources(found: dict[str, os.stat_result], lib: str) -> list[str]:
    """Return the modules below `lib` ("lib/python3.12") that no package brought byte-code for."""
    have = {match[1] for match in map(_tagged, found) if match}
    return [path for path in found if path.startswith(lib + "/") and path.endswith(".py") and path[:-3] not in have]


def borrow(siblings: list[str], new: str, found: dict[str, os.stat_result], todo: list[str]) -> dict[str, Entry]:
    """Hard-link byte-code from complete siblings; remove its modules from `todo`; return the links' manifest entries.

    A link is made only if the source is the same inode as the sibling's, and the byte-code is what the sibling's
    manifest says: otherwise the new manifest would list damaged byte-code as valid. The path inside a .pyc does not
    matter, because the import system sets it.

    :raises OSError: if a folder cannot be made, or a file not be read
    """
    made: dict[str, Entry] = {}
    folders = set()
    for sibling in siblings:
        if not todo:
            break
        manifest = verified_manifest(sibling) or {}
        have = {match[1]: match[0] for match in map(_tagged, manifest) if match}
        linked: dict[str, str] = {}  # byte-code to its source
        left = []
        for source in todo:
            pyc = have.get(source[:-3])
            if pyc is None or not _same(sibling, source, found[source], manifest.get(source)):
                left.append(source)
                continue
            folder = os.path.dirname(pyc)
            if folder not in folders:
                os.makedirs(os.path.join(new, folder), 0o755, exist_ok=True)
                folders.add(folder)
            try:
                os.link(os.path.join(sibling, pyc), os.path.join(new, pyc))
                linked[pyc] = source
            except OSError:  # it was collected meanwhile, or has as many names as the file system allows (EMLINK)
                left.append(source)
        checked = entries_of(new, [(pyc, os.lstat(os.path.join(new, pyc))) for pyc in linked])
        for pyc, entry in checked.items():
            if entry == manifest[pyc]:
                made[pyc] = entry
            else:
                os.unlink(os.path.join(new, pyc))
                left.append(linked[pyc])
        todo[:] = left
    return made


def _tagged(path: str) -> Optional[tuple[str, str]]:
    """Return (path, its source without ".py") of byte-code, None for any other file."""
    match = TAGGED.match(path) if path.endswith(".pyc") else None
    return (path, (match[1] or "") + match[2]) if match else None


def _same(sibling: str, source: str, ours: os.stat_result, listed: Optional[Entry]) -> bool:
    """Return whether a sibling's source is the very inode of ours, and unaltered since it was verified there."""
    try:
        theirs = os.lstat(os.path.join(sibling, source))
    except OSError:
        return False
    same_inode = (theirs.st_ino, theirs.st_dev) == (ours.st_ino, ours.st_dev)
    return same_inode and listed is not None and listed[:3] == ("f", ours.st_size, ours.st_mtime_ns)


def compile_all(python: str, new: str, final: str, todo: list[str], fds: tuple[int, ...], env: dict[str, str]) -> None:
    """Compile modules with the environment's own python, in a few processes.

    :param final: where the tree will be: what tracebacks show
    :param fds: locks that the children keep if this process is killed
    :raises OSError: if the processes cannot be started
    """
    count = max(1, min(WORKERS, os.cpu_count() or 1, len(todo) // 50 + 1))
    running = []
    try:
        for share in range(count):
            child = subprocess.Popen(
                [python, "-I", "-B", "-c", COMPILE, new, final], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, pass_fds=fds, env=env, cwd="/",
            )  # fmt: skip
            running.append((child, "\0".join(todo[share::count]).encode("utf-8", "surrogateescape")))
        for child, names in running:  # each child reads all before it begins, so that none waits for another
            if child.stdin:
                try:
                    child.stdin.write(names)
                    child.stdin.close()
                except BrokenPipeError:
                    pass
    finally:
        for child, _unused in running:
            child.wait()


def made_by_compiling(new: str, todo: list[str]) -> list[tuple[str, os.stat_result]]:
    """Return (path, lstat) of the byte-code that now exists for modules of `todo`."""
    wanted = {source[:-3] for source in todo}
    made = []
    for folder in {os.path.dirname(source) for source in todo}:
        cache = os.path.join(folder, "__pycache__")
        try:
            with os.scandir(os.path.join(new, cache)) as items:
                for item in items:
                    path = f"{cache}/{item.name}"
                    match = _tagged(path)
                    if match and match[1] in wanted:
                        made.append((path, item.stat(follow_symlinks=False)))
        except FileNotFoundError:
            continue
    return made
