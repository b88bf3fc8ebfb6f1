"""One generation as an observation has it: its damage counted, and the first of each kind named."""

from __future__ import annotations

import contextlib
from typing import Optional

from ..host.redaction import redact
from ..prefix.damage import Damage
from ..prefix.inspection import Place, inspect, kept_plan
from ..prefix.packages import load_records, package_names
from .notes import Notes, Obs
from .pip_packages import find_pip, owners


def see_generation(root: str, env: str, name: str, declared: Optional[str], notes: Notes) -> Obs:
    """Inspect one generation to the depth asked for.

    :raises OSError: if it is missing
    :raises OutOfTime: after the deadline
    """
    place = Place(root, env, name)
    found = inspect(place, notes.depth, notes.hasher, declared or "")
    result: Obs = {"generation": name}
    if found.marker:
        result.update(digest=found.marker.digest, content=found.marker.content, packages=found.marker.packages)
    if found.files:
        result.update(files=found.files, bytes=found.size, touched=found.touched, hashed=found.hashed)
    if found.damage or found.beside:
        records: list[Obs] = []
        if found.damage:
            with contextlib.suppress(OSError):
                records, _unused = load_records(place.tree, notes.deadline)
        packages = owners(records, [item.path for item in found.damage])
        result["damage"] = summary([*found.damage, *found.beside], notes.cap, packages)
        added, clobbered = find_pip(place.tree, found.damage, found.manifest)
        if added:
            result["pip"] = added
        if clobbered:
            result["clobbered"] = clobbered
    if found.marker and declared not in (None, found.marker.digest):
        result["names"] = package_names(place.tree)
        with contextlib.suppress(OSError, ValueError):
            result["wheels"] = [[wheel.name, wheel.version] for wheel in kept_plan(place).pip]
    return result


def summary(damage: list[Damage], cap: int, packages: dict[str, str]) -> Obs:
    """Count all damage, and name up to `cap` of it; every kind has its share.

    :param packages: the package that a path belongs to
    """
    by: dict[str, int] = {}
    owned: dict[str, int] = {}
    for item in damage:
        by[item.kind.value] = by.get(item.kind.value, 0) + 1
        if item.path in packages:
            owned[packages[item.path]] = owned.get(packages[item.path], 0) + 1
    share = max(3, cap // max(1, len(by)))
    shown: list[Obs] = []
    taken: dict[str, int] = {}
    for item in sorted(damage, key=lambda item: (item.path.count("/") > 40, item.path)):
        kind = item.kind.value
        if taken.get(kind, 0) < share:
            taken[kind] = taken.get(kind, 0) + 1
            about = {"kind": kind, "path": item.path[:400], "why": redact(item.why)[:200]}
            if item.path in packages:
                about["package"] = packages[item.path]
            shown.append({key: value for key, value in about.items() if value})
    top = sorted(owned.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
    return {"total": len(damage), "by": by, "shown": shown, "packages": dict(top)}
