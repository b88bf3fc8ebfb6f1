"""The outcome of locking one environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.findings import Finding


@dataclass
class Outcome:
    """The outcome of locking one environment: findings, the previous and the new text, the difference."""

    name: str
    path: Path
    findings: list[Finding] = field(default_factory=list)
    old: bytes | None = None  # the previous lock, and its text if it can be decoded
    old_text: str | None = None
    new_text: str | None = None
    difference: list[str] = field(default_factory=list)
    platforms: list[dict[str, Any]] = field(default_factory=list)  # name, packages, download_bytes, variants

    @property
    def changed(self) -> bool:
        """Whether the lock on disk is not the one that was made."""
        return self.new_text is not None and self.new_text != self.old_text
