"""Request a file or a part of it; tell permanent failures from temporary ones."""

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
from .errors import access_refused, describe, not_found
from .retry import TemporaryError, WrongContent

_TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))


def request(
    opener: urllib.request.OpenerDirector, source: str, timeout: float, first: int = 0, last: int | None = None
) -> Any:
    """Request bytes `first` to `last` of a file (RFC 9110, 14); return the open response.

    :param timeout: seconds without a byte
    :param last: the last byte to request; None: the end of the file
    :raises Problem: for a failure that another try would meet again
    :raises TemporaryError: for a failure that another try may not meet
    :raises WrongContent: if the file has fewer than `first` bytes
    """
    headers = {"User-Agent": "lockstep", "Accept-Encoding": "identity"}
    if first or last is not None:
        headers["Range"] = f"bytes={first}-{'' if last is None else last}"
    try:
        return opener.open(urllib.request.Request(source, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _status_error(source, error) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _connection_error(source, error) from None
    except ValueError:
        raise _address_error(source) from None


def _status_error(source: str, error: urllib.error.HTTPError) -> Exception:
    """Make the error for a response with an error status."""
    code = error.code
    if code == 416:  # nothing after the bytes that are there, yet their sha256 is wrong: start again
        return WrongContent("the partial download has more bytes than the file")
    if code in (404, 410):
        return not_found(source, f"HTTP {code}")
    if code in (401, 403, 407):
        return access_refused(source, code, code == 407)
    if code in _TEMPORARY:
        return TemporaryError(f"the server failed (HTTP {code})", _retry_after(error.headers))
    return Problem(f"{redact(source)} cannot be downloaded", f"HTTP {code}")


def _connection_error(source: str, error: Exception) -> Exception:
    """Make the error for a request without a response."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Problem(
            f"the certificate of {urlsplit(source).hostname} is not trusted",
            reason.verify_message or "",
            "name the file of your certificate authority in SSL_CERT_FILE",
        )
    if tunnel := re.match(r"Tunnel connection failed: (40[137])", str(reason)):
        return access_refused(source, int(tunnel[1]), True)
    if isinstance(error, http.client.InvalidURL) or (isinstance(reason, str) and "unknown url" in reason):
        return _address_error(source)
    return TemporaryError(describe(reason))


def _address_error(source: str) -> Problem:
    return Problem(f"{redact(source)} is not a valid address", "", "correct lockstep_mirror_source")


def _retry_after(headers: Any) -> float:
    """Return the seconds that a server asks to wait (RFC 9110, 10.2.3), 0 if it does not."""
    value = str(headers.get("Retry-After") or "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
