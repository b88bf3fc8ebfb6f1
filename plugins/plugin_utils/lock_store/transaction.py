"""Lock transactions: change several files in the folder of locks atomically.

All new contents are first written to one journal, `<locks_dir>/.unfinished.json`. Then each file is replaced by rename,
so that a reader (site.yml, an audit) sees an old or a new lock, never a part of one. After a kill, either nothing has
changed, or the next run completes the journal.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.digest import sha256
from ..core.errors import ControllerError

JOURNAL = ".unfinished.json"
SCHEMA = 1


class TransactionError(ControllerError):
    """A transaction that cannot be started or completed."""


@dataclass(frozen=True)
class Change:
    """One file below the folder of locks: its bytes before and after the transaction; None: no file."""

    path: str
    old: bytes | None
    new: bytes | None


@contextlib.contextmanager
def exclusive_lock(locks: Path) -> Iterator[None]:
    """Hold an exclusive `flock` on a folder of locks, against other runs that lock, promote or roll back.

    :raises TransactionError: if another run holds it, or there is no such folder
    """
    try:
        handle = os.open(locks, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        remedy = "set lockstep_locks_dir to the folder of the tiers' locks"
        raise TransactionError(str(locks), error.strerror or str(error), remedy) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TransactionError(
            str(locks), "another run of lock, promote or rollback is active", "wait until it ends, then run this again"
        ) from None
    finally:
        os.close(handle)


def apply(locks: Path, changes: Sequence[Change], about: Mapping[str, Any]) -> None:
    """Write all files, or leave a journal that `finish` completes; the caller holds `exclusive_lock`.

    :param about: description of the run, for the run that completes the journal
    :raises TransactionError: if a file changed since it was read; nothing is written then
    :raises OSError: if a file cannot be written
    """
    for change in changes:
        if _read(locks / change.path) != change.old:
            raise changed_meanwhile(locks / change.path)
    files = [{"path": c.path, "old": _sha(c.old), "new": None if c.new is None else c.new.decode()} for c in changes]
    journal = {"schema": SCHEMA, "about": dict(about), "files": files}
    _write(locks / JOURNAL, (json.dumps(journal, indent=1) + "\n").encode())
    for change in changes:
        _put(locks / change.path, change.new)
    (locks / JOURNAL).unlink()


def changed_meanwhile(path: Path) -> TransactionError:
    """Return the error for a file that changed since this run read it."""
    return TransactionError(str(path), "it was changed while this ran", "nothing was written; run this again")


def pending(locks: Path) -> dict[str, Any] | None:
    """Return the journal of a killed run (`about`, `files`); None if there is none.

    :raises TransactionError: if the journal is malformed, or one of its files was changed since
    """
    data = _read(locks / JOURNAL)
    if data is None:
        return None
    remedy = f"compare the files with version control, then remove {locks / JOURNAL}"
    try:
        journal = json.loads(data)
        about, files = journal["about"], journal["files"]
        if journal["schema"] != SCHEMA or not isinstance(about, dict):
            raise ValueError("unknown schema")
        for file in files:
            name, new = Path(file["path"]), file["new"]
            if name.is_absolute() or ".." in name.parts or not (new is None or isinstance(new, str)):
                raise ValueError("a path outside the folder of locks")
            now = _sha(_read(locks / name))
            if now not in (file["old"], _sha(None if new is None else new.encode())):
                cause = f"it is the journal of a killed run, and {locks / name} was changed since"
                raise TransactionError(str(locks / JOURNAL), cause, remedy)
    except TransactionError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TransactionError(str(locks / JOURNAL), f"malformed journal ({error})", remedy) from None
    return {"about": about, "files": files}


def finish(locks: Path, write: bool = True) -> dict[str, Any] | None:
    """Complete the journal of a killed run; return its `about`, None if there is no journal.

    :param write: whether to complete it, or only to read it
    :raises TransactionError: if it cannot be completed
    :raises OSError: if a file cannot be written
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


def describe(about: Mapping[str, object]) -> str:
    """Return the description of a journal for messages."""
    envs = about.get("envs")
    names = ", ".join(map(str, envs)) if isinstance(envs, list) else "?"
    if about.get("what") == "lock":
        return f"locks of {names} for {about.get('tier')}"
    if about.get("what") == "rollback":
        return f"rollback of {names} in {about.get('tier')}"
    return f"promotion of {names} from {about.get('from')} to {about.get('to')}"


def _sha(data: bytes | None) -> str | None:
    return None if data is None else sha256(data)


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
    """Write a file durably by rename, readable by all. The temporary name is always the same, so a kill leaves at most
    one such file.
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
