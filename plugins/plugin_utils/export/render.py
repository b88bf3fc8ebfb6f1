"""Render locks as files that tools other than Lockstep install from: `@EXPLICIT` lists (CEP 23) and, for wheels, pip's
requirements with hashes.

The lock remains the only source. An export is rendered from it on demand, with the same bytes for the same lock in
every tier and at any time.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...module_utils.host import install_plan as plans
from ..conda import channels as chan
from ..conda.locked_package import Package
from ..conda.lockfile import SUFFIX, Lock, LockError, plan
from ..conda.system_requirements import SystemRequirements, SystemRequirementsError
from ..core import atomic_write
from ..core.errors import ControllerError

EXPLICIT = ".explicit.txt"
REQUIREMENTS = ".requirements.txt"

_HEADER = "# Rendered by Lockstep"  # a file without it was not made by an export, and is not replaced
_ADDRESS = re.compile(r"(https?|file)://[^\s@#?%\\\"'`$]+\Z")


class ExportError(ControllerError):
    """An export that cannot be made."""


@dataclass(frozen=True)
class Settings:
    """What to export and where; None stands for all environments, all platforms, or the channels of each lock."""

    locks_dir: Path
    dest: Path
    tiers: tuple[str, ...]
    envs: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    channel_alias: str = chan.PUBLISHED_ALIAS
    pip_index: str = ""


@dataclass(frozen=True)
class File:
    """One file of an export: its text and the text that is in place; None: no file."""

    path: Path
    text: str | None
    old: str | None

    @property
    def changed(self) -> bool:
        """Whether the file on disk differs."""
        return self.text != self.old


@dataclass
class Outcome:
    """All files, one summary line for each environment and platform, and warnings."""

    files: list[File] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether any file on disk differs."""
        return any(file.changed for file in self.files)


def run(settings: Settings, write: bool) -> Outcome:
    """Render locks as files.

    :param write: whether to write the files that differ
    :raises ExportError: if an export cannot be made; nothing is written then
    :raises OSError: if a file cannot be written
    """
    alias = _address("the channel alias", settings.channel_alias)
    index = _address("the pip index", settings.pip_index) if settings.pip_index else ""
    outcome = Outcome()
    seen_platforms: set[str] = set()
    for tier, name, lock in _locks(settings):
        rendered: set[str] = set()
        for platform in sorted(lock.platforms):
            if settings.platforms is not None and platform not in settings.platforms:
                continue
            seen_platforms.add(platform)
            texts = render(lock, name, platform, alias, index, settings.channels)
            outcome.files += [_file(settings.dest / tier / file, text) for file, text in texts.items()]
            rendered |= texts.keys()
            count = len(lock.of(platform))
            outcome.summary.append(
                f"{tier}/{name:<12} {platform:<14} {count:>4} packages  digest {_digest(lock, name, platform)}"
            )
        if settings.platforms is None:
            outcome.warnings += _left_over(settings.dest / tier, name, rendered)
    if missing := sorted(set(settings.platforms or ()) - seen_platforms):
        raise ExportError(f"no lock has packages for {', '.join(missing)}", "", "see lockstep_platforms")
    if write:
        for file in outcome.files:
            if file.changed and file.text is not None:
                atomic_write.write(file.path, file.text)
            elif file.changed:
                file.path.unlink(missing_ok=True)
    return outcome


def render(
    lock: Lock,
    name: str,
    platform: str,
    alias: str = chan.PUBLISHED_ALIAS,
    index: str = "",
    channels: Sequence[str] | None = None,
) -> dict[str, str | None]:
    """Return the texts of one environment on one platform, by file name; None: there should be no such file.

    :param alias: url that replaces the published channel alias
    :param index: url of the package index for wheels; "": pip's own
    :raises ExportError: if the lock cannot be installed (see `lockfile.plan`)
    """
    stem = f"{name}.{platform}"
    try:
        digest = _digest(lock, name, platform, channels)
        wheels = [package for package in lock.of(platform) if package.manager == "pip"]
        return {
            stem + EXPLICIT: _explicit(lock, name, platform, alias, digest),
            stem + REQUIREMENTS: _requirements(lock, name, platform, index, digest) if wheels else None,
        }
    except (LockError, SystemRequirementsError) as error:
        raise ExportError(str(error)) from None


def _explicit(lock: Lock, name: str, platform: str, alias: str, digest: str) -> str:
    packages = [package for package in lock.of(platform) if package.manager == "conda"]
    wheels = len(lock.of(platform)) - len(packages)
    file = f"{name}.{platform}{EXPLICIT}"
    lines = [
        f"{_HEADER} from the lock of {name}: {platform}, digest {digest}, {len(packages)} packages.",
        "# Do not edit: change the environment's spec, lock, and export again.",
        "#",
        f"#   conda create --name {name} --file {file}          (conda 24.9 or newer, mamba)",
        f"#   micromamba create --name {name} --file {file}",
        "#",
        "# Each address ends with the sha256 that the archive must have. Nothing is solved, and nothing checks what",
        f"# the machine offers: this is for {_assumed(lock, platform)}.",
    ]
    if lock.variables:
        assignments = " ".join(shlex.quote(f"{key}={value}") for key, value in sorted(lock.variables.items()))
        lines += [
            "# Such a list cannot hold the environment's variables. Set them after its creation:",
            f"#   conda env config vars set --name {name} {assignments}",
        ]
    if wheels:
        lines += [
            f"# Such a list cannot hold the {wheels} wheel{'s' if wheels > 1 else ''} of the environment: see "
            f"{name}.{platform}{REQUIREMENTS}."
        ]
    lines.append("@EXPLICIT")
    lines += [f"{chan.rewrite(package.url, alias)}#sha256:{package.sha256}" for package in in_order(packages)]
    return "".join(f"{line}\n" for line in lines)


