"""What can go wrong with a download, in words that a person can do something with."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class Stopped(Exception):
    """The run is to end: another download failed for good, or nobody waits for this one any more."""


class Full(Problem):
    """The disk is full: no further download can succeed."""


class Refused(Problem):
    """The source, or the proxy before it, wants credentials."""


class Absent(Problem):
    """The source does not have a file."""


def absent(source: str, why: str) -> Absent:
    """Return what it means to a person that a source does not have a file."""
    return Absent(
        f"the source does not have {redact(source)}",
        why,
        "if the channel withdrew it, lock again; else correct the source (lockstep_mirror_source)",
    )


def refused(source: str, code: int, proxy: bool) -> Refused:
    """Return what it means to a person that a server, or the proxy before it, refuses access."""
    remedy = (
        "put user and password for this host into ~/.netrc (or the file that NETRC names), or a token into "
        "lockstep_mirror_source"
    )
    return Refused(
        f"{redact(source)}: the {'proxy' if proxy else 'server'} refuses access (HTTP {code})",
        "",
        "put the proxy's user and password into HTTPS_PROXY, or ask its owner" if proxy else remedy,
    )


def written(error: OSError, path: Path) -> Problem:
    """Return what it means to a person that a file could not be written."""
    if error.errno in _FULL:
        return Full(
            f"the disk of {path.parent} is full", error.strerror or "", "make room, then run again: it goes on there"
        )
    return Problem(f"{error.filename or path} cannot be read or written", error.strerror or str(error))


def words(error: Any) -> str:
    """Return an error's words without addresses; a proxy's may hold a password."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redact(re.sub(r"https?://\S+", lambda match: redact(match[0]).partition("?")[0], str(said)))[:200]
