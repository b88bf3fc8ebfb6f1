# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH110, PTH112, PTH113, PTH118, PTH121, PTH208
"""Environments on disk: their records, marks, history, and the list of those a user has."""

from __future__ import annotations

import datetime
import json
import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .channels import resolve
from .errors import Failure
from .settings import Settings, writable_file


def same(one: str, other: str) -> bool:
    """Whether two paths are the same text after normalising (links are not followed, as in conda)."""
    return os.path.normpath(one) == os.path.normpath(other)


def name_of(prefix: str, settings: Settings) -> str:
    """An environment's name, or "" when it lies outside the envs_dirs."""
    if same(prefix, settings.root_prefix) or (
        os.path.exists(prefix) and os.path.samefile(prefix, settings.root_prefix)
    ):
        return "base"
    parent, last = os.path.split(os.path.normpath(prefix))
    return last if any(same(folder, parent) for folder in settings.envs_dirs) else ""


def is_environment(prefix: str) -> bool:
    """CEP: a folder with `conda-meta/history`."""
    return os.path.isfile(os.path.join(prefix, "conda-meta", "history"))


def is_frozen(prefix: str) -> bool:
    """CEP 22: `conda-meta/frozen` is there."""
    return os.path.isfile(os.path.join(prefix, "conda-meta", "frozen"))


def require_environment(prefix: str) -> None:
    """Check that a command has something to work on.

    :raises Failure: `EnvironmentLocationNotFound`, `DirectoryNotACondaEnvironmentError`
    """
    if not os.path.isdir(prefix):
        raise not_found(prefix)
    if not is_environment(prefix):
        raise Failure(
            "DirectoryNotACondaEnvironmentError",
            "The target directory exists, but it is not a conda environment.\n"
            f"Use 'conda create' to convert the directory to a conda environment.\n  target directory: {prefix}\n",
            target_directory=prefix,
        )


def not_found(prefix: str) -> Failure:
    """The failure that conda raises for a folder that is no environment."""
    return Failure("EnvironmentLocationNotFound", f"Not a conda environment: {prefix}", location=prefix)


def require_writable(prefix: str) -> None:
    """Check that this user may change an environment.

    :raises Failure: `EnvironmentNotWritableError`, and those of `require_environment`
    """
    require_environment(prefix)
    if not writable_file(os.path.join(prefix, "conda-meta", "history")):
        raise Failure(
            "EnvironmentNotWritableError",
            "The current user does not have write permissions to the target environment.\n"
            f"  environment location: {prefix}\n  uid: {os.geteuid()}\n  gid: {os.getegid()}\n",
            environment_location=prefix,
            uid=os.geteuid(),
            gid=os.getegid(),
        )


def require_thawed(prefix: str) -> None:
    """Refuse to change an environment that is marked as frozen (CEP 22), with the mark's own message.

    :raises Failure: `EnvironmentIsFrozenError`
    """
    if not is_frozen(prefix):
        return
    text = Path(prefix, "conda-meta", "frozen").read_text(encoding="utf-8")
    reason = str(json.loads(text).get("message", "")) if text else ""
    message = f"Cannot modify '{prefix}'. The environment is marked as frozen. "
    if reason:
        message += "Reason:\n\n" + "\n".join(f"    {line}" for line in reason.splitlines()) + "\n\n"
    message += "You can bypass these protections with the `--override-frozen` flag, at your own risk."
    raise Failure("EnvironmentIsFrozenError", message)


