"""What a site declares about its locks (the lockstep_* variables), and whether that is right."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils.build import wheels
from ...module_utils.host import install_plan as plans
from ...module_utils.host.errors import Problem
from ..conda import channels as chan
from ..conda.system_requirements import SystemRequirements
from ..solve.conda_solver import parse_exclude_newer
from ..spec import lint_rules


@dataclass(frozen=True)
class Settings:
    """What a site declares about its locks (the lockstep_* variables), and what this run was asked to move."""

    envs_dir: Path
    locks_dir: Path
    tier: str
    envs: tuple[str, ...] | None = None  # None: every spec there is
    channels: tuple[str, ...] = ("conda-forge",)
    repodata_alias: str = chan.PUBLISHED_ALIAS
    system_requirements: Any = None
    platforms: tuple[str, ...] = ("linux-64",)
    exclude_newer: Any = None
    update: tuple[str, ...] = ()
    upgrade: bool = False
    cache: Path | None = None
    pip_index: str = ""  # of the pip sections' wheels; "": the one that uv is set up for


class SettingsError(ValueError):
    """The site's variables are wrong; the text says which and how to put them right."""


def check(settings: Settings) -> tuple[SystemRequirements, dt.datetime | None]:
    """Return the system requirements and the time up to which packages count; raises SettingsError for a variable
    that is wrong.
    """
    try:
        system_requirements = SystemRequirements.parse(settings.system_requirements)
        cutoff = parse_exclude_newer(settings.exclude_newer)
        wheels.check_index(settings.pip_index)
        addresses = [chan.published(channel) for channel in settings.channels]
    except (ValueError, Problem) as error:
        raise SettingsError(str(error)) from None
    if twice := next((item for item in addresses if addresses.count(item) > 1), None):
        raise SettingsError(f"lockstep_channels has {chan.short_name(twice)} twice: remove one")
    if unknown := sorted(set(settings.platforms) - set(plans.PLATFORMS)):
        raise SettingsError(f"lockstep_platforms: unknown {', '.join(unknown)}; there are {', '.join(plans.PLATFORMS)}")
    if not plans.NAME.match(settings.tier):
        raise SettingsError(
            f"lockstep_tiers: {settings.tier[:80]!r} cannot be a tier's name, which becomes a folder's: "
            "write a-z, 0-9, '.', '_' and '-'"
        )
    if not settings.channels or not settings.platforms:
        raise SettingsError("lockstep_channels and lockstep_platforms must each name at least one")
    return system_requirements, cutoff


def names(settings: Settings) -> list[str]:
    """Return the environments to lock, sorted; raises SettingsError for one without a spec."""
    try:
        present = sorted(path.stem for path in settings.envs_dir.iterdir() if path.suffix == ".yml" and path.is_file())
    except OSError as error:
        raise SettingsError(f"lockstep_envs_dir {settings.envs_dir}: {error.strerror}") from None
    if settings.envs is None:
        return present
    wanted = {name.strip() for name in settings.envs}
    if "" in wanted:
        raise SettingsError("an environment without a name is asked for (env= is empty, or has a comma too many)")
    if missing := sorted(wanted - set(present)):
        hints = []
        for name in missing:
            if (settings.envs_dir / f"{name}.yaml").is_file():
                hints.append(f"rename {name}.yaml to {name}.yml")
            elif close := lint_rules.nearest(name, present):
                hints.append(f"did you mean {close}?")
        there = f"there are {', '.join(present) or 'none'}"
        raise SettingsError(f"no spec for {', '.join(missing)} in {settings.envs_dir}; {'; '.join([*hints, there])}")
    return sorted(wanted)
