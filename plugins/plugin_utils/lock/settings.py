"""Check what a site declares about its locks (the lockstep_* variables)."""

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
from ..core.errors import ControllerError
from ..solve.conda_solver import parse_exclude_newer
from ..spec import lint_rules


@dataclass(frozen=True)
class Settings:
    """What a site declares about its locks (the lockstep_* variables), and the packages that this run updates."""

    envs_dir: Path
    locks_dir: Path
    tier: str
    envs: tuple[str, ...] | None = None  # None: every spec
    channels: tuple[str, ...] = ("conda-forge",)
    repodata_alias: str = chan.PUBLISHED_ALIAS
    system_requirements: Any = None
    platforms: tuple[str, ...] = ("linux-64",)
    exclude_newer: Any = None
    update: tuple[str, ...] = ()
    upgrade: bool = False
    cache: Path | None = None
    pip_index: str = ""  # url, for the pip sections; "": the index that uv is configured for


class SettingsError(ControllerError):
    """A variable of the site, or an argument of the run, is wrong."""


def check(settings: Settings) -> tuple[SystemRequirements, dt.datetime | None]:
    """Return the system requirements and the time (UTC) up to which packages count; raises SettingsError."""
    try:
        requirements = SystemRequirements.parse(settings.system_requirements)
        cutoff = parse_exclude_newer(settings.exclude_newer)
        wheels.check_index(settings.pip_index)
        addresses = [chan.published(channel) for channel in settings.channels]
    except (ValueError, Problem) as error:
        raise SettingsError(str(error)) from None
    if twice := next((item for item in addresses if addresses.count(item) > 1), None):
        raise SettingsError("lockstep_channels", f"{chan.short_name(twice)} is listed twice", "remove one entry")
    if unknown := sorted(set(settings.platforms) - set(plans.PLATFORMS)):
        remedy = f"use {', '.join(plans.PLATFORMS[:-1])} or {plans.PLATFORMS[-1]}"
        raise SettingsError("lockstep_platforms", f"unknown platform {', '.join(unknown)}", remedy)
    if not plans.NAME.match(settings.tier):
        cause = f"{settings.tier[:80]!r} is not a valid tier name, since it becomes a folder's name"
        raise SettingsError("lockstep_tiers", cause, "use only a-z, 0-9, '.', '_' and '-'")
    if not settings.channels or not settings.platforms:
        name = "lockstep_platforms" if settings.channels else "lockstep_channels"
        raise SettingsError(name, "the list is empty", "name at least one")
    return requirements, cutoff


def names(settings: Settings) -> list[str]:
    """Return the names of the environments to lock, sorted; raises SettingsError if one has no spec."""
    try:
        present = sorted(path.stem for path in settings.envs_dir.iterdir() if path.suffix == ".yml" and path.is_file())
    except OSError as error:
        cause = error.strerror or str(error)
        raise SettingsError(f"lockstep_envs_dir {settings.envs_dir}", cause, "name the folder of the specs") from None
    if settings.envs is None:
        return present
    wanted = {name.strip() for name in settings.envs}
    if "" in wanted:
        raise SettingsError("env", "it is empty, or has a comma too many", "name one or more environments")
    if missing := sorted(wanted - set(present)):
        hints = []
        for name in missing:
            if (settings.envs_dir / f"{name}.yaml").is_file():
                hints.append(f"rename {name}.yaml to {name}.yml")
            elif close := lint_rules.nearest(name, present):
                hints.append(f"did you mean {close}?")
        hints.append(f"existing specs: {', '.join(present) or 'none'}")
        raise SettingsError(f"no spec for {', '.join(missing)} in {settings.envs_dir}", "", "; ".join(hints))
    return sorted(wanted)
