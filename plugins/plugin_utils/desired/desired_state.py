"""Build the desired state of a host from templated variables and its tier's locks.

Defaults are decided in the roles only: the caller passes the values of `SETTINGS`, already templated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...module_utils.host import install_plan
from ..conda import lockfile
from ..conda.system_requirements import SystemRequirements, SystemRequirementsError
from ..core.digest import sha256
from . import clean_schedule, condarc, derived_cache
from .model import WHEEL, CleanSchedule, DesiredEnv, DesiredState, LockedEnv

SETTINGS: tuple[str, ...] = (
    "lockstep_root", "lockstep_tier", "lockstep_envs", "lockstep_locks_dir", "lockstep_channels",
    "lockstep_system_requirements", "lockstep_maintenance", "lockstep_reports_dir",
    "miniconda_prefix", "miniconda_version", "miniconda_shell_line",
    "condarc_root", "condarc_prefix", "condarc_channels", "condarc_channel_alias", "condarc_users_may_add_channels",
    "conda_envs_root", "conda_envs_names", "conda_envs_tier", "conda_envs_locks_dir", "conda_envs_channels",
    "conda_envs_rattler_version", "conda_envs_rattler_wheels",
    "conda_clean_root", "conda_clean_weekday", "conda_clean_hour", "conda_clean_minute", "conda_clean_jitter_minutes",
    "conda_clean_scheduler",
)  # fmt: skip
"""The variables that are read. What depends on an undefined one is not declared."""

ROLES = ("miniconda", "condarc", "conda_envs", "conda_clean")
UNITS = ".config/systemd/user/"
UNIT_MODE = 0o644


class DesiredStateError(ValueError):
    """The variables do not define what a host should hold; the message names the variable, the cause and the remedy."""


def build(
    settings: Mapping[str, Any], host: str, cache: Path | None, files: Mapping[str, tuple[str, int]] | None = None
) -> DesiredState:
    """Build the desired state of a host.

    :param settings: values of `SETTINGS`
    :param host: its inventory name (the crontab's jitter is computed from it)
    :param cache: folder of the cache of locks, so that each lock is read once for all hosts; None: no cache
    :param files: sha256 and mode of Lockstep's own files, by path below the root (host_files.host_files())
    :raises DesiredStateError: if a variable is missing or invalid
    """
    root = _string(settings, "conda_envs_root", _string(settings, "lockstep_root", "/opt/lockstep"))
    tier = _string(settings, "conda_envs_tier", _string(settings, "lockstep_tier", ""))
    names = _list_of_names(settings.get("conda_envs_names", settings.get("lockstep_envs")))
    locks = _string(settings, "conda_envs_locks_dir", _string(settings, "lockstep_locks_dir", ""))
    if names and not tier:
        raise DesiredStateError(
            "lockstep_tier is not set for this host, so its lock is unknown; set it in the group_vars of its group"
        )
    if names and not locks:
        raise DesiredStateError(
            "lockstep_locks_dir is not set; it is the folder that holds <tier>/<env>.conda-lock.yml"
        )
    if not names and settings.get("lockstep_envs") is None:
        raise DesiredStateError(
            "lockstep_envs is not set for this host, so what it should hold is unknown; "
            "set it in group_vars (an empty list for a base alone)"
        )
    channels = allowed_channels(settings)
    prefix = _string(settings, "miniconda_prefix", f"{root}/miniconda")
    for variable, other in (("condarc_prefix", prefix), ("condarc_root", root), ("conda_clean_root", root)):
        given = _string(settings, variable, other)
        if given.rstrip("/") != other.rstrip("/"):
            whose = "miniconda_prefix" if other == prefix else "conda_envs_root"
            raise DesiredStateError(
                f"{variable} is {given}, and {whose} is {other}: a host has one base and one root, which all roles "
                "share; set lockstep_root only, and none of the roles' own variables"
            )
    text = _condarc(settings, root)
    wheels = settings.get("conda_envs_rattler_wheels")
    return DesiredState(
        root=root,
        tier=tier,
        envs={name: read_env(Path(locks, tier, name + lockfile.SUFFIX), name, channels, cache) for name in names},
        base_prefix=prefix,
        base_version=str(settings["miniconda_version"]) if settings.get("miniconda_version") else None,
        shell_line=_shell_line(settings, prefix),
        condarc=text,
        condarc_sha256=None if text is None else sha256(text.encode()),
        rattler=str(settings["conda_envs_rattler_version"]) if settings.get("conda_envs_rattler_version") else None,
        rattler_wheels=_wheels(wheels),
        files=dict(files or {}),
        clean=_clean(settings, root, host),
        system_requirements=flat_requirements(settings.get("lockstep_system_requirements"), "variables"),
    )


def request(
    desired: DesiredState,
    depth: str = "stats",
    gpu: bool = False,
    seconds: int = 300,
    known: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the request to the observer (module_utils/observe).

    :param known: stamps of generations; the observer inspects a generation only if its stamp is a different one
    """
    asked: dict[str, Any] = {
        "root": desired.root,
        "base": desired.base_prefix,
        "depth": depth,
        "seconds": seconds,
        "envs": {
            name: {platform: locked.digest for platform, locked in env.platforms.items()}
            for name, env in desired.envs.items()
        },
        "condarc": desired.condarc_sha256,
        "files": dict(desired.files),
    }
    if gpu:
        asked["gpu"] = True
    if known:
        asked["known"] = dict(known)
    if desired.shell_line:
        asked["shell_line"] = desired.shell_line
    if desired.clean is not None:
        asked["timer"] = desired.clean.timer
        asked["home_files"] = {path: (sha256(text.encode()), UNIT_MODE) for path, text in desired.clean.units.items()}
    return asked


# --- locks ------------------------------------------------------------------------------------------------------------


def read_env(path: Path, name: str, channels: Sequence[str] | None, cache: Path | None) -> DesiredEnv:
    """Read an environment from its lock; if the lock is missing or refused, return the reason as `error`."""
    if not install_plan.NAME.match(name):
        return DesiredEnv(str(path), error=f"{name[:80]!r} cannot be the name of an environment")
    try:
        inputs = ["desired", name, list(channels or []), derived_cache.identity(path)]
    except OSError as error:
        return DesiredEnv(str(path), error=f"{path} cannot be read ({error.strerror}); lock or promote it first")
    try:
        found = derived_cache.derived(cache, inputs, lambda: _read_lock(path, name, channels))
    except (lockfile.LockError, DesiredStateError, OSError, UnicodeDecodeError) as error:
        lines = str(error).strip().splitlines()
        return DesiredEnv(str(path), error="; ".join(lines[:3])[:500])
    return DesiredEnv(
        str(path),
        {
            platform: LockedEnv(digest, tuple((n, v, b) for n, v, b in packages), requirements)
            for platform, (digest, packages, requirements) in found.items()
        },
    )


def _read_lock(path: Path, name: str, channels: Sequence[str] | None) -> dict[str, list[Any]]:
    """Return [digest, packages, system requirements] by platform, as JSON data."""
    lock = lockfile.Lock.loads(path.read_text(encoding="utf-8"), str(path))
    least = flat_requirements(lock.value("system_requirements", {}), str(path))
    found = {}
    for platform in lock.platforms:
        plan = lockfile.plan(lock, name, platform, channels=channels)
        packages = [[package.name, package.version, package.build] for package in plan.packages]
        packages += [[wheel.name, wheel.version, WHEEL] for wheel in plan.pip]
        needs = {key: value for key, value in least.items() if _asks_for(key.split("/")[0], plan)}
        found[platform] = [plan.digest, packages, needs]
    return found


def _asks_for(key: str, plan: install_plan.InstallPlan) -> bool:
    """Return whether an environment depends on a virtual package; pure Python also runs on hosts without a GPU."""
    for package in plan.packages:
        if key == "cuda" and package.name == "cuda-version":
            return True
        if any(item.split(" ", 1)[0] == f"__{key}" for item in package.depends):
            return True
    return False


# --- variables --------------------------------------------------------------------------------------------------------


def _string(settings: Mapping[str, Any], name: str, default: str) -> str:
    value = settings.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise DesiredStateError(f"{name} is {value!r}, it must be a string")
    return value


def allowed_channels(settings: Mapping[str, Any]) -> list[str] | None:
    """Return the channels that locks may take packages from; None: every channel that a lock names.

    :raises DesiredStateError: if the variable is not a list
    """
    return (
        _list_of_names(settings.get("conda_envs_channels", settings.get("lockstep_channels")), "lockstep_channels")
        or None
    )


def _list_of_names(value: Any, name: str = "lockstep_envs") -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise DesiredStateError(f"{name} is {value!r}, it must be a list of names")
    return [str(item) for item in value]


def _wheels(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    try:
        return {str(platform): str(wheel["sha256"]).lower() for platform, wheel in value.items()}
    except (AttributeError, KeyError, TypeError):
        raise DesiredStateError("conda_envs_rattler_wheels must map each platform to {file, sha256}") from None


def flat_requirements(value: Any, source: str) -> dict[str, str]:
    """Return system requirements by virtual package; `archspec/<platform>` is the microarchitecture of one platform.

    :raises DesiredStateError: if the value is invalid
    """
    try:
        parsed = SystemRequirements.parse(value)
    except SystemRequirementsError as error:
        raise DesiredStateError(f"{source}: {error}") from None
    found = {"glibc": parsed.glibc, "linux": parsed.linux, "osx": parsed.osx}
    if parsed.cuda:
        found["cuda"] = parsed.cuda
    return found | {f"archspec/{platform}": name for platform, name in parsed.microarch.items()}


def _shell_line(settings: Mapping[str, Any], prefix: str) -> str:
    asked = _bool(settings.get("miniconda_shell_line", False), "miniconda_shell_line")
    return f". {prefix}/etc/profile.d/conda.sh" if asked else ""


def _condarc(settings: Mapping[str, Any], root: str) -> str | None:
    if settings.get("condarc_channels") is None or settings.get("condarc_channel_alias") is None:
        return None
    return condarc.render(
        _string(settings, "condarc_root", root),
        _list_of_names(settings["condarc_channels"], "condarc_channels"),
        str(settings["condarc_channel_alias"]),
        _bool(settings.get("condarc_users_may_add_channels", False), "condarc_users_may_add_channels"),
    )


def _bool(value: Any, name: str) -> bool:
    """Return a variable as Ansible's `bool` filter does: on a command line it is a string."""
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in ("yes", "on", "1", "true", "no", "off", "0", "false", ""):
        return text in ("yes", "on", "1", "true")
    raise DesiredStateError(f"{name} is {value!r}, it must be true or false")


def _clean(settings: Mapping[str, Any], root: str, host: str) -> CleanSchedule | None:
    if settings.get("conda_clean_weekday") is None:
        return None
    where = _string(settings, "conda_clean_root", root)
    try:
        day = str(settings["conda_clean_weekday"])
        hour, minute, jitter = (int(settings[f"conda_clean_{key}"]) for key in ("hour", "minute", "jitter_minutes"))
        units = clean_schedule.units(where, day, hour, minute, jitter)
        entry = clean_schedule.cron(where, day, hour, minute, jitter, host)
    except (KeyError, TypeError, ValueError) as error:
        raise DesiredStateError(f"conda_clean: {error}") from None
    line = f"{entry['minute']} {entry['hour']} * * {entry['weekday']} {entry['job']}"
    scheduler = _string(settings, "conda_clean_scheduler", "auto")
    return CleanSchedule({UNITS + name: text for name, text in units.items()}, clean_schedule.TIMER, line, scheduler)
