"""The machine and the fleet's folder: the system requirements that locks promise, the file system, the folders'
modes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ....module_utils.host.disk_space import NETWORK
from ...desired.declared import Declared
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
    """`12.8` as numbers, without what follows them; `(0,)` for no version."""
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


def requirements_drift(declared: Declared, host: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """What the machine lacks of the system requirements and of what locks promise.

    `archspec/<platform>` names a level for that platform alone; other keys go with an operating system.
    """
    gpu = host.get("gpu") or {}
    offered = {"cuda": gpu.get("cuda"), "linux": host.get("kernel")}
    needs: dict[tuple[str, str], list[str]] = {(key, least): [] for key, least in declared.system_requirements.items()}
    for name, env in declared.envs.items():
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
    """The file system below the root, and who may write to our folders."""
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
