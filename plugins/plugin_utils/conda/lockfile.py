"""Read and write locks: conda-lock.yml version 1 (CEP 37), several platforms in a file, reproducible byte by byte.

A lock is untrusted data. Reading refuses what a host cannot verify or must not fetch: packages without sha256, urls
outside the lock's channels or the allowed ones, names that lead out of a folder, duplicates, entries that contradict
each other, and packages that do not match the content hash.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ...module_utils.host import install_plan as plans
from ...module_utils.host.install_plan import InstallPlan
from ...module_utils.host.redaction import redact
from ..core import safe_yaml
from ..core.digest import sha256
from . import channels as chan
from .locked_package import LockError, Package

CREATED_BY = "created_by"  # conda-lockfiles refuses custom_metadata without this key
SUFFIX = ".conda-lock.yml"
SMOKE_TEST = "smoke_test"
"""Key of `custom_metadata` that holds the text of the environment's smoke test, as it was when the lock was made."""
SMOKE_TEST_BYTES = 64 << 10
"""The longest smoke test that a lock may hold, in bytes of UTF-8."""

__all__ = ["SMOKE_TEST", "SUFFIX", "Lock", "LockError", "Package", "plan", "smoke_test_problems"]


_METADATA_KEYS = {"content_hash", "channels", "platforms", "sources", "custom_metadata"}


