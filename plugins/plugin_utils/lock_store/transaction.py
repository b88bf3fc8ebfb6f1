"""Change several files of the folder of locks as one: a kill leaves what was, or what the next run finishes.

Everything that is to be written is first put into one journal, `<locks_dir>/.unfinished.json`. Each file is replaced by
rename, so that a reader (site.yml, an audit) sees an old lock or a new one and never half of one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JOURNAL = ".unfinished.json"
SCHEMA = 1


class HandoverError(ValueError):
    """The files cannot be changed; the text names the file, the cause and the remedy."""


@dataclass(frozen=True)
class Change:
    """One file below the folder of locks: its bytes as they were found and as they shall be; None: no file."""

    path: str
    old: bytes | None
    new: bytes | None


@contextlib.contextmanager
def alone(locks: Path) -> Iterator[None]:
    """Be the only one that locks, promotes or rolls back in a folder of locks.

    :raises HandoverError: where another run is at it, or there is no such folder
    """
    try:
        handle = os.open(locks, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise HandoverError(
            f"{locks}: {error.strerror}; it should be the folder of the tiers' locks (lockstep_locks_dir)"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise HandoverError(f"another lock, promotion or rollback is at work in {locks}; let it end first") from None
    finally:
        os.close(handle)


def apply(locks: Path, changes: Sequence[Change], about: Mapping[str, Any]) -> None:
    """Write all files, or leave a journal that `finish` completes; the caller holds `alone`.

    :param about: what this is, for whoever finishes it
    :raises HandoverError: where a file changed since it was read; nothing was written then
    :raises OSError: where a file cannot be written
    """
    for change in changes:
        if _read(locks / change.path) != change.old:
            raise HandoverError(f"{locks / change.path} was changed while this ran; nothing was written, try again")
    files = [{"path": c.path, "old": _sha(c.old), "new": None if c.new is None else c.new.decode()} for c in changes]
    journal = {"schema": SCHEMA, "about": dict(about), "files": files}
    _write(locks / JOURNAL, (json.dumps(journal, indent=1) + "\n").encode())
    for change in changes:
        _put(locks / change.path, change.new)
    (locks / JOURNAL).unlink()


def pending(locks: Path) -> dict[str, Any] | None:
    """What a killed run was about to do, None where nothing is left of one.

    :raises HandoverError: where its journal is malformed, or what it is about was changed since
    """
    data = _read(locks / JOURNAL)
    if data is None:
        return None
    remedy = f"compare the files with version control, then remove {locks / JOURNAL}"
    try:
        journal = json.loads(data)
        about, files = journal["about"], journal["files"]
        if journal["schema"] != SCHEMA or not isinstance(about, dict):
            raise ValueError("another schema")
        for file in files:
            name, new = Path(file["path"]), file["new"]
            if name.is_absolute() or ".." in name.parts or not (new is None or isinstance(new, str)):
                raise ValueError("a path that leads elsewhere")
            now = _sha(_read(locks / name))
            if now not in (file["old"], _sha(None if new is None else new.encode())):
                raise HandoverError(
                    f"a run that was killed left {locks / JOURNAL}, and {locks / name} was changed since; {remedy}"
                )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, HandoverError):
            raise
        raise HandoverError(f"{locks / JOURNAL} is malformed ({error}); {remedy}") from None
    return {"about": about, "files": files}


def finish(locks: Path, write: bool = True) -> dict[str, Any] | None:
    """Complete what a killed run had begun; returns what it was about, None where there was nothing.

    :param write: whether to do it, or only to say it
    :raises HandoverError: where that cannot be decided
    :raises OSError: where a file cannot be written
    """
    journal = pending(locks)
    if journal is None:
        return None
    if write:
        for file in journal["files"]:
            _put(locks / file["path"], None if file["new"] is None else file["new"].encode())
        (locks / JOURNAL).unlink()
    about: dict[str, Any] = journal["about"]
    return about


def say(about: Mapping[str, object]) -> str:
    """What a journal is about, for people."""
    envs = about.get("envs")
    names = ", ".join(map(str, envs)) if isinstance(envs, list) else "?"
    if about.get("what") == "lock":
        return f"locks of {names} for {about.get('tier')}"
    if about.get("what") == "rollback":
        return f"rollback of {names} in {about.get('tier')}"
    return f"promotion of {names} from {about.get('from')} to {about.get('to')}"


def _sha(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    elif _read(path) != data:
        _write(path, data)


def _write(path: Path, data: bytes) -> None:
    """Write by rename and durably, readable by all; the name of the file in between is always the same, so that none
    are left to gather.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name.lstrip('.')}.new")
    with aside.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fchmod(stream.fileno(), 0o644)
        os.fsync(stream.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
