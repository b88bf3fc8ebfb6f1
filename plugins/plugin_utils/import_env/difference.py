"""Compare a new lock with the environment that it was made from."""

from __future__ import annotations

from collections.abc import Collection

from ..conda.locked_package import Package
from ..conda.lockfile import Lock
from ..core.text import some
from .discovered import CHANGED, KEPT, LEFT_OUT, Discovered, Known
from .draft import SHOWN


def note_difference(discovered: Discovered, lock: Lock, home: str, offered: Collection[str]) -> bool:
    """Note how a lock differs from the environment; return whether it holds exactly the same files.

    :param home: the platform of the environment
    :param offered: names of packages that the channel has in exactly the environment's version
    """
    if not discovered.packages or home not in lock.platforms:
        return False
    locked = {package.name: package for package in lock.of(home) if package.manager == "conda"}
    known = discovered.packages
    same = [name for name, was in known.items() if name in locked and _same(was, locked[name])]
    builds = [n for n in sorted(known) if n in locked and n not in same and known[n].version == locked[n].version]
    moved = [n for n in sorted(known) if n in locked and n not in same and n not in builds]
    gone = [n for n in sorted(known) if n not in locked]
    new = sorted(locked.keys() - known.keys())
    if not (builds or moved or gone or new):
        return True
    if not discovered.everything and not any(was.url for was in known.values()):
        return False  # a person wrote these lines; there is no environment to compare with
    what = "files" if all(was.sha256 or was.md5 for was in known.values()) else "builds"
    discovered.note(KEPT, f"{len(same)} of {len(known)} packages are the same {what} on {home}")
    if gone:
        discovered.note(LEFT_OUT, f"no longer needed on {home}: {some(gone, SHOWN)}")
    if new:
        discovered.note(CHANGED, f"new on {home}: {some([f'{n} {locked[n].version}' for n in new], SHOWN)}")
    if builds:
        discovered.note(CHANGED, f"the same version in another build on {home}: {some(builds, SHOWN)}")
    for name in moved:
        why = "other packages require it" if name in offered else "the channel does not have the old version"
        discovered.note(CHANGED, f"{name} {known[name].version} -> {locked[name].version} on {home}: {why}")
    return False


def _same(was: Known, now: Package) -> bool:
    if was.sha256:
        return was.sha256 == now.sha256
    if was.md5:
        return was.md5 == now.md5
    return bool(was.build) and (was.version, was.build) == (now.version, now.build)
