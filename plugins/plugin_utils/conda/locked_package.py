"""One package of a lock: write it, read it, check it, convert it for an install plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.host import install_plan as plans
from ...module_utils.host.install_plan import PlannedPackage, PlannedWheel
from ..core.errors import ControllerError
from . import channels as chan

_ENTRY_KEYS = {"name", "version", "manager", "platform", "dependencies", "url", "hash", "build", "category", "optional"}
_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_NOT_YAML = re.compile(r"[^\x20-\x7e]")


class LockError(ControllerError):
    """A lock, or a package that should go into one, breaks a rule."""


@dataclass(frozen=True, order=True)
class Package:
    """One locked file on one platform. Packages sort in the order of a lock; hashes are hex, "" if unknown."""

    manager: str
    name: str
    platform: str
    version: str
    build: str
    url: str
    md5: str
    sha256: str
    dependencies: tuple[tuple[str, str], ...] = ()

    @property
    def subdir(self) -> str:
        """The channel's folder in the url."""
        return self.url.rsplit("/", 2)[-2] if self.url.count("/") > 2 else ""

    @property
    def file_name(self) -> str:
        """The archive's name in the url."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def depends(self) -> list[str]:
        """The dependencies, as match specs."""
        return [f"{name} {constraint}".strip() for name, constraint in self.dependencies]

    def entry(self) -> dict[str, Any]:
        """Return the package as an item of `package` in a lock (CEP 37), which allows no other keys."""
        entry: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "manager": self.manager,
            "platform": self.platform,
            "dependencies": dict(sorted(self.dependencies)),
            "url": self.url,
            "hash": {"md5": self.md5, "sha256": self.sha256} if self.manager == "conda" else {"sha256": self.sha256},
        }
        if self.manager == "conda":
            entry["build"] = self.build
        return entry | {"category": "main", "optional": False}

    @classmethod
    def from_entry(cls, entry: Any) -> Package:
        """Read one item of `package` in a lock (CEP 37); raises ValueError, TypeError or KeyError with the cause."""
        if not isinstance(entry, Mapping):
            raise TypeError("not a mapping")
        if unknown := sorted(str(key)[:40] for key in entry if key not in _ENTRY_KEYS):
            raise ValueError(f"unknown key {', '.join(unknown)}")
        if not isinstance(entry["hash"], Mapping) or set(entry["hash"]) - {"md5", "sha256"}:
            raise TypeError("hash is not a mapping of md5 and sha256")
        if not isinstance(entry["dependencies"], Mapping):
            raise TypeError("dependencies is not a mapping")
        if entry.get("category") != "main" or entry.get("optional") is not False:
            raise ValueError("category is not main, or optional is not false; Lockstep installs no other packages")
        conda = entry["manager"] == "conda"
        if "sha256" not in entry["hash"]:
            raise ValueError("no sha256: the download could not be verified")
        values = {key: entry[key] for key in ("manager", "name", "platform", "version", "url")}
        values |= {"build": entry["build"], "md5": entry["hash"]["md5"]} if conda else {"build": "", "md5": ""}
        values["sha256"] = entry["hash"]["sha256"]
        for key, value in values.items():
            if not isinstance(value, str):
                raise TypeError(f"{key} is {str(value)[:40]}, not a string: put it in quotes")
        dependencies = tuple(sorted(entry["dependencies"].items()))
        if not all(isinstance(part, str) for pair in dependencies for part in pair):
            raise TypeError("a dependency is not a string: put it in quotes")
        return cls(dependencies=dependencies, **values)

    def problems(self) -> list[str]:
        """Return the reasons why the package must not be installed, one sentence each."""
        where = f"{self.name[:80]} for {self.platform[:40]}"
        if _NOT_YAML.search("".join((self.name, self.version, self.build, self.url, *self.depends))):
            return [f"{where}: characters outside printable ASCII"]
        if self.manager == "conda":
            problems = plans.check_package(self.planned()._asdict(), self.platform, where)
            return problems if _MD5.match(self.md5) else [*problems, f"{where}: no md5, which CEP 37 requires"]
        if self.manager != "pip":
            return [f"{where}: manager {self.manager[:40]!r} is neither conda nor pip"]
        return plans.check_wheel(self.wheel()._asdict(), where)

    def wheel(self) -> PlannedWheel:
        """Return a wheel as an item of `pip` in an install plan."""
        return PlannedWheel(self.name, self.version, self.file_name, self.url, self.sha256)

    def planned(self, channel_alias: str = chan.PUBLISHED_ALIAS) -> PlannedPackage:
        """Return the package as an item of `packages` in an install plan.

        Values that a lock does not hold (noarch, build number) are derived from the build string. They are hints: when
        the package is linked, the archive decides.

        :param channel_alias: url that replaces the published alias
        """
        number = re.search(r"(?:^|_)(\d+)(?:_cp\w+)?\Z", self.build) or re.search(r"(\d+)\Z", self.build)
        noarch = None if self.subdir != "noarch" else "python" if "py" in self.build else "generic"
        abi = re.search(r"_cp(\d)(\d+t?)\Z", self.build) if self.name == "python" else None
        return PlannedPackage(
            name=self.name,
            version=self.version,
            build=self.build,
            build_number=min(int(number[1][:9]), 10**9) if number else 0,
            subdir=self.subdir,
            file_name=self.file_name,
            url=chan.rewrite(self.url, channel_alias),
            md5=self.md5,
            sha256=self.sha256,
            depends=self.depends,
            noarch=noarch,
            # A free-threaded python has its packages in lib/python3.13t, which its version does not tell.
            python_site_packages_path=f"lib/python{abi[1]}.{abi[2]}/site-packages" if abi else None,
        )


def merge_depends(depends: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return a record's `depends` as (name, constraint) for CEP 37, several entries for one name merged into one.

    :raises LockError: if two entries for one name have different build patterns, which one constraint cannot hold (none
        of 32,000 records has that)
    """
    merged: dict[str, tuple[list[str], list[str]]] = {}
    for spec in depends:
        name, *parts = spec.split(None, 2)
        for part, known in zip(parts, merged.setdefault(name, ([], [])), strict=False):
            if part != "*" and part not in known:
                known.append(part)
    for name, (versions, builds) in merged.items():
        if len(builds) > 1:
            raise LockError(f"dependency {name}", f"one constraint cannot hold {' and '.join(builds)}")
        if len(versions) > 1:
            versions[:] = [",".join(f"({version})" if "|" in version else version for version in versions)]
    return tuple(sorted((name, " ".join([*(v or ["*"] * len(b)), *b])) for name, (v, b) in merged.items()))