def records(prefix: str) -> list[dict[str, Any]]:
    """conda's records of installed packages, sorted by name; unreadable ones are an error, not a gap.

    :raises Failure: `CondaError`
    """
    found = []
    for path in sorted(Path(prefix, "conda-meta").glob("*.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise Failure("CorruptedEnvironmentError", f"cannot read the record {path}: {error}") from None
    return sorted(found, key=lambda record: str(record["name"]))


def pip_packages(prefix: str, conda: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Packages that pip put into an environment: dist-infos whose RECORD no conda record owns."""
    owned = {name for record in conda for name in record.get("files", ())}
    found = []
    for info in sorted(Path(prefix).glob("lib/python3.*/site-packages/*.dist-info/METADATA")):
        if info.with_name("RECORD").relative_to(prefix).as_posix() in owned:
            continue
        fields: dict[str, str] = {}
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, colon, value = line.partition(": ")
            if not line.strip() or not colon:
                break
            fields.setdefault(key.lower(), value.strip())
        name, version = fields.get("name", info.parent.name.split("-")[0]), fields.get("version", "<unknown>")
        found.append(
            {
                "name": name.lower().replace("_", "-"),
                "version": version,
                "build": "pypi_0",
                "build_number": 0,
                "channel": "pypi",
                "subdir": "pypi",
            }
        )
    return found


def dist_fields(record: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """One package as `conda list --json` shows it."""
    if record["channel"] == "pypi":
        base, channel, platform = f"{settings.get('channel_alias').rstrip('/')}/pypi", "pypi", "pypi"
    else:
        known = resolve(str(record.get("url") or record["channel"]), settings)[0]
        base, channel, platform = known.base, known.name, str(record["subdir"])
    return {
        "base_url": base,
        "build_number": record["build_number"],
        "build_string": record["build"],
        "channel": channel,
        "dist_name": f"{record['name']}-{record['version']}-{record['build']}",
        "name": record["name"],
        "platform": platform,
        "version": record["version"],
    }


def in_order(unsorted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with each package behind what it depends on; equals by name (circles are cut where they are met)."""
    by_name = {str(record["name"]): record for record in unsorted}
    done: dict[str, dict[str, Any]] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in done or name in above or name not in by_name:
            return
        for spec in sorted(by_name[name].get("depends", ())):
            visit(str(spec).split()[0].split("=")[0], above | {name})
        done[name] = by_name[name]

    for name in sorted(by_name):
        visit(name, frozenset())
    return list(done.values())


def environments_file() -> Path:
    """The list of a user's environments outside the envs_dirs."""
    return Path("~/.conda/environments.txt").expanduser()


def register(prefix: str, settings: Settings) -> None:
    """Add an environment to the user's list; not being able to is a warning."""
    if not settings.get("register_envs"):
        return
    listed = environments_file()
    prefix = os.path.normpath(prefix)
    try:
        listed.parent.mkdir(parents=True, exist_ok=True)
        if not listed.exists() or prefix not in listed.read_text(encoding="utf-8").splitlines():
            with listed.open("a", encoding="utf-8") as file:
                file.write(f"{prefix}\n")
    except OSError as error:
        import sys

        print(f"WARNING: cannot register the environment in {listed}: {error.strerror}", file=sys.stderr)


def unregister(prefix: str) -> None:
    """Take an environment off the user's list."""
    listed = environments_file()
    if listed.exists():
        lines = [line for line in listed.read_text(encoding="utf-8").splitlines() if line != os.path.normpath(prefix)]
        listed.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def known_prefixes(settings: Settings) -> list[str]:
    """All environments that conda knows of: base, those in the envs_dirs, those on the user's list."""
    found = {settings.root_prefix}
    for folder in settings.envs_dirs:
        if os.path.isdir(folder):
            found.update(path for name in os.listdir(folder) if is_environment(path := os.path.join(folder, name)))
    homes = [entry.pw_dir for entry in pwd.getpwall()] if os.geteuid() == 0 else [str(Path.home())]
    for home in homes:  # root sees what all users have
        try:
            lines = Path(home, ".conda", "environments.txt").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        found.update(line for line in lines if line and is_environment(line))
    return sorted(found)


def details(prefix: str, settings: Settings) -> dict[str, Any]:
    """What `--json` says of one environment."""
    history = Path(prefix, "conda-meta", "history")
    created: str | None = None
    try:
        stamp = float(Path(prefix, "conda-meta", "created_at").read_text(encoding="utf-8"))
        created = _moment(stamp)
    except (OSError, ValueError):
        pass
    active = settings.active_prefix
    return {
        "name": name_of(prefix, settings),
        "created": created,
        "last_modified": _moment(history.stat().st_mtime) if history.exists() else None,
        "active": bool(active) and os.path.exists(str(active)) and os.path.samefile(prefix, str(active)),
        "base": same(prefix, settings.root_prefix),
        "frozen": is_frozen(prefix),
        "writable": writable_file(str(history)),
    }


def _moment(stamp: float) -> str:
    return datetime.datetime.fromtimestamp(stamp, tz=datetime.UTC).isoformat()
