"""Checksums of bytes and files."""

from __future__ import annotations

import hashlib


def sha256(data: bytes) -> str:
    """Return the sha256 of bytes, as hex."""
    return hashlib.sha256(data).hexdigest()
