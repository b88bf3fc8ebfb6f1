"""List the files that a mirror of given locks holds. Pure functions: no network, no disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ...module_utils.build.rattler_runtime import PLATFORMS as MACHINES
from ...module_utils.host.errors import Problem
from ..conda import channels as chan
from ..conda.locked_package import Package
from ..conda.lockfile import Lock
from .layout import MINICONDA, RATTLER, SHA256, SIMPLE, below, channel_folder, path_of
from .settings import Choice, Extras, Sources

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,250}\Z")


@dataclass(frozen=True)
class Item:
    """One file of the mirror.

    :param path: where it lies below the mirror
    :param kind: conda, pip, miniconda or rattler
    :param source: where it comes from; may hold a token, so it is never written or shown
    :param url: the published address, which the lock names ("" for a file that no lock names)
    :param depends: (name, constraint) from the lock; for conda-forge they include repairs made after the build
    :param uses: `<tier>/<env>/<platform>`, followed by ` (previous)` for a tier's former lock
    """

    path: str
    sha256: str
    kind: str
    name: str
    version: str
    source: str
    url: str = ""
    build: str = ""
    md5: str = ""
    depends: tuple[tuple[str, str], ...] = ()
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class TierLock:
    """A lock of a tier, with its path below the folder of locks and the sha256 of its text."""

    tier: str
    env: str
    path: str
    previous: bool
    sha256: str
    lock: Lock

    def use(self, platform: str) -> str:
        """Return the text that names this lock and a platform in `Item.uses`."""
        return f"{self.tier}/{self.env}/{platform}" + (" (previous)" if self.previous else "")


@dataclass
class Wanted:
    """All that a mirror should hold: items by path, locks, platforms, (channel folder, subdir), and notes."""

    items: dict[str, Item]
    locks: list[TierLock]
    platforms: tuple[str, ...]
    subdirs: tuple[tuple[str, str], ...]
    notes: list[str]

    @property
    def tiers(self) -> list[str]:
        """The locks' tiers, in the site's order."""
        return list(dict.fromkeys(one.tier for one in self.locks))


def list_wanted(locks: Sequence[TierLock], choice: Choice, extras: Extras, sources: Sources) -> Wanted:
    """Return every file that a mirror of these locks holds.

    :raises Problem: if two files have the same path, or a table of extras is malformed
    """
    items: dict[str, Item] = {}
    subdirs: set[tuple[str, str]] = set()
    notes: list[str] = []
    platforms: set[str] = set()
    for one in locks:
        for platform in one.lock.platforms:
            if choice.platforms is not None and platform not in choice.platforms:
                continue
            platforms.add(platform)
            folders = {channel_folder(channel) for channel in one.lock.channels}
            subdirs |= {(folder, subdir) for folder in folders for subdir in (platform, "noarch")}
            for package in one.lock.of(platform):
                _add(items, _package_item(package, sources), one.use(platform))
    if not platforms:
        present = sorted({platform for one in locks for platform in one.lock.platforms})
        raise Problem(
            f"no lock has packages for {', '.join(choice.platforms or ())}",
            f"they are for {', '.join(present)}",
            "choose one of these platforms, or lock for more",
        )
    for absent in sorted(set(choice.platforms or ()) - platforms):
        notes.append(f"no lock has packages for {absent}")
    for item, note in _extra_items(sorted(platforms), extras, sources):
        if item:
            _add(items, item, "every host")
        notes += [note] if note else []
    by_url = {channel_folder(c): chan.published(c) for one in locks for c in one.lock.channels}
    for folder, url in sorted(by_url.items()):
        if not url.startswith(chan.PUBLISHED_ALIAS + "/"):
            notes.append(
                f"channel {url} is named by its url, which no channel alias redirects: serve {folder} at that address"
            )
    return Wanted(dict(sorted(items.items())), list(locks), tuple(sorted(platforms)), tuple(sorted(subdirs)), notes)


def _add(items: dict[str, Item], item: Item, use: str) -> None:
    """Add a file, or a further use of it. Its dependencies are those of the first lock that names it: current locks
    come before former ones, and the first tier, which was locked last, before the others.

    :raises Problem: if another file has the same path
    """
    known = items.setdefault(item.path, item)
    if known.sha256 != item.sha256:
        raise Problem(
            f"two files would lie at {item.path} in the mirror",
            f"{known.sha256[:12]}... for {', '.join(known.uses[:2])}, and {item.sha256[:12]}... for {use}: the channel "
            "replaced a file that had been locked",
            "lock again, so that all tiers name the file that the channel has now",
        )
    if use not in known.uses:
        items[item.path] = replace(known, uses=tuple(sorted({*known.uses, use})))


def _package_item(package: Package, sources: Sources) -> Item:
    if package.manager == "pip":
        path = f"{SIMPLE}/{package.name}/{package.file_name}"
        source = below(sources.alias, path) if sources.mirror else package.url
        return Item(path, package.sha256, "pip", package.name, package.version, source, package.url)
    path = path_of(package.url)
    source = below(sources.alias, path) if sources.mirror else chan.rewrite(package.url, sources.alias)
    return Item(path, package.sha256, "conda", package.name, package.version, source, package.url, package.build,
                package.md5, package.dependencies)  # fmt: skip


def _extra_items(platforms: Sequence[str], extras: Extras, sources: Sources) -> Iterable[tuple[Item | None, str]]:
    """Yield installers and rattler wheels for the Linux platforms (hosts are Linux), or notes on missing ones."""
    for platform in platforms:
        if not platform.startswith("linux-"):
            continue
        machine = next((machine for machine, of in MACHINES.items() if of == platform), "")
        for version in extras.miniconda_versions:
            file = f"Miniconda3-{version}-Linux-{machine}.sh"
            sha256 = extras.installers.get(file, "")
            if not machine or not sha256:
                yield None, f"miniconda_installers has no installer of {version} for {platform}"
                continue
            _require_safe(file, sha256, "miniconda_installers")
            base = below(sources.alias, MINICONDA) if sources.mirror else sources.miniconda
            yield Item(f"{MINICONDA}/{file}", sha256, "miniconda", "Miniconda3", version, below(base, file)), ""
        for table in extras.rattler_wheels:
            wheel = table.get(platform)
            if wheel is None:
                yield None, f"conda_envs_rattler_wheels has none for {platform}"
                continue
            try:
                file, sha256 = str(wheel["file"]), str(wheel["sha256"])
            except (TypeError, KeyError):
                raise Problem(
                    f"conda_envs_rattler_wheels: the entry for {platform} is not {{file, sha256}}",
                    remedy="correct the variable",
                ) from None
            _require_safe(file, sha256, "conda_envs_rattler_wheels")
            base = below(sources.alias, RATTLER) if sources.mirror else sources.rattler
            parts = file.split("-")
            yield (
                Item(f"{RATTLER}/{file}", sha256, "rattler", parts[0], parts[1] if len(parts) > 1 else "",
                     below(base, file) if base else ""), ""
            )  # fmt: skip


def _require_safe(file: str, sha256: str, variable: str) -> None:
    """Raise Problem unless a file name is safe and a sha256 is one."""
    if not _FILE.match(file) or ".." in file or not SHA256.match(sha256):
        raise Problem(f"{variable}: {file[:120]!r} is not a file's name, or has no sha256 (64 hex digits)")
