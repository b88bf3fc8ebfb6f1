"""Settings and outcome of an import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import ControllerError
from ..core.findings import Finding
from ..lock.settings import Settings as Site
from .discovered import Note


class ImportFailed(ControllerError):
    """An import that is refused; nothing was written."""


@dataclass(frozen=True)
class Settings:
    """What to import, and the site's settings for locks; `python` is the series to change to (3.12), or ""."""

    source: Path
    name: str
    site: Site
    force: bool = False
    python: str = ""


@dataclass
class Outcome:
    """The new spec and lock, the previous ones, and notes on every line and package.

    `exact` is true if the lock holds exactly the files of the environment.
    """

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
        """Whether the spec or the lock differs from the previous one."""
        return self.spec != self.old_spec or self.lock != self.old_lock
