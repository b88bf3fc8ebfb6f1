"""Walk a tree and hash its files; the only implementation of both. Python 3.9, standard library."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional, Union

from ..host.reading import Deadline, open_regular
from .manifest import Entry

WORKERS = 8  # processes that hash
PER_WORKER = 500  # files for which another process saves time
BLOCK = 1 << 20
Status = os.stat_result
Found = Union[Entry, OSError]


def raise_error(path: str, error: OSError) -> None:
    """Raise the error of a folder that cannot be listed: its files must not count as absent."""
    raise error


def walk(
    tree: str, deadline: Optional[Deadline] = None, failed: Callable[[str, OSError], None] = raise_error
) -> Iterator[tuple[str, Status]]:
    """Yield (path below the tree, lstat) of every entry; the tree itself is "". Mounts are yielded and not entered.

    :param failed: called with the path of a folder that cannot be listed
    :raises OSError: if the tree is missing, or from `failed`
    :raises OutOfTime: after the deadline
    """
    top = os.lstat(tree)
    yield "", top
    folders = [""]
    while folders:
        folder = folders.pop()
        if deadline:
            deadline.check()
        try:
            with os.scandir(os.path.join(tree, folder) if folder else tree) as items:
                for item in items:
                    path = f"{folder}/{item.name}" if folder else item.name
                    try:
                        status = item.stat(follow_symlinks=False)
                    except FileNotFoundError:  # removed since it was listed
                        continue
                    yield path, status
                    if stat.S_ISDIR(status.st_mode) and status.st_dev == top.st_dev:
                        folders.append(path)
        except OSError as error:
            failed(folder, error)


def files_of(tree: str) -> dict[str, Status]:
    """Return path and lstat of everything below a tree that is not a folder.

    :raises OSError: if a folder cannot be read
    """
    return {path: status for path, status in walk(tree) if not stat.S_ISDIR(status.st_mode)}


def sha256_text(text: str) -> str:
    """Hash a text, undecodable bytes of file names (surrogates) included."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def sha256_file(path: str, size: int = BLOCK, deadline: Optional[Deadline] = None) -> str:
    """Hash a regular file's content, at most a megabyte at a time.

    :param size: its size if that is known: reading 30,000 small files into large buffers takes twice as long
    :raises OSError: if it cannot be read, or is not a regular file
    :raises OutOfTime: after the deadline
    """
    total = hashlib.sha256()
    handle = open_regular(path)
    try:
        step = max(1, min(size, BLOCK))
        while True:
            block = os.read(handle, step)
            if not block:
                return total.hexdigest()
            total.update(block)
            if deadline and len(block) == BLOCK:
                deadline.check()
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(handle)


def entry_of(tree: str, path: str, known: Optional[Status] = None, deadline: Optional[Deadline] = None) -> Entry:
    """Read one file or symbolic link into its manifest entry.

    :raises OSError: if it cannot be read, or is neither
    """
    full = os.path.join(tree, path)
    status = known or os.lstat(full)
    if stat.S_ISLNK(status.st_mode):
        return Entry("l", 0, 0, sha256_text(os.readlink(full)))
    return Entry("f", status.st_size, status.st_mtime_ns, sha256_file(full, status.st_size, deadline))


def entries_of(tree: str, paths: Iterable[tuple[str, Status]]) -> dict[str, Entry]:
    """Hash many files.

    :raises OSError: if one cannot be read
    """
    entries = {}
    for path, found in Hasher().entries(tree, paths).items():
        if isinstance(found, OSError):
            raise found
        entries[path] = found
    return entries


class Hasher:
    """Hashes files with a forked process for each further processor, since threads would wait for each other.

    :param deadline: after which no further file is read
    :param workers: the largest number of processes
    :param remember: whether to read an inode once for all environments that share it
    """

    def __init__(
        self, deadline: Optional[Deadline] = None, workers: Optional[int] = None, remember: bool = False
    ) -> None:
        self.deadline = deadline or Deadline()
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self.workers = workers or min(WORKERS, processors)
        self.known: Optional[dict[tuple[int, ...], str]] = {} if remember else None

    def entries(self, tree: str, paths: Iterable[tuple[str, Status]]) -> dict[str, Found]:
        """Return the manifest entry of each file, or the error that kept it from being read.

        :raises OutOfTime: after the deadline
        """
        result: dict[str, Found] = {}
        left = []
        for path, status in paths:
            known = self.known.get(_inode(status)) if self.known else None
            if known is None:
                left.append((path, status))
            else:
                result[path] = Entry("f", status.st_size, status.st_mtime_ns, known)
        result.update(self._hash(tree, left))
        if self.known is not None:
            for path, status in left:
                found = result[path]
                if isinstance(found, Entry) and found.kind == "f":
                    self.known[_inode(status)] = found.sha256
        return result

    def _hash(self, tree: str, listed: list[tuple[str, Status]]) -> dict[str, Found]:
        listed.sort(key=lambda item: item[1].st_size, reverse=True)
        count = max(1, min(self.workers, len(listed) // PER_WORKER))
        shares = [listed[i::count] for i in range(count)]
        children = [(fork_share(self, tree, share), share) for share in shares[1:]]
        try:
            result = self._share(tree, shares[0])
            while children:
                child, share = children[0]
                answer = read_answer(child)
                del children[0]
                # a child that was killed, or lacked memory, is replaced by this process
                result.update(self._share(tree, share) if answer is None else _unpacked(answer))
            return result
        finally:
            for (process, reading), _unused in children:  # only after an exception
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, os.WNOHANG)
                    os.close(reading)

    def _share(self, tree: str, share: list[tuple[str, Status]]) -> dict[str, Found]:
        result: dict[str, Found] = {}
        for path, status in share:
            self.deadline.check()
            try:
                result[path] = entry_of(tree, path, status, self.deadline)
            except OSError as error:
                result[path] = error
        return result


def _inode(status: Status) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _unpacked(answer: list[tuple[Any, ...]]) -> dict[str, Found]:
    """Return a child's answer as `Hasher.entries` has it: an error takes three fields, an entry four."""
    return {path: OSError(*rest) if len(rest) == 3 else Entry(*rest) for path, *rest in answer}


def fork_share(hasher: Hasher, tree: str, share: list[tuple[str, Status]]) -> tuple[int, int]:
    """Start a child that hashes some files; return its process id and the pipe that it answers on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.close(reading)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # a connection ends only when nothing holds its output open
            os.dup2(null, descriptor)
        answer: list[tuple[Any, ...]] = []
        for path, found in hasher._share(tree, share).items():
            if isinstance(found, OSError):
                answer.append((path, found.errno, found.strerror, found.filename))
            else:
                answer.append((path, *found))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(marshal.dumps(answer))
    finally:
        os._exit(0)


def read_answer(child: tuple[int, int]) -> Optional[list[tuple[Any, ...]]]:
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
