"""What a mirror should hold: from tiers' locks to a list of files, and how they are laid out.

    <dest>/<channel>/<subdir>/…conda, repodata.json    a channel that conda, micromamba and py-rattler use as it is
    <dest>/<host>/<path>/<subdir>/…                    a channel that locks name by its url, to be served as that host
    <dest>/miniconda/<installer>   <dest>/engine/<wheel>   <dest>/simple/<name>/<wheel>, index.html (PEP 503)
    <dest>/contents.json           what all of it is; last to be written
    <dest>/contents-<tier>.txt     the same for people
    <dest>/.lockstep/              half-done downloads and what was verified; nothing that a client asks for

Pure functions of locks and settings; nothing here asks a network or writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..module_utils import plan as plans
from ..module_utils.engine import PLATFORMS as MACHINES
from ..module_utils.problem import Problem
from ..module_utils.room import human
from . import channels as chan
from . import evidence
from .lockfile import SUFFIX, Lock, LockError
from .lockpackage import Package

MINICONDA, ENGINE, SIMPLE = "miniconda", "engine", "simple"
"""Folders beside the channels. A site's variables name them, and the local fleet's channel has the same ones."""

CONTENTS, STATE = "contents.json", ".lockstep"
SCHEMA = 1
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,250}\Z")


@dataclass(frozen=True)
class Item:
    """One file of the mirror: where it lies, what it must be, where it comes from and what needs it.

    `depends` is what the lock says, which for conda-forge includes repairs made after the archive was built. `source`
    may hold a token and is never written or shown; `url` is the published address, which a lock vouches for ("" for
    what no lock names). `uses`: `<tier>/<env>/<platform>`, with `(previous)` behind it for a tier's former lock.
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
class Declared:
    """One lock of a tier, read."""

    tier: str
    env: str
    path: str
    previous: bool
    sha256: str
    lock: Lock

    def use(self, platform: str) -> str:
        """What a file is needed for."""
        return f"{self.tier}/{self.env}/{platform}" + (" (previous)" if self.previous else "")


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
    """What hosts need besides packages: versions of Miniconda with the table of installers, and the engine's wheels."""

    miniconda_versions: tuple[str, ...] = ()
    installers: Mapping[str, str] = field(default_factory=dict)
    engine_wheels: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Sources:
    """Where files come from: an address or folder for each. `engine` "": the package index of the controller's pip.

    With `mirror` all of it comes from another mirror, as it is laid out there.
    """

    alias: str = chan.PUBLISHED_ALIAS
    miniconda: str = ""
    engine: str = ""
    mirror: bool = False


@dataclass
class Wanted:
    """All that a mirror should hold, by path, and what a person should know about it."""

    items: dict[str, Item]
    locks: list[Declared]
    platforms: tuple[str, ...]
    subdirs: tuple[tuple[str, str], ...]  # (channel's folder, subdir)
    notes: list[str]


# --- locks ------------------------------------------------------------------------------------------------------------


def read_locks(folder: Path, choice: Choice) -> tuple[list[Declared], list[str]]:
    """Return the chosen tiers' locks, current ones first, and notes.

    A current lock that is not acceptable ends the run; a former one is left out with a note, since a rollback would
    refuse it too.

    :raises Problem: where there is nothing to mirror, or a lock is refused
    """
    known: dict[str, Lock] = {}
    found: list[Declared] = []
    notes: list[str] = []
    for tier in _tiers(folder, choice):
        for previous in (False, True):
            where = folder / tier / evidence.PREVIOUS if previous else folder / tier
            for path in sorted(where.glob("*" + SUFFIX)):
                env = path.name.removesuffix(SUFFIX)
                if choice.envs is not None and env not in choice.envs:
                    continue
                name = evidence.lock_path(tier, env, previous)
                try:
                    data = path.read_bytes()
                    sha256 = hashlib.sha256(data).hexdigest()
                    if sha256 not in known:  # a promotion copies bytes: the same lock in three tiers is read once
                        known[sha256] = Lock.loads(data.decode("utf-8"), str(path), choice.channels)
                except (OSError, UnicodeDecodeError, LockError) as error:
                    if not previous:
                        raise Problem(
                            f"the lock {path} cannot be used", str(error), "make it again, or promote it again"
                        ) from None
                    notes.append(f"{name} is left out, and a rollback would refuse it too: {str(error)[:200]}")
                    continue
                found.append(Declared(tier, env, name, previous, sha256, known[sha256]))
    found.sort(key=lambda one: one.previous)  # stable: tiers keep their order
    missing = sorted(set(choice.envs or ()) - {one.env for one in found})
    if missing or not found:
        raise Problem(
            f"there is no lock of {', '.join(missing)}" if missing else "there is no lock",
            f"looked for <tier>/<env>{SUFFIX} in {folder}, tiers {', '.join(_tiers(folder, choice)) or 'none'}",
            "make locks with playbooks/lock.yml, or name environments that have one",
        )
    return found, notes


