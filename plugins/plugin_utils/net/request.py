"""One request for a file, or a part of it; answers that stay the same are told from those that may not."""

from __future__ import annotations

import email.utils
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact
from .errors import absent, refused, words
from .retry import Passing, Wrong

_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))


def request(
    opener: urllib.request.OpenerDirector, source: str, timeout: float, first: int = 0, last: int | None = None
) -> Any:
    """Ask for a file, from a byte on; return the answer, open.

    :param timeout: seconds without a byte
    :raises Problem: for an answer that will stay the same
    :raises Passing: for one that may not
    :raises Wrong: where there is nothing from that byte on
    """
    headers = {"User-Agent": "lockstep", "Accept-Encoding": "identity"}
    if first or last is not None:
        headers["Range"] = f"bytes={first}-{'' if last is None else last}"
    try:
        return opener.open(urllib.request.Request(source, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _of_answer(source, error) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _of_connection(source, error) from None
    except ValueError:
        raise _no_address(source) from None


def _of_answer(source: str, error: urllib.error.HTTPError) -> Exception:
    """Return what it means that a server answered with an error."""
    code = error.code
    if code == 416:  # nothing after what is there, yet it is not the file: begin again
        return Wrong("more bytes were there than the file has")
    if code in (404, 410):
        return absent(source, f"HTTP {code}")
    if code in (401, 403, 407):
        return refused(source, code, code == 407)
    if code in _AGAIN:
        return Passing(f"the server failed (HTTP {code})", _retry_after(error.headers))
    return Problem(f"{redact(source)} cannot be downloaded", f"HTTP {code}")


def _of_connection(source: str, error: Exception) -> Exception:
    """Return what it means that there was no answer."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Problem(
            f"the certificate of {urlsplit(source).hostname} is not trusted",
            reason.verify_message or "",
            "name the file of your certificate authority in SSL_CERT_FILE",
        )
    if tunnel := re.match(r"Tunnel connection failed: (40[137])", str(reason)):
        return refused(source, int(tunnel[1]), True)
    if isinstance(error, http.client.InvalidURL) or (isinstance(reason, str) and "unknown url" in reason):
        return _no_address(source)
    return Passing(words(reason))


def _no_address(source: str) -> Problem:
    return Problem(f"{redact(source)} is no address", "", "correct lockstep_mirror_source")


def _retry_after(headers: Any) -> float:
    """Return the seconds that a server asks to wait (RFC 9110, 10.2.3), 0 where it does not."""
    value = str(headers.get("Retry-After") or "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
