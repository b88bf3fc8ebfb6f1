"""The desired state of a host as plain data; desired_state.py builds it from the variables and the locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WHEEL = "(pip)"
"""The build of packages from a pip section."""


@dataclass(frozen=True)
class LockedEnv:
    """An environment as locked for one platform. `packages` are `(name, version, build)`, conda packages first."""

    digest: str
    packages: tuple[tuple[str, str, str], ...] = ()
    system_requirements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DesiredEnv:
    """An environment that a host should hold: the path of its lock, its platforms, or why the lock cannot be used."""

    lock: str
    platforms: Mapping[str, LockedEnv] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class CleanSchedule:
    """The scheduled clean: units by path below the home, the crontab line, and which to use (auto, timer or cron)."""

    units: Mapping[str, str]
    timer: str
    cron: str
    scheduler: str = "auto"


@dataclass(frozen=True)
class DesiredState:
    """What one host should hold. A field that is None is not declared, and not compared."""

    root: str
    tier: str
    envs: Mapping[str, DesiredEnv]
    base_prefix: str = ""
    base_version: str | None = None
    shell_line: str = ""
    condarc: str | None = None
    condarc_sha256: str | None = None
    rattler: str | None = None
    rattler_wheels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    clean: CleanSchedule | None = None
    system_requirements: Mapping[str, str] = field(default_factory=dict)
