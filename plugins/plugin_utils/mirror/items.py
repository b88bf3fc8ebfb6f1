"""From locks to a list of files. Pure functions of locks and settings; nothing here asks a network or writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...module_utils.build.rattler_runtime import PLATFORMS as MACHINES
from ...module_utils.host.errors import Problem
from ..conda import channels as chan
from ..conda.locked_package import Package
from .layout import MINICONDA, RATTLER, SHA256, SIMPLE, below, channel_folder, path_of
from .plan import Declared, Item, Wanted
from .settings import Choice, Extras, Sources

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,250}\Z")


def wanted(locks: Sequence[Declared], choice: Choice, extras: Extras, sources: Sources) -> Wanted:
    """Return every file that a mirror of these locks holds.

    :raises Problem: where two files would have one place, or a table does not say what is needed
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
        have = sorted({platform for one in locks for platform in one.lock.platforms})
        raise Problem(
            f"no lock has packages for {', '.join(choice.platforms or ())}", f"they are for {', '.join(have)}"
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
                f"channel {url} is named by its url, which no channel alias leads elsewhere: serve {folder} at that "
                "address"
            )
    return Wanted(dict(sorted(items.items())), list(locks), tuple(sorted(platforms)), tuple(sorted(subdirs)), notes)


def _add(items: dict[str, Item], item: Item, use: str) -> None:
    """Add a use of a file. The first to name it says what it depends on: current locks before former ones, and of the
    tiers the first, which was locked last.
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
    """Yield installers and rattler wheel for the Linux platforms (hosts are Linux), or notes on what is missing."""
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
            _check(file, sha256, "miniconda_installers")
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
                raise Problem("conda_envs_rattler_wheels should map each platform to {file, sha256}") from None
            _check(file, sha256, "conda_envs_rattler_wheels")
            base = below(sources.alias, RATTLER) if sources.mirror else sources.rattler
            parts = file.split("-")
            yield (
                Item(f"{RATTLER}/{file}", sha256, "rattler", parts[0], parts[1] if len(parts) > 1 else "",
                     below(base, file) if base else ""), ""
            )  # fmt: skip


def _check(file: str, sha256: str, variable: str) -> None:
    if not _FILE.match(file) or ".." in file or not SHA256.match(sha256):
        raise Problem(f"{variable}: {file[:120]!r} is not a file's name, or has no sha256 (64 hex digits)")