def _tiers(folder: Path, choice: Choice) -> list[str]:
    """The tiers to read: those that were named, all of which must have locks, or those of the site that have some."""

    def has(tier: str) -> bool:
        if not plans.NAME.match(tier):
            raise Problem(f"{tier[:80]!r} cannot be a tier's name", "it becomes a folder's", "correct lockstep_tiers")
        return any((folder / tier).glob("*" + SUFFIX))

    if choice.chosen is None:
        return [tier for tier in choice.tiers if has(tier)]
    for tier in choice.chosen:
        if tier not in choice.tiers:
            raise Problem(f"{tier[:80]!r} is no tier", f"the site's are {', '.join(choice.tiers)} (lockstep_tiers)")
        if not has(tier):
            raise Problem(
                f"tier {tier} has no locks in {folder / tier}", "", "promote to it first, or leave it out of tiers"
            )
    return [tier for tier in choice.tiers if tier in choice.chosen]


# --- files ------------------------------------------------------------------------------------------------------------


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
            folders = {_channel_folder(channel) for channel in one.lock.channels}
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
    by_url = {_channel_folder(c): chan.published(c) for one in locks for c in one.lock.channels}
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


def _channel_folder(channel: str) -> str:
    """Return a channel's folder in the mirror."""
    base = chan.published(channel)
    folder = path_of(base)
    if folder.split("/")[0] in (MINICONDA, ENGINE, SIMPLE):
        raise Problem(f"channel {channel} cannot be mirrored", f"the mirror's folder {folder} has another use")
    return folder


def path_of(url: str) -> str:
    """Return where a published url lies in the mirror: below the alias, or below its host's name."""
    if url.startswith(chan.PUBLISHED_ALIAS + "/"):
        return url[len(chan.PUBLISHED_ALIAS) + 1 :]
    scheme, _, rest = url.partition("://")
    place = "local" + rest if scheme == "file" else rest.replace(":", "_", 1)
    return "/".join(part.lstrip(".") for part in place.split("/") if part.strip("."))


def _package_item(package: Package, sources: Sources) -> Item:
    if package.manager == "pip":
        path = f"{SIMPLE}/{package.name}/{package.file_name}"
        source = below(sources.alias, path) if sources.mirror else package.url
        return Item(path, package.sha256, "pip", package.name, package.version, source, package.url)
    path = path_of(package.url)
    source = below(sources.alias, path) if sources.mirror else chan.rewrite(package.url, sources.alias)
    return Item(path, package.sha256, "conda", package.name, package.version, source, package.url, package.build,
                package.md5, package.dependencies)  # fmt: skip


def below(base: str, path: str) -> str:
    """Return the address of a path below an address."""
    return f"{base.rstrip('/')}/{path}"


