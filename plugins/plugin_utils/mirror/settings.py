"""Define the settings of a mirror: what to hold, from where, to where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..conda import channels as chan


@dataclass(frozen=True)
class Choice:
    """Which locks to mirror; None means all that exist.

    :param tiers: the site's tiers, in order
    :param chosen: the tiers to mirror
    :param channels: the channels that a lock may use
    """

    tiers: tuple[str, ...]
    chosen: tuple[str, ...] | None = None
    envs: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Extras:
    """What hosts need besides packages: versions of Miniconda, the sha256 of each installer by file name, and the
    rattler runtime's wheels: for each version, `{file, sha256}` by platform.
    """

    miniconda_versions: tuple[str, ...] = ()
    installers: Mapping[str, str] = field(default_factory=dict)
    rattler_wheels: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Sources:
    """Where files come from: a url or a folder for each. `rattler` "": the package index of the controller's pip.

    With `mirror`, all files come from another mirror at `alias`.
    """

    alias: str = chan.PUBLISHED_ALIAS
    miniconda: str = ""
    rattler: str = ""
    mirror: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings of one run. `verify`: hash every file; `parallel`: downloads at once."""

    dest: Path
    locks_dir: Path
    choice: Choice
    extras: Extras = field(default_factory=Extras)
    sources: Sources = field(default_factory=Sources)
    prune: bool = False
    verify: bool = False
    parallel: int = 4
