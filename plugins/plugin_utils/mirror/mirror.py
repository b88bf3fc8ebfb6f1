"""Hold the state of one run: what is wanted, what was hashed before, what the run did so far."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...module_utils.host.disk_space import human
from ..core.digest import sha256
from ..net.download import Fetcher
from . import contents
from .items import Item, Wanted
from .layout import CONTENTS, STATE, safe, write_file
from .settings import Settings

SHOWN = 12  # files that a message names

Report = Callable[[str], None]
"""Called with a line of progress."""


class HashedFiles:
    """Remember the size and time that files had when they were hashed.

    The text file is only appended to during a run, so a killed run keeps what it hashed so far.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.entries = folder / "seen", dict[str, tuple[str, int, int]]()
        with contextlib.suppress(OSError):
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
            for line in lines[:-1]:  # a kill may have cut the last one off
                fields = line.split(" ", 3)
                if len(fields) == 4 and fields[1].isdigit() and fields[2].isdigit() and safe(fields[3]):
                    self.entries[fields[3]] = (fields[0], int(fields[1]), int(fields[2]))

    def unchanged(self, path: str, sha256: str, status: os.stat_result) -> bool:
        """Return whether a file had this sha256 when it was hashed, and has the same size and time since."""
        return self.entries.get(path) == (sha256, status.st_size, status.st_mtime_ns)

    def add(self, dest: Path, path: str, sha256: str, write: bool) -> None:
        """Remember that a file was hashed; with `write`, also for later runs."""
        status = (dest / path).stat()
        self.entries[path] = (sha256, status.st_size, status.st_mtime_ns)
        if write:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(path))

    def keep(self, paths: Iterable[str]) -> None:
        """Forget all files but these, and rewrite the text file."""
        self.entries = {path: self.entries[path] for path in sorted(paths) if path in self.entries}
        write_file(self.path, "".join(self._line(path) for path in self.entries).encode())

    def _line(self, path: str) -> str:
        return "{} {} {} {}\n".format(*self.entries[path], path)


@dataclass
class Outcome:
    """What a run did, or in check mode would do. Paths are below the mirror, sizes in bytes (-1: not known)."""

    changed: bool = False
    fetched: dict[str, int] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    prunable: dict[str, int] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def difference(self) -> list[str]:
        """Return a line for each file that was added (+), changed (~) or removed (-)."""
        lines = []
        for path, size in self.fetched.items():
            sign, about = "~" if path in self.repaired else "+", human(size) if size >= 0 else "size not known"
            lines.append(f"{sign} {path}  {about}")
        lines += [f"- {path}" for path in self.pruned]
        return lines + [f"~ {path}" for path in self.indexes]


@dataclass
class Mirror:
    """One run, under the mirror's lock.

    :param stop: ends all threads of the run when it is set
    :param alive: returns whether the caller still waits for the run
    :param known: bytes by path of files whose size is known already
    :param former: the list of contents that the mirror has
    """

    settings: Settings
    want: Wanted
    fetcher: Fetcher
    stop: threading.Event
    report: Report
    alive: Callable[[], bool]
    known: Mapping[str, int]
    hashed: HashedFiles
    former: dict[str, Any]
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def dest(self) -> Path:
        """The mirror's folder."""
        return self.settings.dest

    @property
    def state(self) -> Path:
        """The folder in it that clients do not read."""
        return self.settings.dest / STATE

    def partial(self, item: Item) -> Path:
        """Return the path of a partial download, named by sha256 and path, so that a later run resumes it."""
        return self.state / "partial" / sha256(f"{item.sha256} {item.path}".encode())


def former_contents(dest: Path) -> dict[str, Any]:
    """Return the list of contents that a mirror has, an empty one if there is none or it is malformed."""
    try:
        found = contents.from_json((dest / CONTENTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        found = None
    return found or {"files": [], "indexes": {}}
