"""What a host should hold, as plain data; declare.py reads it from the variables and the locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WHEEL = "(pip)"
"""Stands for the build of what comes from pip."""


@dataclass(frozen=True)
class Locked:
    """What a tier's lock holds for one platform. `packages` are `(name, version, build)`, conda's first."""

    digest: str
    packages: tuple[tuple[str, str, str], ...] = ()
    system_requirements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeclaredEnv:
    """An environment that a host should hold: its lock's path, what that holds by platform, or why there is none."""

    lock: str
    platforms: Mapping[str, Locked] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Clean:
    """The schedule: units by path below the home, the crontab's line, and which of the two (auto, timer, cron)."""

    units: Mapping[str, str]
    timer: str
    cron: str
    scheduler: str = "auto"


@dataclass(frozen=True)
class Declared:
    """What one host should hold. None: not declared, and so not compared."""

    root: str
    tier: str
    envs: Mapping[str, DeclaredEnv]
    base_prefix: str = ""
    base_version: str | None = None
    shell_line: str = ""
    condarc: str | None = None
    condarc_sha256: str | None = None
    rattler: str | None = None
    rattler_wheels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    clean: Clean | None = None
    system_requirements: Mapping[str, str] = field(default_factory=dict)
