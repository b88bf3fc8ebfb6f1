"""Compare the machine with the system requirements of its locks; inspect the root's file system and folder modes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ....module_utils.host.disk_space import NETWORK
from ...desired.model import DesiredState
from .drift import Drift, section
from .kinds import Kind

LABELS = {
    "cuda": "NVIDIA driver's CUDA",
    "glibc": "glibc",
    "linux": "kernel",
    "osx": "macOS",
    "archspec": "microarchitecture",
}
LEVELS = ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4")


def version_key(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, `(12, 8)` for `12.8rc1`; `(0,)` if it has none."""
    match = re.match(r"\d+(\.\d+)*", str(version))
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)


def _meets(key: str, offered: str, least: str) -> bool:
    if key == "archspec":
        return offered == least or (
            offered in LEVELS and least in LEVELS and LEVELS.index(offered) >= LEVELS.index(least)
        )
    have, want = version_key(offered), version_key(least)
    width = max(len(have), len(want))
    return have + (0,) * (width - len(have)) >= want + (0,) * (width - len(want))


def requirements_drift(desired: DesiredState, host: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """Report system requirements, of the variables and of locks, that the machine does not meet.

    `archspec/<platform>` applies to that platform only, `osx` to macOS only, other keys to Linux only.
    """
    gpu = host.get("gpu") or {}
    offered = {"cuda": gpu.get("cuda"), "linux": host.get("kernel")}
    needs: dict[tuple[str, str], list[str]] = {(key, least): [] for key, least in desired.system_requirements.items()}
    for name, env in desired.envs.items():
        for key, least in env.platforms[platform].system_requirements.items() if platform in env.platforms else ():
            needs.setdefault((key, least), []).append(name)
    for (key, least), envs in needs.items():
        base, _unused, only = key.partition("/")
        applies = only == platform if only else (base == "osx") == platform.startswith("osx")
        value = offered.get(base, host.get(base))
        if not applies or (value is not None and _meets(base, str(value), least)):
            continue
        simulated = " (simulated)" if base == "cuda" and gpu.get("simulated") else ""
        for_whom = f"the lock of {', '.join(envs)} promises" if envs else "the system requirements is"
        label = LABELS.get(base, base)
        what = f"{label} is {value}{simulated}" if value else f"no {label} was found"
        yield Drift(Kind.SYSTEM_REQUIREMENTS, "host", f"{what}, and {for_whom} {least}", least, str(value or ""))


def root_drift(seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Report a root on a network or read-only file system, and folders that others can write to."""
    disk, drifts = section(seen, "disk")
    yield from drifts
    if str(disk.get("type", "")) in NETWORK:
        yield Drift(
            Kind.ROOT_FILESYSTEM, "host", f"{seen['root']} is on {disk['type']}", "a local disk", str(disk["type"])
        )
    if disk.get("readonly"):
        yield Drift(Kind.ROOT_FILESYSTEM, "host", f"{seen['root']} is on a file system mounted read-only")
    folders, drifts = section(seen, "folders")
    yield from drifts
    for name, why in folders.items():
        yield Drift(Kind.FOLDER_MODE, "host", f"{seen['root']}/{name}: {why}", observed=str(why))
