"""Errors of downloads, with the cause and the remedy for the user."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact

_DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class Stopped(Exception):
    """The run must end: another download failed for good, or the caller is gone."""


class DiskFull(Problem):
    """The disk is full: no further download can succeed."""


class AccessRefused(Problem):
    """The source, or the proxy in front of it, requires credentials."""


class NotFound(Problem):
    """The source does not have a file."""


def not_found(source: str, cause: str) -> NotFound:
    """Make the error for a file that the source does not have."""
    return NotFound(
        f"the source does not have {redact(source)}",
        cause,
        "if the channel withdrew it, lock again; otherwise correct the source (lockstep_mirror_source)",
    )


def access_refused(source: str, code: int, proxy: bool) -> AccessRefused:
    """Make the error for a server, or the proxy in front of it, that refuses access with an HTTP status."""
    remedy = (
        "put user and password for this host into ~/.netrc (or the file that NETRC names), or a token into "
        "lockstep_mirror_source"
    )
    return AccessRefused(
        f"{redact(source)}: the {'proxy' if proxy else 'server'} refuses access (HTTP {code})",
        "",
        "put the proxy's user and password into HTTPS_PROXY, or ask its owner" if proxy else remedy,
    )


def file_error(error: OSError, path: Path) -> Problem:
    """Make the error for a file that cannot be read or written; DiskFull if the disk or the quota is full."""
    if error.errno in _DISK_FULL:
        return DiskFull(
            f"the disk of {path.parent} is full",
            error.strerror or "",
            "make room, then run again: the run continues where it stopped",
        )
    return Problem(f"{error.filename or path} cannot be read or written", error.strerror or str(error))


def describe(error: Any) -> str:
    """Return an error's text with all addresses redacted: a proxy's address can hold a password."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact(re.sub(r"https?://\S+", lambda match: redact(match[0]).partition("?")[0], str(text)))[:200]
