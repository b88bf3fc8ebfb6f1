"""Download files and verify their sha256. Downloads resume where they broke off, and are retried.

Standard library only. Messages show addresses without credentials and tokens.
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
from .errors import NotFound, Stopped, describe, file_error, not_found
from .request import request
from .retry import TemporaryError, WrongContent, retry

BLOCK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
PAUSE = 0.5  # seconds before the second try; doubled for each further one


class Fetcher:
    """Download files for one run; safe to use from several threads at once.

    :param credentials: (user, password) by host
    :param stop: when set, all downloads of this run end
    :param count: called with the number of bytes that arrived (negative if they were discarded)
    :param pause: seconds before the second try; doubled for each further one
    :param timeout: seconds without a byte
    """

    def __init__(
        self,
        credentials: Mapping[str, tuple[str, str]] | None = None,
        stop: threading.Event | None = None,
        count: Callable[[int], None] = lambda size: None,
        pause: float = PAUSE,
        timeout: float = TIMEOUT,
    ) -> None:
        self.stop, self.count, self.pause, self.timeout = stop or threading.Event(), count, pause, timeout
        self.opener = opener(credentials)

    def fetch(self, source: str, sha256: str, partial: Path, final: Path) -> int:
        """Download a file to `partial` (resuming what a killed run left there), then rename it to `final`.

        :param sha256: the expected sha256 of the whole file
        :returns: the file's size in bytes
        :raises Problem: if the download fails; the bytes so far stay in `partial` unless they are wrong
        :raises Stopped: if the run must end
        """
        try:
            self._retry(source, lambda: self._once(source, sha256, partial), lambda: _size(partial))
            size = _size(partial)
            final.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(final)
            return size
        except OSError as error:
            raise file_error(error, final) from None

    def size(self, source: str) -> int:
        """Return a file's size in bytes, -1 if its server does not send it.

        :raises Problem: if the source does not have the file, or refuses access
        :raises Stopped: if the run must end
        """
        path = local_path(source)
        if path is not None:
            try:
                return path.stat().st_size
            except OSError as error:
                raise not_found(source, error.strerror or str(error)) from None
        found: list[int] = []

        def ask() -> None:
            # not HEAD: an address that a channel redirects to is often signed for GET only
            with request(self.opener, source, self.timeout, 0, 0) as answer:
                total = re.match(r"bytes \d+-\d+/(\d+)\Z", answer.headers.get("Content-Range") or "")
                length = answer.headers.get("Content-Length") if answer.status == 200 else None
                found.append(int(total[1]) if total else int(length) if length and length.isdigit() else -1)

        self._retry(source, ask, lambda: 0)
        return found[-1]

    def text(self, source: str, limit: int = 1 << 26) -> str | None:
        """Return a small text file, None if the source does not have it.

        :param limit: bytes to read at most
        :raises Problem: if it cannot be downloaded or read
        :raises Stopped: if the run must end
        """
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
            except NotFound:
                found.append(None)

        self._retry(source, ask, lambda: 0)
        return found[-1]

    # -- one try -------------------------------------------------------------------------------------------------------

    def _retry(self, source: str, once: Callable[[], None], reached: Callable[[], int]) -> None:
        retry(source, once, reached, self.stop, self.pause)

    def _once(self, source: str, sha256: str, partial: Path) -> None:
        """Try once: keep the bytes that are there, and request the rest."""
        path = local_path(source)
        hashed = hashlib.sha256()
        if path is None:
            start = self._rehash(partial, hashed)
        else:
            start = 0
            self.count(-_size(partial))
        if start and hashed.hexdigest() == sha256:
            return  # a run was killed between the last byte and the rename
        partial.parent.mkdir(parents=True, exist_ok=True)
        if path is not None:
            try:
                reading: Any = path.open("rb")
            except OSError as error:
                raise not_found(source, error.strerror or str(error)) from None
            length = path.stat().st_size
        else:
            reading, length = self._rest(source, partial, start)
        with reading:
            if start and path is None and reading.status != 206:  # the server ignores ranges: it sends all bytes again
                self.count(-start)
                start, hashed = 0, hashlib.sha256()
            _require_space(partial.parent, length)
            with partial.open("r+b" if start else "wb") as out:
                out.seek(start)
                out.truncate()
                got = self._copy(reading, out, hashed)
        if length >= 0 and got < length:
            raise TemporaryError(f"the connection broke off after {start + got} of {start + length} bytes")
        if hashed.hexdigest() != sha256:
            partial.unlink(missing_ok=True)
            self.count(-(start + got))
            raise WrongContent(f"its sha256 is {hashed.hexdigest()}, locked is {sha256}")

    def _rest(self, source: str, partial: Path, start: int) -> tuple[Any, int]:
        """Request the bytes from `start` on; return the response and its length in bytes (-1: not known)."""
        try:
            reading = request(self.opener, source, self.timeout, start)
        except WrongContent:
            partial.unlink(missing_ok=True)
            self.count(-start)
            raise
        size = reading.headers.get("Content-Length") or ""
        part = re.match(r"bytes (\d+)-", reading.headers.get("Content-Range") or "")
        if reading.status == 206 and not (part and int(part[1]) == start):
            reading.close()
            partial.unlink(missing_ok=True)
            self.count(-start)
            raise TemporaryError("the server sent another part than was requested")
        return reading, int(size) if size.isdigit() else -1

    def _rehash(self, partial: Path, hashed: Any) -> int:
        """Add the bytes of a partial download to `hashed`; return how many there are."""
        size = 0
        with contextlib.suppress(FileNotFoundError), partial.open("rb") as file:
            while block := file.read(BLOCK):
                hashed.update(block)
                size += len(block)
        return size

    def _copy(self, reading: Any, out: IO[bytes], hashed: Any) -> int:
        """Copy and hash all bytes of a response; return how many there were."""
        got = 0
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                block = reading.read1(BLOCK)  # returns what has arrived: a kill loses few bytes
            except (http.client.HTTPException, OSError) as error:
                raise TemporaryError(f"the connection broke off: {describe(error)}") from None
            if not block:
                return got
            out.write(block)
            hashed.update(block)
            got += len(block)
            self.count(len(block))


def local_path(source: str) -> Path | None:
    """Return the path of a source that is a local file, None for any other source."""
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    return None if "://" in source else Path(source).expanduser()


def _require_space(folder: Path, length: int) -> None:
    """Raise OSError (ENOSPC) before the first byte if the disk cannot hold the download."""
    disk = os.statvfs(folder)
    if length > disk.f_bavail * disk.f_frsize:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
