"""What is to be mirrored, from where, to where, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..conda import channels as chan


@dataclass(frozen=True)
class Choice:
    """What is asked for; None means everything that there is."""

    tiers: tuple[str, ...]
    chosen: tuple[str, ...] | None = None
    envs: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Extras:
    """What hosts need besides packages: versions of Miniconda with the table of installers, and the rattler
    runtime's wheels.
    """

    miniconda_versions: tuple[str, ...] = ()
    installers: Mapping[str, str] = field(default_factory=dict)
    rattler_wheels: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Sources:
    """Where files come from: an address or folder for each. `rattler runtime` "": the package index of the
    controller's pip.

    With `mirror` all of it comes from another mirror, as it is laid out there.
    """

    alias: str = chan.PUBLISHED_ALIAS
    miniconda: str = ""
    rattler: str = ""
    mirror: bool = False


@dataclass(frozen=True)
class Settings:
    """What to mirror, from where, to where, and how."""

    dest: Path
    locks_dir: Path
    choice: Choice
    extras: Extras = field(default_factory=Extras)
    sources: Sources = field(default_factory=Sources)
    prune: bool = False
    verify: bool = False
    parallel: int = 4
