"""Download files that are known by their sha256: resumed where they broke off, retried, never believed unhashed.

Standard library only. No address is shown with what may be secret in it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from ...module_utils.host.errors import Problem
from .credentials import opener
from .errors import Absent, Stopped, absent, words, written
from .request import request
from .retry import Passing, Wrong, until_it_works

BLOCK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
PAUSE = 0.5  # seconds before the second try; doubled for each further one


class Fetcher:
    """Downloads; one for a run, used by several threads at once.

    :param stop: set by whoever ends the run
    :param say: called with the number of bytes that arrived (negative where they had to be thrown away)
    """

    def __init__(
        self,
        credentials: Mapping[str, tuple[str, str]] | None = None,
        stop: threading.Event | None = None,
        say: Callable[[int], None] = lambda count: None,
        pause: float = PAUSE,
        timeout: float = TIMEOUT,
    ) -> None:
        self.stop, self.say, self.pause, self.timeout = stop or threading.Event(), say, pause, timeout
        self.opener = opener(credentials)

    def fetch(self, source: str, sha256: str, partial: Path, final: Path) -> int:
        """Bring a file to `final`, by way of `partial` (which may be there, from a run that was killed); return its
        size.

        :raises Problem: where that cannot be; what arrived so far stays in `partial` unless it is wrong
        :raises Stopped: where the run is to end
        """
        try:
            self._until(source, lambda: self._once(source, sha256, partial), lambda: _size(partial))
            size = _size(partial)
            final.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(final)
            return size
        except OSError as error:
            raise written(error, final) from None

    def size(self, source: str) -> int:
        """Return how large a file is, -1 where its server does not tell.

        :raises Problem: where the source does not have it, or refuses
        :raises Stopped: where the run is to end
        """
        path = local_path(source)
        if path is not None:
            try:
                return path.stat().st_size
            except OSError as error:
                raise absent(source, error.strerror or str(error)) from None
        found: list[int] = []

        def ask() -> None:
            # not HEAD: an address that a channel redirects to is often signed for GET alone
            with request(self.opener, source, self.timeout, 0, 0) as answer:
                total = re.match(r"bytes \d+-\d+/(\d+)\Z", answer.headers.get("Content-Range") or "")
                length = answer.headers.get("Content-Length") if answer.status == 200 else None
                found.append(int(total[1]) if total else int(length) if length and length.isdigit() else -1)

        self._until(source, ask, lambda: 0)
        return found[-1]

    def text(self, source: str, limit: int = 1 << 26) -> str | None:
        """Return a small text, None where the source does not have it; raises Problem and Stopped as `fetch`."""
        path = local_path(source)
        if path is not None:
            try:
                return path.read_text(encoding="utf-8")
            except (FileNotFoundError, NotADirectoryError):
                return None
            except (OSError, UnicodeDecodeError) as error:
                raise Problem(f"{path} cannot be read", str(error)) from None
        found: list[str | None] = []

        def ask() -> None:
            try:
                with request(self.opener, source, self.timeout) as answer:
                    found.append(answer.read(limit).decode("utf-8", "replace"))
            except Absent:
                found.append(None)

        self._until(source, ask, lambda: 0)
        return found[-1]

    # -- one try -------------------------------------------------------------------------------------------------------

    def _until(self, source: str, once: Callable[[], None], reached: Callable[[], int]) -> None:
        until_it_works(source, once, reached, self.stop, self.pause)

    def _once(self, source: str, sha256: str, partial: Path) -> None:
        """One try: what is there is kept and the rest asked for."""
        path = local_path(source)
        hashed = hashlib.sha256()
        if path is None:
            have = self._rehash(partial, hashed)
        else:
            have = 0
            self.say(-_size(partial))
        if have and hashed.hexdigest() == sha256:
            return  # a run was killed between the last byte and the rename
        partial.parent.mkdir(parents=True, exist_ok=True)
        if path is not None:
            try:
                reading: Any = path.open("rb")
            except OSError as error:
                raise absent(source, error.strerror or str(error)) from None
            length = path.stat().st_size
        else:
            reading, length = self._rest(source, partial, have)
        with reading:
            if have and path is None and reading.status != 206:  # the server does not know of parts: all of it again
                self.say(-have)
                have, hashed = 0, hashlib.sha256()
            _need_room(partial.parent, length)
            with partial.open("r+b" if have else "wb") as out:
                out.seek(have)
                out.truncate()
                got = self._copy(reading, out, hashed)
        if length >= 0 and got < length:
            raise Passing(f"the connection broke off after {have + got} of {have + length} bytes")
        if hashed.hexdigest() != sha256:
            partial.unlink(missing_ok=True)
            self.say(-(have + got))
            raise Wrong(f"its sha256 is {hashed.hexdigest()}, locked is {sha256}")

    def _rest(self, source: str, partial: Path, have: int) -> tuple[Any, int]:
        """Ask for what is not there yet; return the answer and its length (-1: not known)."""
        try:
            reading = request(self.opener, source, self.timeout, have)
        except Wrong:
            partial.unlink(missing_ok=True)
            self.say(-have)
            raise
        told = reading.headers.get("Content-Length") or ""
        start = re.match(r"bytes (\d+)-", reading.headers.get("Content-Range") or "")
        if reading.status == 206 and not (start and int(start[1]) == have):
            reading.close()
            partial.unlink(missing_ok=True)
            self.say(-have)
            raise Passing("the server answered with another part than was asked for")
        return reading, int(told) if told.isdigit() else -1

    def _rehash(self, partial: Path, hashed: Any) -> int:
        """Hash what is there of a download; return its size."""
        have = 0
        with contextlib.suppress(FileNotFoundError), partial.open("rb") as file:
            while block := file.read(BLOCK):
                hashed.update(block)
                have += len(block)
        return have

    def _copy(self, reading: Any, out: IO[bytes], hashed: Any) -> int:
        got = 0
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                block = reading.read1(BLOCK)  # what is there: a kill loses little of what has arrived
            except (http.client.HTTPException, OSError) as error:
                raise Passing(f"the connection broke off: {words(error)}") from None
            if not block:
                return got
            out.write(block)
            hashed.update(block)
            got += len(block)
            self.say(len(block))


def local_path(source: str) -> Path | None:
    """Return the path of a source that is a file of this machine, None for any other."""
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    return None if "://" in source else Path(source).expanduser()


def _need_room(folder: Path, length: int) -> None:
    """Refuse a download that the disk cannot hold before its first byte."""
    disk = os.statvfs(folder)
    if length > disk.f_bavail * disk.f_frsize:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