@dataclass(frozen=True)
class Lock:
    """A lock: the packages of all platforms, channels by priority, and Lockstep's metadata (`custom`, JSON texts)."""

    packages: tuple[Package, ...]
    platforms: tuple[str, ...]
    channels: tuple[str, ...] = ("conda-forge",)
    sources: tuple[str, ...] = ()
    custom: Mapping[str, str] = field(default_factory=dict)

    def of(self, platform: str) -> tuple[Package, ...]:
        """Return the packages of one platform, sorted."""
        return tuple(sorted(package for package in self.packages if package.platform == platform))

    def content_hash(self, platform: str) -> str:
        """Return the sha256, as hex, of a platform's packages as canonical JSON (CEP 37 leaves the form open)."""
        entries = [package.entry() for package in self.of(platform)]
        return sha256(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode())

    def value(self, key: str, default: Any = None) -> Any:
        """Return the data that `custom` holds as JSON under `key`; raises LockError if it is not JSON."""
        try:
            return json.loads(self.custom[key]) if key in self.custom else default
        except (ValueError, RecursionError):
            raise LockError("custom_metadata", f"{key} is not JSON") from None

    @property
    def smoke_test(self) -> str:
        """The program that judges a built environment; empty where the spec has none."""
        return self.custom.get(SMOKE_TEST, "")

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the spec, by name (CEP 24 has them, CEP 37 does not); raises LockError."""
        variables = self.value("variables", {})
        if not _is_text_mapping(variables):
            raise LockError("custom_metadata", "variables is not a mapping of strings")
        return dict(variables)

    def download_bytes(self, platform: str) -> int:
        """Return the size of all archives of a platform in bytes, 0 if unknown; raises LockError."""
        sizes = self.value("download_bytes", {})
        size = sizes.get(platform, 0) if isinstance(sizes, dict) else 0
        return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else 0

    def problems(self, allowed: Sequence[str] | None = None) -> list[str]:
        """Return the reasons why the lock must not be used, one sentence each.

        :param allowed: the channels that the site permits; None: those of the lock
        """
        found: list[str] = []
        found += [f"platform {p[:40]!r} is unknown" for p in self.platforms if p not in plans.PLATFORMS]
        if len(set(self.platforms)) != len(self.platforms) or not self.platforms:
            found.append("no platforms, or a platform is listed twice")
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
        return found + [f"the smoke test {problem}" for problem in smoke_test_problems(self.smoke_test)]

    def _conflicts(self) -> list[str]:
        """Return sentences on duplicates, packages of unlisted platforms, and urls with two different contents."""
        count = Counter((package.platform, re.sub(r"[-_.]+", "-", package.name)) for package in self.packages)
        found = [
            f"{name[:80]} for {platform[:40]}: listed twice, or names that differ only in punctuation"
            for (platform, name), times in count.items()
            if times > 1 and not _distinct(self.packages, platform, name)
        ]
        found += [
            f"packages for {platform[:40]}, which is not one of the lock's platforms"
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
        """Return the text of the file, packages by name and then platform, so that a review reads as a package diff.

        :raises LockError: if `loads` would refuse the result
        """
        if problems := self.problems():
            raise LockError("\n".join(problems))
        metadata: dict[str, Any] = {
            "content_hash": {platform: self.content_hash(platform) for platform in sorted(self.platforms)},
            "channels": [{"url": channel, "used_env_vars": []} for channel in self.channels],
            "platforms": sorted(self.platforms),
            "sources": sorted(self.sources),
            "custom_metadata": {CREATED_BY: "lockstep"} | dict(sorted(self.custom.items())),
        }
        if SMOKE_TEST in self.custom:
            metadata["custom_metadata"][SMOKE_TEST] = _Program(self.smoke_test)
        document = {
            "version": 1,
            "metadata": metadata,
            "package": [package.entry() for package in sorted(self.packages)],
        }
        return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1 << 30, allow_unicode=True)

    @classmethod
    def loads(cls, text: str, source: str = "lock", channels: Sequence[str] | None = None) -> Lock:
        """Read and check a lock.

        :param source: the file, as errors name it
        :param channels: the channels that the site allows; None: those of the lock
        :raises LockError: one line for each problem, beginning with `source` and where possible a line number
        """
        try:
            document = safe_yaml.load(text)
        except safe_yaml.YamlError as error:
            raise LockError(error.at(source)) from None
        try:
            lock = cls._from_document(document)
        except _EntryError as error:
            raise LockError(f"{source}{_line_of(text, error.index)}", _printable(f"package {error}"), _REMEDY) from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            cause = f"not a conda-lock.yml of version 1: {_printable(_cause(error))}"
            raise LockError(source, cause, _REMEDY) from None
        problems = lock.problems(channels)
        hashes = document["metadata"]["content_hash"]
        if changed := [platform for platform in lock.platforms if hashes.get(platform) != lock.content_hash(platform)]:
            problems.append(
                f"the packages for {', '.join(changed)} do not match the content hash: the file was edited by hand, "
                "merged, or written by another tool"
            )
        if set(hashes) - set(lock.platforms):
            problems.append("content_hash names platforms that the lock does not have")
        if problems:
            shown = problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
            raise LockError("\n".join(f"{source}: {_printable(problem)}" for problem in shown), "", _REMEDY)
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
        if not _is_text_mapping(custom):
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
                raise TypeError("a channel is not a mapping with only a url")
            channels.append(channel["url"])
        packages = []
        for index, entry in enumerate(document["package"]):
            try:
                packages.append(Package.from_entry(entry))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                name = entry.get("name") if isinstance(entry, Mapping) else None
                raise _EntryError(index, f"{index + 1} ({str(name)[:80]}): {_cause(error)}") from None
        return cls(
            tuple(packages),
            tuple(_strings(meta, "platforms")),
            tuple(channels),
            tuple(_strings(meta, "sources")),
            {key: value for key, value in custom.items() if key != CREATED_BY},
        )


_REMEDY = "make it again with `ansible-playbook playbooks/lock.yml`, or restore it from version control"


def _cause(error: Exception) -> str:
    """Return an exception's text, at most 200 characters; that of a KeyError names the missing key."""
    return (f"{error} is missing" if isinstance(error, KeyError) else str(error))[:200]


def _is_text_mapping(data: Any) -> bool:
    return isinstance(data, Mapping) and all(isinstance(item, str) for pair in data.items() for item in pair)


def _printable(message: str) -> str:
    """Return a message that quotes from a lock in printable ASCII, without credentials."""
    safe = re.sub(r"[^\x20-\x7e]", lambda found: found[0].encode("unicode_escape").decode(), message)
    return redact(safe)


