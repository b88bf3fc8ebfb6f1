"""The system requirements: the least that every host of the fleet offers, given to the solver as virtual packages.

A lock is solved on a machine that need not have a GPU, for hosts that nobody asked: the system requirements is what
they promise.
Installing from a lock checks none of it, so hosts are checked against it as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_VERSION = re.compile(r"[0-9]+([.][0-9]+)*\Z")
_MICROARCH = re.compile(r"[a-z0-9_.]+\Z")

DEFAULTS = {"glibc": "2.28", "linux": "4.18", "osx": "13.0"}
"""What is assumed where system requirements is silent: enterprise distributions of 2019, and macOS of 2022. No CUDA
unless
declared.
"""

_MICROARCHS = {
    "linux-64": "x86_64",
    "osx-64": "x86_64",
    "linux-aarch64": "aarch64",
    "osx-arm64": "m1",
    "linux-ppc64le": "ppc64le",
}


class SystemRequirementsError(ValueError):
    """System requirements that cannot be understood."""


@dataclass(frozen=True)
class SystemRequirements:
    """Versions as text; `cuda` is None where hosts need have no NVIDIA driver; `microarch` maps platforms to archspec's
    names.
    """

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
                'lockstep_system_requirements is not a mapping; write e.g. {cuda: "12.8", glibc: "2.35"}'
            )
        if unknown := sorted(set(map(str, data)) - {"cuda", "glibc", "linux", "osx", "microarch"}):
            raise SystemRequirementsError(
                f"lockstep_system_requirements: unknown key {', '.join(unknown)}; "
                "it has cuda, glibc, linux, osx, microarch"
            )
        values: dict[str, Any] = {}
        for key in ("cuda", "glibc", "linux", "osx"):
            if data.get(key) not in (None, ""):
                values[key] = _version(key, data[key])
        micro = data.get("microarch") or {}
        if isinstance(micro, str):
            micro = {"linux-64": str(micro)}
        if not isinstance(micro, Mapping):
            raise SystemRequirementsError(
                "lockstep_system_requirements: microarch is not a mapping; write e.g. {linux-64: x86_64_v3}"
            )
        for platform, name in micro.items():
            if platform not in _MICROARCHS or not _MICROARCH.match(str(name)):
                raise SystemRequirementsError(
                    f"lockstep_system_requirements: microarch {platform}: {name} is not understood; write e.g. "
                    "{linux-64: x86_64_v3}"
                )
        return cls(**values, microarch={str(platform): str(name) for platform, name in micro.items()})

    def cuda_on(self, platform: str) -> str | None:
        """Return the driver's CUDA on a platform; there is none but on Linux."""
        return self.cuda if platform.startswith("linux-") else None

    def virtual_packages(self, platform: str) -> list[tuple[str, str, str]]:
        """Return (name, version, build) of what conda would detect on the least host of a platform."""
        found = [("__unix", "0", "0")]
        if platform.startswith("linux-"):
            found += [("__linux", self.linux, "0"), ("__glibc", self.glibc, "0")]
        else:
            found.append(("__osx", self.osx, "0"))
        found.append(("__archspec", "1", self.microarch.get(platform, _MICROARCHS[platform])))
        if cuda := self.cuda_on(platform):
            found.append(("__cuda", cuda, "0"))
        return found

    def constraints(self, platform: str) -> list[str]:
        """Return what must hold of packages if they get installed.

        The channel's own metadata asks only for the driver's major version, so without this cap a host with a driver
        for CUDA 12.8 is given 12.9, whose PTX it cannot compile.
        """
        cuda = self.cuda_on(platform)
        return [f"cuda-version <={cuda}"] if cuda else []

    def recorded(self, platforms: list[str]) -> dict[str, Any]:
        """Return what a lock for these platforms says about its system requirements: only what matters for them."""
        found: dict[str, Any] = {}
        if any(platform.startswith("linux-") for platform in platforms):
            found |= {"glibc": self.glibc, "linux": self.linux} | ({"cuda": self.cuda} if self.cuda else {})
        if any(platform.startswith("osx-") for platform in platforms):
            found["osx"] = self.osx
        micro = {platform: name for platform, name in self.microarch.items() if platform in platforms}
        return found | ({"microarch": micro} if micro else {})


def _version(key: str, value: Any) -> str:
    if isinstance(value, (float, bool)):
        raise SystemRequirementsError(
            f"lockstep_system_requirements: {key} {value} needs quotes, for 12.10 without them is 12.1"
        )
    if not _VERSION.match(str(value)):
        raise SystemRequirementsError(
            f'lockstep_system_requirements: {key} {str(value)[:40]!r} is not a version; write e.g. "12.8"'
        )
    return str(value)
