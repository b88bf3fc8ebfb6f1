"""Locks: conda-lock.yml version 1 (CEP 37), several platforms in a file; the same lock gives the same bytes.

A lock is data from outside. Reading one refuses whatever a host could not verify or should not fetch: a package without
sha256, a url outside the lock's channels or the allowed ones, names that lead elsewhere, duplicates, entries that
contradict each other, and packages that are not those the content hash was made of.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ...module_utils.host import install_plan as plans
from ...module_utils.host.redaction import redact
from ..core import safe_yaml
from . import channels as chan
from .locked_package import LockError, Package

CREATED_BY = "created_by"  # conda-lockfiles refuses custom_metadata without this key
SUFFIX = ".conda-lock.yml"
SMOKE = ".smoke.py"  # of the smoke test, beside a spec as it is written, beside a lock as it was when that was made

__all__ = ["SMOKE", "SUFFIX", "Lock", "LockError", "Package", "plan"]

_METADATA_KEYS = {"content_hash", "channels", "platforms", "sources", "custom_metadata"}


@dataclass(frozen=True)
class Lock:
    """A whole lock: packages of all platforms, the channels by priority, and what it was solved for (`custom`)."""

    packages: tuple[Package, ...]
    platforms: tuple[str, ...]
    channels: tuple[str, ...] = ("conda-forge",)
    sources: tuple[str, ...] = ()
    custom: Mapping[str, str] = field(default_factory=dict)

    def of(self, platform: str) -> tuple[Package, ...]:
        """Return the packages of one platform, sorted."""
        return tuple(sorted(package for package in self.packages if package.platform == platform))

    def content_hash(self, platform: str) -> str:
        """Return the sha256 of the platform's packages; CEP 37 leaves open how they are written: canonical JSON."""
        entries = [package.entry() for package in self.of(platform)]
        return hashlib.sha256(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def value(self, key: str, default: Any = None) -> Any:
        """Return the data that `custom` holds as JSON under `key`; raises LockError if it is none."""
        try:
            return json.loads(self.custom[key]) if key in self.custom else default
        except (ValueError, RecursionError):
            raise LockError(f"custom_metadata: {key} is not JSON") from None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the spec (CEP 24 has them, CEP 37 has no place for them)."""
        found = self.value("variables", {})
        if not isinstance(found, dict) or not all(isinstance(item, str) for pair in found.items() for item in pair):
            raise LockError("custom_metadata: variables is not a mapping of strings")
        return found

    def download_bytes(self, platform: str) -> int:
        """Return the size of all archives of a platform, 0 if unknown."""
        found = self.value("download_bytes", {})
        size = found.get(platform, 0) if isinstance(found, dict) else 0
        return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else 0

    def problems(self, allowed: Sequence[str] | None = None) -> list[str]:
        """Return everything that makes the lock unacceptable; `allowed` are the channels that a site permits (None: the
        lock's own).
        """
        found: list[str] = []
        found += [f"platform {p[:40]!r} is unknown" for p in self.platforms if p not in plans.PLATFORMS]
        if len(set(self.platforms)) != len(self.platforms) or not self.platforms:
            found.append("no platforms, or one of them twice")
        bases = set()
        try:
            permitted = None if allowed is None else {chan.published(item) for item in allowed}
        except chan.ChannelError as error:
            return [f"the allowed channels: {error}"]
        for channel in self.channels:
            try:
                bases.add(chan.published(channel))
                if permitted is not None and chan.published(channel) not in permitted:
                    shown = redact(channel)[:80]
                    found.append(f"channel {shown} is not one of the allowed ones ({', '.join(allowed or [])})")
            except chan.ChannelError as error:
                found.append(str(error))
        if not self.channels:
            found.append("no channels")
        found += self._conflicts()
        for package in self.packages:
            found += package.problems()
            if package.manager == "conda" and package.url.rsplit("/", 2)[0] not in bases:
                found.append(
                    f"{package.name[:80]} for {package.platform[:40]}: {redact(package.url)[:120]} is not in "
                    f"the channels of the lock ({redact(', '.join(self.channels))[:200]})"
                )
        try:
            for name, value in self.variables.items():
                if not plans.VARIABLE.match(name) or plans.CONTROL.search(value):
                    found.append(f"variable {name[:80]!r} is not a name, or its value not one line")
        except LockError as error:
            found.append(str(error))
        return found

    def _conflicts(self) -> list[str]:
        """Return duplicates, packages of unnamed platforms, and one file with two different contents."""
        count = Counter((package.platform, re.sub(r"[-_.]+", "-", package.name)) for package in self.packages)
        found = [
            f"{name[:80]} for {platform[:40]}: listed twice, or names that differ only in punctuation"
            for (platform, name), times in count.items()
            if times > 1 and not _distinct(self.packages, platform, name)
        ]
        found += [
            f"packages for {platform[:40]}, which the lock does not name among its platforms"
            for platform in sorted({package.platform for package in self.packages} - set(self.platforms))
        ]
        files: dict[str, tuple[str, ...]] = {}
        for package in self.packages:
            content = (package.md5, package.sha256, *package.depends)
            if files.setdefault(package.url, content) != content:
                found.append(
                    f"{package.name[:80]}: {package.url[:120]} has other hashes or dependencies on another platform"
                )
        return found

    def dumps(self) -> str:
        """Return the file's text, ordered by name and then platform, so that a review reads as a package diff.

        Raises LockError if the result could not be read again.
        """
        if problems := self.problems():
            raise LockError("\n".join(problems))
        metadata = {
            "content_hash": {platform: self.content_hash(platform) for platform in sorted(self.platforms)},
            "channels": [{"url": channel, "used_env_vars": []} for channel in self.channels],
            "platforms": sorted(self.platforms),
            "sources": sorted(self.sources),
            "custom_metadata": {CREATED_BY: "lockstep"} | dict(sorted(self.custom.items())),
        }
        document = {
            "version": 1,
            "metadata": metadata,
            "package": [package.entry() for package in sorted(self.packages)],
        }
        return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=1 << 30, allow_unicode=True)

    @classmethod
    def loads(cls, text: str, source: str = "lock", channels: Sequence[str] | None = None) -> Lock:
        """Read and check a lock; `channels` are the ones a site allows (None: whichever the lock names).

        Raises LockError, one line for each problem, each beginning with `source` and where possible a line number.
        """
        try:
            document = safe_yaml.load(text)
        except safe_yaml.YamlError as error:
            raise LockError(error.at(source)) from None
        try:
            lock = cls._from_document(document)
        except _EntryError as error:
            told = _shown(f"package {error}")
            raise LockError(f"{source}{_line_of(text, error.index)}: {told}; {_REMEDY}") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise LockError(f"{source}: not a conda-lock.yml of version 1: {_shown(cause[:200])}; {_REMEDY}") from None
        problems = lock.problems(channels)
        hashes = document["metadata"]["content_hash"]
        if changed := [platform for platform in lock.platforms if hashes.get(platform) != lock.content_hash(platform)]:
            problems.append(
                f"the packages for {', '.join(changed)} are not those of the content hash: edited by hand, merged, or "
                "written by another tool"
            )
        if set(hashes) - set(lock.platforms):
            problems.append("content_hash names platforms that the lock does not have")
        if problems:
            shown = problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
            told = "\n".join(f"{source}: {_shown(problem)}" for problem in shown)
            raise LockError(f"{told}\n{source}: {_REMEDY}")
        return lock

    @classmethod
    def _from_document(cls, document: Any) -> Lock:
        if not isinstance(document, Mapping) or set(document) != {"version", "metadata", "package"}:
            raise TypeError("the top level must hold version, metadata and package, and nothing else")
        if document["version"] != 1 or isinstance(document["version"], bool):
            raise ValueError(f"version is {str(document['version'])[:40]}")
        meta = document["metadata"]
        if not isinstance(meta, Mapping) or not isinstance(document["package"], list):
            raise TypeError("metadata is not a mapping, or package not a list")
        if unknown := sorted(str(key)[:40] for key in meta if key not in _METADATA_KEYS):
            raise ValueError(f"metadata: unknown key {', '.join(unknown)}")
        custom = meta.get("custom_metadata", {})
        if not isinstance(custom, Mapping) or not all(
            isinstance(item, str) for pair in custom.items() for item in pair
        ):
            raise TypeError("custom_metadata is not a mapping of strings")
        if not isinstance(meta["content_hash"], Mapping):
            raise TypeError("content_hash is not a mapping")
        channels = []
        for channel in _list(meta, "channels"):
            if (
                not isinstance(channel, Mapping)
                or not isinstance(channel.get("url"), str)
                or channel.get("used_env_vars")
            ):
                raise TypeError("a channel is not a mapping with a url alone")
            channels.append(channel["url"])
        packages = []
        for index, entry in enumerate(document["package"]):
            try:
                packages.append(Package.from_entry(entry))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                name = entry.get("name") if isinstance(entry, Mapping) else None
                raise _EntryError(index, f"{index + 1} ({str(name)[:80]}): {cause[:200]}") from None
        return cls(
            tuple(packages),
            tuple(_strings(meta, "platforms")),
            tuple(channels),
            tuple(_strings(meta, "sources")),
            {key: value for key, value in custom.items() if key != CREATED_BY},
        )


_REMEDY = "make it again with `ansible-playbook playbooks/lock.yml`, or restore it from version control"


def _shown(message: str) -> str:
    """Return a message that quotes from a lock as one line that a terminal can show, without a secret."""
    safe = re.sub(r"[^\x20-\x7e]", lambda found: found[0].encode("unicode_escape").decode(), message)
    return redact(safe)


class _EntryError(ValueError):
    """An entry of `package` that cannot be read."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def _distinct(packages: Iterable[Package], platform: str, name: str) -> bool:
    """Say whether packages with one folded name are conda packages of different true names.

    conda has `backports.zoneinfo` beside `backports_zoneinfo`; for pip, and between the two, punctuation does not
    count.
    """
    same = [p for p in packages if p.platform == platform and re.sub(r"[-_.]+", "-", p.name) == name]
    return all(p.manager == "conda" for p in same) and len({p.name for p in same}) == len(same)


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(data[key], list):
        raise TypeError(f"{key} is not a list")
    return list(data[key])


def _strings(data: Mapping[str, Any], key: str) -> list[str]:
    found = _list(data, key)
    if not all(isinstance(item, str) for item in found):
        raise TypeError(f"{key} is not a list of strings")
    return found


def _line_of(text: str, index: int) -> str:
    """Return `:line` of an item of `package`; only called when something is wrong with it, since it costs a second
    parse.
    """
    root = safe_yaml.compose(text)
    for key, value in root.value:
        if key.value == "package" and isinstance(value, yaml.SequenceNode):
            return f":{value.value[index].start_mark.line + 1}"
    return ""


def plan(
    lock: Lock,
    name: str,
    platform: str,
    smoke: str = "",
    channel_alias: str = chan.PUBLISHED_ALIAS,
    channels: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return what a host of `platform` is given for the environment `name`, checked.

    The form is described in module_utils/host/install_plan.py.

    `channel_alias` takes the place of the published one in urls (a mirror); `channels` are the ones a site allows
    (None: the lock's own). Raises LockError for a platform that the lock does not hold, or whatever `plans.check` would
    refuse on the host.
    """
    if platform not in lock.platforms:
        raise LockError(
            f"{name}: the lock has no packages for {platform}, only for {', '.join(sorted(lock.platforms))}; add "
            "the platform to lockstep_platforms and lock again, or leave the environment out of these hosts' groups"
        )
    try:
        problems = lock.problems(channels) if channels is not None else []
        made: dict[str, Any] = {
            "layout": plans.LAYOUT,
            "name": name,
            "platform": platform,
            "digest": "",
            "packages": sorted(
                (p.planned(channel_alias) for p in lock.of(platform) if p.manager == "conda"),
                key=lambda package: str(package["name"]),
            ),
            "channel": chan.base_url(lock.channels[0], channel_alias),
            "pip": [package.wheel() for package in lock.of(platform) if package.manager == "pip"],
            "variables": dict(sorted(lock.variables.items())),
            "smoke": smoke,
            "download_bytes": lock.download_bytes(platform),
        }
    except chan.ChannelError as error:
        raise LockError(f"{name}: {error}") from None
    made["digest"] = plans.digest(made)
    if problems := problems + plans.check(made):
        raise LockError("\n".join(f"{name}: {problem}" for problem in problems))
    return made