def smoke_test_problems(text: str) -> list[str]:
    """Return what makes a text unacceptable as a smoke test, each the end of a sentence about it."""
    size = len(text.encode())
    found = [f"has {size} bytes, more than {SMOKE_TEST_BYTES}"] if size > SMOKE_TEST_BYTES else []
    return found + (["holds a NUL character"] if "\x00" in text else [])


class _Program(str):
    """A text of several lines that is written as a literal block where YAML can hold it so, else quoted."""


class _Dumper(yaml.CSafeDumper):
    """Writes a lock."""


def _represent_program(dumper: _Dumper, text: _Program) -> yaml.ScalarNode:
    # a quoted scalar escapes what a literal block would change or readers disagree on: tabs, CR, U+2028, spaces at ends
    shown = text[:1] not in ("", " ", "\n") and all(line.isprintable() for line in text.split("\n"))
    style = "|" if shown and not re.search(r" $", text, re.MULTILINE) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=style)


_Dumper.add_representer(_Program, _represent_program)


class _EntryError(ValueError):
    """An entry of `package` that cannot be read; `index` counts from 0."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def _distinct(packages: Iterable[Package], platform: str, name: str) -> bool:
    """Return whether packages with one folded name are conda packages with different names.

    conda has both `backports.zoneinfo` and `backports_zoneinfo`. pip ignores punctuation, and so does this between a
    conda package and a wheel.
    """
    same = [p for p in packages if p.platform == platform and re.sub(r"[-_.]+", "-", p.name) == name]
    return all(p.manager == "conda" for p in same) and len({p.name for p in same}) == len(same)


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(data[key], list):
        raise TypeError(f"{key} is not a list")
    return list(data[key])


def _strings(data: Mapping[str, Any], key: str) -> list[str]:
    items = _list(data, key)
    if not all(isinstance(item, str) for item in items):
        raise TypeError(f"{key} is not a list of strings")
    return items


def _line_of(text: str, index: int) -> str:
    """Return `:line` of an item of `package`. It parses the text a second time, so it is called for errors only."""
    root = safe_yaml.compose(text)
    for key, value in root.value:
        if key.value == "package" and isinstance(value, yaml.SequenceNode):
            return f":{value.value[index].start_mark.line + 1}"
    return ""


def plan(
    lock: Lock,
    name: str,
    platform: str,
    channel_alias: str = chan.PUBLISHED_ALIAS,
    channels: Sequence[str] | None = None,
) -> InstallPlan:
    """Return the install plan of an environment for hosts of one platform, checked (module_utils/host/install_plan.py).

    :param channel_alias: url of a mirror that replaces the published alias
    :param channels: the channels that the site allows; None: those of the lock
    :raises LockError: if the lock has no packages for the platform, or the host would refuse the plan
    """
    if platform not in lock.platforms:
        raise LockError(
            name,
            f"the lock has no packages for {platform}, only for {', '.join(sorted(lock.platforms))}",
            "add the platform to lockstep_platforms and lock again, or remove the environment from these hosts",
        )
    try:
        problems = lock.problems(channels) if channels is not None else []
        packages = [p.planned(channel_alias) for p in lock.of(platform) if p.manager == "conda"]
        made = InstallPlan(
            layout=plans.LAYOUT,
            name=name,
            platform=platform,
            digest="",
            packages=sorted(packages, key=lambda package: package.name),
            channel=chan.base_url(lock.channels[0], channel_alias),
            pip=[package.wheel() for package in lock.of(platform) if package.manager == "pip"],
            variables=dict(sorted(lock.variables.items())),
            smoke=lock.smoke_test,
            download_bytes=lock.download_bytes(platform),
        ).identified()
    except chan.ChannelError as error:
        raise LockError(name, str(error)) from None
    if problems := problems + plans.check(made.to_json()):
        raise LockError("\n".join(f"{name}: {problem}" for problem in problems))
    return made
