"""What is remembered of files that were hashed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from . import files
from .layout import safe


class Seen:
    """Which files were hashed, when they had which size and time: a text that is only appended to while work goes on,
    so that a killed run is remembered as far as it came.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.entries = folder / "seen", dict[str, tuple[str, int, int]]()
        with contextlib.suppress(OSError):
            *lines, _unused = self.path.read_text(encoding="utf-8", errors="replace").split(
                "\n"
            )  # the last may be torn
            for line in lines:
                fields = line.split(" ", 3)
                if len(fields) == 4 and fields[1].isdigit() and fields[2].isdigit() and safe(fields[3]):
                    self.entries[fields[3]] = (fields[0], int(fields[1]), int(fields[2]))

    def believed(self, path: str, sha256: str, status: os.stat_result) -> bool:
        """Say whether a file was hashed to this, and has had its size and time since."""
        return self.entries.get(path) == (sha256, status.st_size, status.st_mtime_ns)

    def add(self, dest: Path, path: str, sha256: str, write: bool) -> None:
        """Remember that a file was hashed.

        :param write: whether for later runs, too
        """
        status = (dest / path).stat()
        self.entries[path] = (sha256, status.st_size, status.st_mtime_ns)
        if write:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(path))

    def _line(self, path: str) -> str:
        return "{} {} {} {}\n".format(*self.entries[path], path)

    def keep(self, paths: Iterable[str]) -> None:
        """Write it anew, with these files alone."""
        self.entries = {path: self.entries[path] for path in sorted(paths) if path in self.entries}
        files.put(self.path, "".join(self._line(path) for path in self.entries).encode())
