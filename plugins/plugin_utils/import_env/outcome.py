"""What an import is asked, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..core.findings import Finding
from ..lock.settings import Settings as Site
from .discovered import Note


class ImportFailed(ValueError):
    """Nothing was taken over; the text says why and what to do."""


@dataclass(frozen=True)
class Settings:
    """What to take over, and what a site declares about its locks; `python` is a series to go to (3.12), if told."""

    source: Path
    name: str
    site: Site
    force: bool = False
    python: str = ""


@dataclass
class Outcome:
    """A spec and a lock, what was there before, and what became of everything."""

    name: str
    spec_path: Path
    lock_path: Path
    spec: str
    lock: str
    old_spec: str | None
    old_lock: str | None
    notes: list[Note] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    exact: bool = False
    difference: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether one of the two files is another than before."""
        return self.spec != self.old_spec or self.lock != self.old_lock