def _extra_items(platforms: Sequence[str], extras: Extras, sources: Sources) -> Iterable[tuple[Item | None, str]]:
    """Yield installers and engine wheels for the Linux platforms (hosts are Linux), or notes on what is missing."""
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
        for table in extras.engine_wheels:
            wheel = table.get(platform)
            if wheel is None:
                yield None, f"conda_envs_engine_wheels has none for {platform}"
                continue
            try:
                file, sha256 = str(wheel["file"]), str(wheel["sha256"])
            except (TypeError, KeyError):
                raise Problem("conda_envs_engine_wheels should map each platform to {file, sha256}") from None
            _check(file, sha256, "conda_envs_engine_wheels")
            base = below(sources.alias, ENGINE) if sources.mirror else sources.engine
            parts = file.split("-")
            yield (
                Item(f"{ENGINE}/{file}", sha256, "engine", parts[0], parts[1] if len(parts) > 1 else "",
                     below(base, file) if base else ""), ""
            )  # fmt: skip


def _check(file: str, sha256: str, variable: str) -> None:
    if not _FILE.match(file) or ".." in file or not _SHA256.match(sha256):
        raise Problem(f"{variable}: {file[:120]!r} is not a file's name, or has no sha256 (64 hex digits)")


# --- the list of contents ---------------------------------------------------------------------------------------------


def contents(want: Wanted, files: Mapping[str, Mapping[str, Any]], indexes: Mapping[str, str]) -> str:
    """Return the text of `contents.json`: the same for the same locks and files, without time, host or source.

    :param files: by path: what `entry` returns, also of files that nothing needs any more
    :param indexes: sha256 by path of what is made from the files
    """
    data = {
        "schema": SCHEMA,
        "platforms": list(want.platforms),
        "locks": [
            {"path": one.path, "sha256": one.sha256, "platforms": sorted(one.lock.platforms)}
            for one in sorted(want.locks, key=lambda one: one.path)
        ],
        "files": [{"path": path, **files[path]} for path in sorted(files)],
        "indexes": dict(sorted(indexes.items())),
    }
    return json.dumps(data, indent=1, ensure_ascii=True) + "\n"


def entry(item: Item, size: int) -> dict[str, Any]:
    """Return what the list of contents says of a file."""
    return {
        "sha256": item.sha256, "size": size, "kind": item.kind, "name": item.name, "version": item.version,
        "url": item.url, "uses": list(item.uses),
    }  # fmt: skip


def read_contents(text: str) -> dict[str, Any] | None:
    """Return a list of contents as data, None where the text is none of ours; it may come from another machine."""
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            return None
        for file in data["files"]:
            if not safe(file["path"]) or not _SHA256.match(file["sha256"]) or not isinstance(file["size"], int):
                return None
        if not all(safe(path) and isinstance(sha, str) for path, sha in data["indexes"].items()):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return dict(data)


def safe(path: Any) -> bool:
    """Whether a path stays below the mirror and out of its hidden folder."""
    if not isinstance(path, str) or not path or plans.CONTROL.search(path):
        return False
    return all(part and not part.startswith(".") for part in path.split("/"))


def summary(want: Wanted, files: Mapping[str, Mapping[str, Any]], tier: str) -> list[str]:
    """Return lines for people: what of a tier is in the mirror."""
    lines = []
    for one in want.locks:
        if one.tier != tier:
            continue
        for platform in sorted(set(one.lock.platforms) & set(want.platforms)):
            of = [file for file in files.values() if one.use(platform) in file["uses"]]
            kind = "previous lock" if one.previous else "lock"
            lines.append(
                f"{one.env:<12} {platform:<15} {len(of):>4} packages  {human(sum(file['size'] for file in of)):>9}  "
                f"{kind} {one.sha256[:12]}"
            )
    return lines


def sizes(files: Iterable[Mapping[str, Any]]) -> str:
    """Return a line for people: how many files of each kind, and their size."""
    count: dict[str, int] = {}
    total = 0
    for file in files:
        count[file["kind"]] = count.get(file["kind"], 0) + 1
        total += file["size"]
    words = {"conda": "package", "miniconda": "installer", "engine": "engine wheel", "pip": "pip wheel"}
    said = [f"{count[kind]} {words[kind]}{'s' * (count[kind] > 1)}" for kind in words if kind in count]
    return ", ".join([*said, human(total)])
