"""How a new lock differs from the environment that it was made from."""

from __future__ import annotations

from collections.abc import Collection

from ..conda.locked_package import Package
from ..conda.lockfile import Lock
from ..core.text import some
from .discovered import CHANGED, KEPT, LEFT_OUT, Found, Known
from .draft import SHOWN


def note_difference(found: Found, lock: Lock, home: str, offered: Collection[str]) -> bool:
    """Note how a lock differs from an environment on its platform; say whether it holds exactly the same files.

    :param offered: names of packages that the channel has in the environment's very version
    """
    if not found.packages or home not in lock.platforms:
        return False
    have = {package.name: package for package in lock.of(home) if package.manager == "conda"}
    known = found.packages
    same = [name for name, was in known.items() if name in have and _same(was, have[name])]
    builds = [n for n in sorted(known) if n in have and n not in same and known[n].version == have[n].version]
    moved = [n for n in sorted(known) if n in have and n not in same and n not in builds]
    gone = [n for n in sorted(known) if n not in have]
    new = sorted(have.keys() - known.keys())
    if not (builds or moved or gone or new):
        return True
    if not found.everything and not any(was.url for was in known.values()):
        return False  # lines that somebody wrote, and no environment
    what = "files" if all(was.sha256 or was.md5 for was in known.values()) else "builds"
    found.note(KEPT, f"{len(same)} of {len(known)} packages are the very same {what} on {home}")
    if gone:
        found.note(LEFT_OUT, f"not needed any more on {home}: {some(gone, SHOWN)}")
    if new:
        found.note(CHANGED, f"new on {home}: {some([f'{n} {have[n].version}' for n in new], SHOWN)}")
    if builds:
        found.note(CHANGED, f"the same version in another build on {home}: {some(builds, SHOWN)}")
    for name in moved:
        why = "must move with the others" if name in offered else "the channel does not have that one"
        found.note(CHANGED, f"{name} {known[name].version} -> {have[name].version} on {home}: {why}")
    return False


def _same(was: Known, now: Package) -> bool:
    if was.sha256:
        return was.sha256 == now.sha256
    if was.md5:
        return was.md5 == now.md5
    return bool(was.build) and (was.version, was.build) == (now.version, now.build)
