"""The kinds of damage to a generation: the audit reports them, and the installer repairs them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from enum import Enum
from os import stat_result
from typing import NamedTuple


class Damage(NamedTuple):
    """One damage: its kind, the path below the generation ("." for itself), and why."""

    kind: DamageKind
    path: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.path}" + (f" ({self.why})" if self.why else "")


class DamageKind(Enum):
    """The kinds of damage. The values are those of the drift kinds of an audit."""

    UNFINISHED = "env-unfinished"
    IDENTITY = "env-identity"
    MANIFEST = "manifest"
    RECORD = "record"
    MISSING = "file-missing"
    ALTERED = "file-altered"
    EXTRA = "file-extra"
    SPECIAL = "file-special"
    MODE = "file-mode"
    OWNER = "file-owner"
    UNREADABLE = "file-unreadable"
    IN_USE_LOCK = "in-use-lock"
    INSTALL_PLAN = "install-plan"


TYPES = {
    stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip


def type_of(status: stat_result) -> str:
    """Return what an entry is, in one word."""
    return TYPES.get(stat.S_IFMT(status.st_mode), "unknown file type")


def permission_damage(path: str, status: stat_result, owner: int) -> Iterator[Damage]:
    """Compare mode and owner of a file or folder with the rules; links are skipped.

    :param owner: uid that the whole generation should have
    """
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return
    if status.st_uid != owner:
        yield Damage(DamageKind.OWNER, path or ".", f"belongs to uid {status.st_uid}")
    if stat.S_ISDIR(status.st_mode):
        if mode != 0o555:
            yield Damage(DamageKind.MODE, path or ".", f"folder {mode:04o}, not 0555")
    elif mode & 0o7022 or mode & 0o444 != 0o444:
        what = "others may write" if mode & 0o022 else "setuid" if mode & 0o7000 else "some users may not read it"
        yield Damage(DamageKind.MODE, path, f"file {mode:04o}: {what}")
