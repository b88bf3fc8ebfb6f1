"""Damage to a generation: done to it, and found in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.damage import Damage
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.hashing import Hasher
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.inspection import Place, inspect


def inspected(tree: str, depth: str) -> list[Damage]:
    """The damage inside a generation, found by its path."""
    path = Path(tree)
    return inspect(Place(str(path.parents[2]), path.parent.name, path.name), depth, Hasher()).damage


def damage_of(tree: str, depth: str = "stats") -> list[str]:
    """Kind and path of each; the kinds of files without their prefix: "altered lib/b"."""
    return [f"{item.kind.value.replace('file-', '')} {item.path}" for item in inspected(tree, depth)]


def thawed(path: Path) -> None:
    """Make the folders of a generation that lead to a path in it writable."""
    for folder in path.parents:
        if "generations" in (parent.name for parent in list(folder.parents)[1:]):
            folder.chmod(folder.stat().st_mode | 0o700)


def vanish(path: Path) -> None:
    """Remove a file, link or folder; a missing one is no error."""
    thawed(path)
    fs.remove(str(path))


def append(path: Path) -> None:
    """Make a file longer."""
    path.write_bytes(path.read_bytes() + b"# more\n")


def truncate(path: Path) -> None:
    """Cut a file to half of its size."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rewrite(path: Path) -> None:
    """Give a file other contents of the same size, and its old times."""
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(bytes(byte ^ 1 for byte in data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(path: Path) -> None:
    """Give a file another time."""
    os.utime(path, (1_600_000_000, 1_600_000_000))


def to_link(path: Path) -> None:
    """Put a symbolic link in the place of a path."""
    vanish(path)
    path.symlink_to("/usr")


def to_folder(path: Path) -> None:
    """Put a folder with a file in the place of a path."""
    vanish(path)
    path.mkdir()
    (path / "inside").write_text("")


def to_pipe(path: Path) -> None:
    """Put a pipe in the place of a path."""
    vanish(path)
    os.mkfifo(path)


FILE_HARM = {f.__name__: f for f in (vanish, append, truncate, rewrite, touch, to_link, to_folder, to_pipe)}
"""What can be done to a regular file; `append`, `truncate`, `rewrite` and `touch` change it in place."""


def state_of(base: Path) -> dict[str, object]:
    """What matters of a tree, read in the plainest way: type, content or target, and permission of each entry."""
    found: dict[str, object] = {}
    for path in [base, *base.rglob("*")]:
        status, name = path.lstat(), str(path.relative_to(base))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = stat.S_IMODE(status.st_mode)
        elif path.is_file():
            mode = stat.S_IMODE(status.st_mode)
            found[name] = (path.read_bytes(), mode & 0o7022, mode & 0o444)
        else:
            found[name] = stat.S_IFMT(status.st_mode)
    return found
