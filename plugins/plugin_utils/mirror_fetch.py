"""Download files that are known by their sha256: resumed where they broke off, retried, never believed unhashed.

Standard library only. Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), certificate
authorities the system's or those of SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE, credentials those of the netrc
file ($NETRC or ~/.netrc). No address is shown with what may be secret in it.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import errno
import hashlib
import http.client
import netrc
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ..module_utils.plan import redact
from ..module_utils.problem import Problem

BLOCK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
TRIES = 6  # in a row without any progress
PAUSE = 0.5  # seconds before the second try; doubled for each further one
LONGEST = 30.0
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class Stopped(Exception):
    """The run is to end: another download failed for good, or nobody waits for this one any more."""


class Full(Problem):
    """The disk is full: no further download can succeed."""


class Refused(Problem):
    """The source, or the proxy before it, wants credentials."""


class Absent(Problem):
    """The source does not have a file."""


class _Passing(Exception):
    """A failure that another try may not meet; `after`: seconds that the server asked for."""

    def __init__(self, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.after = after


class _Wrong(Exception):
    """All bytes arrived, and they are others."""


class _Credentials(urllib.request.BaseHandler):
    """Adds what the netrc file (or the source's own address) has for a host, to requests for that host alone.

    A redirect makes a new request: its host gets its own entry or nothing, never that of the first one.
    """

    handler_order = 400

    def __init__(self, given: Mapping[str, tuple[str, str]]) -> None:
        self.given = dict(given)
        try:
            self.file: netrc.netrc | None = netrc.netrc(os.environ.get("NETRC") or None)
        except FileNotFoundError:
            self.file = None
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
            raise _bad_netrc(error) from None

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        host = urlsplit(request.full_url).hostname or ""
        entry = self.given.get(host)
        if entry is None and self.file:
            found = self.file.hosts.get(host)  # not its `default`, which would go to whoever is redirected to
            entry = (found[0], found[2] or "") if found else None
        if entry and not request.has_header("Authorization"):
            text = base64.b64encode(f"{entry[0]}:{entry[1]}".encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {text}")
        return request

    https_request = http_request


def _bad_netrc(error: Exception) -> Problem:
    """Return what is wrong with a netrc file, without the parser's words: it quotes what it stumbled over."""
    where = getattr(error, "filename", None) or os.environ.get("NETRC") or "~/.netrc"
    line = getattr(error, "lineno", None)
    why, remedy = "it is not a netrc file", "mend it, or name another one in the environment variable NETRC"
    if isinstance(error, OSError):
        why = error.strerror or str(error)
    elif "permissive" in str(error) or "owner" in str(error):
        why, remedy = "others can read it, or it belongs to somebody else", f"chmod 600 {where}"
    return Problem(f"{where} cannot be used" + (f" (line {line})" if line else ""), why, remedy)


def split_credentials(url: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return an address without `user:password@`, and by host what was there."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, {}
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(bare), {parts.hostname or "": (unquote(user), unquote(password))}


def tls_context() -> ssl.SSLContext:
    """Return whom to trust: the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR (which OpenSSL reads
    itself), and those of REQUESTS_CA_BUNDLE besides, which conda and pip read.

    :raises Problem: where a variable names a file that holds none
    """
    context = ssl.create_default_context()
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        place = os.environ.get(variable)
        if place:
            try:
                folder = Path(place).is_dir()
                context.load_verify_locations(cafile=None if folder else place, capath=place if folder else None)
            except (OSError, ssl.SSLError) as error:
                raise Problem(
                    f"{variable} names {place}, which holds no certificates",
                    str(error),
                    "correct the variable, or unset it",
                ) from None
    return context


def opener(credentials: Mapping[str, tuple[str, str]] | None = None) -> urllib.request.OpenerDirector:
    """Return what opens addresses with this site's proxies, authorities and credentials.

    :raises Problem: where the netrc file or one of certificates cannot be used
    """
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=tls_context()), _Credentials(credentials or {})
    )


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
                raise _absent(source, error.strerror or str(error)) from None
        found: list[int] = []

        def ask() -> None:
            # not HEAD: an address that a channel redirects to is often signed for GET alone
            with self._open(source, 0, 0) as answer:
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
                with self._open(source, 0) as answer:
                    found.append(answer.read(limit).decode("utf-8", "replace"))
            except Absent:
                found.append(None)

        self._until(source, ask, lambda: 0)
        return found[-1]

    # -- one try -------------------------------------------------------------------------------------------------------

    def _until(self, source: str, once: Callable[[], None], reached: Callable[[], int]) -> None:
        """Try until it works, as long as each few tries bring the download further than it ever was."""
        furthest, failures, wrong = -1, 0, 0
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                return once()
            except _Wrong as error:
                # bytes of an earlier run or a broken proxy may be among them: once more from the start
                wrong += 1
                if wrong > 1:
                    raise Problem(
                        f"{redact(source)} is not the file that is locked",
                        str(error),
                        "if the channel replaced it, lock again; if a proxy or mirror damages it, mend that",
                    ) from None
            except _Passing as error:
                if reached() > furthest:
                    furthest, failures = reached(), 0
                failures += 1
                if failures >= TRIES:
                    raise Problem(
                        f"{redact(source)} cannot be downloaded",
                        f"{error} ({failures} tries)",
                        "check network and proxy (HTTPS_PROXY), then run again: what has arrived is kept",
                    ) from None
                wait = max(min(self.pause * 2 ** (failures - 1), LONGEST), min(error.after, 2 * LONGEST))
                if self.stop.wait(wait):
                    raise Stopped from None

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
                raise _absent(source, error.strerror or str(error)) from None
            length = path.stat().st_size
        else:
            try:
                reading = self._open(source, have)
            except _Wrong:
                partial.unlink(missing_ok=True)
                self.say(-have)
                raise
            told = reading.headers.get("Content-Length") or ""
            length = int(told) if told.isdigit() else -1
            start = re.match(r"bytes (\d+)-", reading.headers.get("Content-Range") or "")
            if reading.status == 206 and not (start and int(start[1]) == have):
                reading.close()
                partial.unlink(missing_ok=True)
                self.say(-have)
                raise _Passing("the server answered with another part than was asked for")
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
            raise _Passing(f"the connection broke off after {have + got} of {have + length} bytes")
        if hashed.hexdigest() != sha256:
            partial.unlink(missing_ok=True)
            self.say(-(have + got))
            raise _Wrong(f"its sha256 is {hashed.hexdigest()}, locked is {sha256}")

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
                raise _Passing(f"the connection broke off: {_words(error)}") from None
            if not block:
                return got
            out.write(block)
            hashed.update(block)
            got += len(block)
            self.say(len(block))

    def _open(self, source: str, first: int, last: int | None = None) -> Any:
        """Ask for a file from a byte on.

        :raises Problem: for an answer that will stay the same
        :raises _Passing: for one that may not
        """
        headers = {"User-Agent": "lockstep", "Accept-Encoding": "identity"}
        if first or last is not None:
            headers["Range"] = f"bytes={first}-{'' if last is None else last}"
        try:
            return self.opener.open(urllib.request.Request(source, headers=headers), timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            code = error.code
            if code == 416:  # nothing after what is there, yet it is not the file: begin again
                raise _Wrong("more bytes were there than the file has") from None
            if code in (404, 410):
                raise _absent(source, f"HTTP {code}") from None
            if code in (401, 403, 407):
                raise _refused(source, code, code == 407) from None
            if code in _AGAIN:
                raise _Passing(f"the server failed (HTTP {code})", _retry_after(error.headers)) from None
            raise Problem(f"{redact(source)} cannot be downloaded", f"HTTP {code}") from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise Problem(
                    f"the certificate of {urlsplit(source).hostname} is not trusted",
                    reason.verify_message or "",
                    "name the file of your certificate authority in SSL_CERT_FILE",
                ) from None
            if tunnel := re.match(r"Tunnel connection failed: (40[137])", str(reason)):
                raise _refused(source, int(tunnel[1]), True) from None
            if isinstance(error, http.client.InvalidURL) or (isinstance(reason, str) and "unknown url" in reason):
                raise Problem(f"{redact(source)} is no address", "", "correct lockstep_mirror_source") from None
            raise _Passing(_words(reason)) from None
        except ValueError:
            raise Problem(f"{redact(source)} is no address", "", "correct lockstep_mirror_source") from None


def _absent(source: str, why: str) -> Problem:
    return Absent(
        f"the source does not have {redact(source)}",
        why,
        "if the channel withdrew it, lock again; else correct the source (lockstep_mirror_source)",
    )


def _refused(source: str, code: int, proxy: bool) -> Refused:
    remedy = (
        "put user and password for this host into ~/.netrc (or the file that NETRC names), or a token into "
        "lockstep_mirror_source"
    )
    return Refused(
        f"{redact(source)}: the {'proxy' if proxy else 'server'} refuses access (HTTP {code})",
        "",
        "put the proxy's user and password into HTTPS_PROXY, or ask its owner" if proxy else remedy,
    )


def local_path(source: str) -> Path | None:
    """Return the path of a source that is a file of this machine, None for any other."""
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    return None if "://" in source else Path(source).expanduser()


def written(error: OSError, path: Path) -> Problem:
    """Return what it means to a person that a file could not be written."""
    if error.errno in _FULL:
        return Full(
            f"the disk of {path.parent} is full", error.strerror or "", "make room, then run again: it goes on there"
        )
    return Problem(f"{error.filename or path} cannot be read or written", error.strerror or str(error))


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


def _words(error: Any) -> str:
    """Return an error's words without addresses; a proxy's may hold a password."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact(re.sub(r"https?://\S+", lambda match: redact(match[0]).partition("?")[0], str(said)))[:200]


def _retry_after(headers: Any) -> float:
    """Return the seconds that a server asks to wait (RFC 9110, 10.2.3), 0 where it does not."""
    value = str(headers.get("Retry-After") or "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
