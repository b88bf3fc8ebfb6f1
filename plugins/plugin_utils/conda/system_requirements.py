"""System requirements: what every host of the fleet offers at least, given to the solver as virtual packages.

A lock is solved on a machine that may have no GPU, without contact to any host, so the site declares what its hosts
offer. Installing from a lock checks none of it; the audit compares each host with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import ControllerError

_VERSION = re.compile(r"[0-9]+([.][0-9]+)*\Z")
_MICROARCH = re.compile(r"[a-z0-9_.]+\Z")

DEFAULTS = {"glibc": "2.28", "linux": "4.18", "osx": "13.0"}
"""Versions assumed where none is declared: enterprise distributions of 2019, and macOS of 2022. CUDA has no default."""

_MICROARCHS = {
    "linux-64": "x86_64",
    "osx-64": "x86_64",
    "linux-aarch64": "aarch64",
    "osx-arm64": "m1",
    "linux-ppc64le": "ppc64le",
}


class SystemRequirementsError(ControllerError):
    """System requirements, declared or in a lock, that are not valid."""


@dataclass(frozen=True)
class SystemRequirements:
    """Versions as text. `cuda` is None if hosts need no NVIDIA driver; `microarch` maps platforms to archspec names."""

    cuda: str | None = None
    glibc: str = DEFAULTS["glibc"]
    linux: str = DEFAULTS["linux"]
    osx: str = DEFAULTS["osx"]
    microarch: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Any) -> SystemRequirements:
        """Read `lockstep_system_requirements`; raises SystemRequirementsError."""
        if data is None:
            return cls()
        if not isinstance(data, Mapping):
            raise SystemRequirementsError(
                "lockstep_system_requirements is not a mapping", "", 'write for example {cuda: "12.8", glibc: "2.35"}'
            )
        if unknown := sorted(set(map(str, data)) - {"cuda", "glibc", "linux", "osx", "microarch"}):
            raise SystemRequirementsError(
                "lockstep_system_requirements",
                f"unknown key {', '.join(unknown)}",
                "the keys are cuda, glibc, linux, osx, microarch",
            )
        values: dict[str, Any] = {}
        for key in ("cuda", "glibc", "linux", "osx"):
            if data.get(key) not in (None, ""):
                values[key] = _version(key, data[key])
        example = "write for example {linux-64: x86_64_v3}"
        micro = data.get("microarch") or {}
        if isinstance(micro, str):
            micro = {"linux-64": str(micro)}
        if not isinstance(micro, Mapping):
            raise SystemRequirementsError("lockstep_system_requirements", "microarch is not a mapping", example)
        for platform, name in micro.items():
            if platform not in _MICROARCHS or not _MICROARCH.match(str(name)):
                cause = f"microarch {platform}: {name} is not valid"
                raise SystemRequirementsError("lockstep_system_requirements", cause, example)
        return cls(**values, microarch={str(platform): str(name) for platform, name in micro.items()})

    def cuda_on(self, platform: str) -> str | None:
        """Return the CUDA version of the driver on a platform; None except on Linux."""
        return self.cuda if platform.startswith("linux-") else None

    def virtual_packages(self, platform: str) -> list[tuple[str, str, str]]:
        """Return (name, version, build) of conda's virtual packages on a host that offers no more than this."""
        virtual = [("__unix", "0", "0")]
        if platform.startswith("linux-"):
            virtual += [("__linux", self.linux, "0"), ("__glibc", self.glibc, "0")]
        else:
            virtual.append(("__osx", self.osx, "0"))
        virtual.append(("__archspec", "1", self.microarch.get(platform, _MICROARCHS[platform])))
        if cuda := self.cuda_on(platform):
            virtual.append(("__cuda", cuda, "0"))
        return virtual

    def constraints(self, platform: str) -> list[str]:
        """Return match specs that hold for packages if they are installed.

        The channel's metadata requires only the major version of the driver. Without this cap, a host with a driver for
        CUDA 12.8 gets 12.9, whose PTX that driver cannot compile.
        """
        cuda = self.cuda_on(platform)
        return [f"cuda-version <={cuda}"] if cuda else []

    def recorded(self, platforms: list[str]) -> dict[str, Any]:
        """Return the requirements that a lock for these platforms records: those that matter for one of them."""
        recorded: dict[str, Any] = {}
        if any(platform.startswith("linux-") for platform in platforms):
            recorded |= {"glibc": self.glibc, "linux": self.linux} | ({"cuda": self.cuda} if self.cuda else {})
        if any(platform.startswith("osx-") for platform in platforms):
            recorded["osx"] = self.osx
        micro = {platform: name for platform, name in self.microarch.items() if platform in platforms}
        return recorded | ({"microarch": micro} if micro else {})


def _version(key: str, value: Any) -> str:
    if isinstance(value, (float, bool)):
        raise SystemRequirementsError(
            "lockstep_system_requirements",
            f"{key} {value} is not a string",
            "put it in quotes: 12.10 without them is 12.1",
        )
    if not _VERSION.match(str(value)):
        cause = f"{key} {str(value)[:40]!r} is not a version"
        raise SystemRequirementsError("lockstep_system_requirements", cause, 'write for example "12.8"')
    return str(value)