def _requirements(lock: Lock, name: str, platform: str, index: str, digest: str) -> str:
    packages = lock.of(platform)
    has_pip = any(package.manager == "conda" and package.name == "pip" for package in packages)
    file = f"{name}.{platform}{REQUIREMENTS}"
    pip = f"conda run --name {name} python -m pip" if has_pip else f"pip --python <prefix of {name}>/bin/python"
    lines = [
        f"{_HEADER} from the lock of {name}: {platform}, digest {digest}, the wheels over its conda packages.",
        f"# Create the environment from {name}.{platform}{EXPLICIT}, then:",
        "#",
        f"#   {pip} install --no-deps --requirement {file}",
        "#",
        "# Without --no-deps, pip would install dependencies that conda has under another name a second time.",
        "--require-hashes",
        "--only-binary :all:",
    ]
    lines += [f"--index-url {index}"] if index else []
    lines += [f"{p.name}=={p.version} --hash=sha256:{p.sha256}" for p in packages if p.manager == "pip"]
    return "".join(f"{line}\n" for line in lines)


def in_order(packages: Iterable[Package]) -> list[Package]:
    """Return packages in an order in which each comes after its dependencies, else by name.

    Tools link in the order of the list, and some need python before packages that are compiled for it. In a cycle of
    dependencies the first by name comes first.
    """
    waiting = {package.name: package for package in sorted(packages)}
    needs = {name: {d for d, _unused in p.dependencies if d in waiting and d != name} for name, p in waiting.items()}
    ordered: list[Package] = []
    while waiting:
        ready = [name for name in waiting if not needs[name] & waiting.keys()] or [next(iter(waiting))]
        ordered += [waiting.pop(name) for name in ready]
    return ordered


def _assumed(lock: Lock, platform: str) -> str:
    """Return the system requirements that the lock records, as conda's virtual packages."""
    recorded = lock.value("system_requirements", {})
    if not isinstance(recorded, dict) or not recorded:
        return "machines that the lock does not describe"
    return ", ".join(
        f"{name} {build if name == '__archspec' else version}"
        for name, version, build in SystemRequirements.parse(recorded).virtual_packages(platform)
        if name != "__unix"
    )


def _digest(lock: Lock, name: str, platform: str, channels: Sequence[str] | None = None) -> str:
    return plan(lock, name, platform, channels=channels).generation


def _locks(settings: Settings) -> list[tuple[str, str, Lock]]:
    """Return (tier, environment, lock), sorted; raises ExportError if a lock is missing or not valid."""
    locks = []
    missing = set(settings.envs or ())
    for tier in settings.tiers:
        folder = settings.locks_dir / tier
        present = {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}") if path.is_file()}
        if settings.envs is not None:
            present = {name: path for name, path in present.items() if name in settings.envs}
        for name, path in sorted(present.items()):
            if not plans.NAME.match(name):
                raise ExportError(str(path), f"{name[:80]!r} is not a valid environment name", "rename the lock")
            try:
                locks.append((tier, name, Lock.loads(path.read_text(encoding="utf-8"), str(path), settings.channels)))
            except LockError as error:
                raise ExportError(error.what, error.cause, error.remedy) from None
            except (OSError, UnicodeDecodeError) as error:
                raise ExportError(str(path), _reason(error), "make it a readable UTF-8 file") from None
        missing -= present.keys()
    tiers = ", ".join(settings.tiers)
    if missing or not locks:
        raise ExportError(
            f"no lock{' of ' + ', '.join(sorted(missing)) if missing else 's'} in {settings.locks_dir} for {tiers}",
            "",
            "make those of the first tier with playbooks/lock.yml, the others with playbooks/promote.yml",
        )
    return locks


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _file(path: Path, text: str | None) -> File:
    """Compare a text with the file on disk; raises ExportError if that was not made by an export."""
    try:
        old = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        old = None
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(str(path), _reason(error), "export to another folder") from None
    if old is not None and not old.startswith(_HEADER):
        if text is None:
            return File(path, None, None)
        raise ExportError(
            f"{path} exists and was not made by an export", "", "move it away, or export to another folder"
        )
    return File(path, text, old)


def _left_over(folder: Path, name: str, rendered: set[str]) -> list[str]:
    """Return warnings about exports for platforms that the lock no longer has."""
    return [
        f"{path} was exported from an older lock, which had that platform: remove it"
        for path in sorted(folder.glob(f"{name}.*.txt"))
        if path.name.endswith((EXPLICIT, REQUIREMENTS))
        and path.name.rsplit(".", 3)[0] == name
        and path.name not in rendered
    ]


def _address(what: str, url: str) -> str:
    """Return a url, that of a channel without a trailing slash; raises ExportError if it is not one, or holds
    credentials.
    """
    if "@" in url or "/t/" in url:
        raise ExportError(
            what, "it holds credentials or a token, which must not get into a file", "put them into ~/.netrc"
        )
    if not _ADDRESS.match(url):
        raise ExportError(f"{what} {url[:80]!r}", "not a url", "write https://..., http://... or file://...")
    return url if what == "the pip index" else url.rstrip("/")
