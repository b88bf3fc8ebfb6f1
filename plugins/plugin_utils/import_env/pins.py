"""Choose the channel's packages that the lock should keep: those that equal the environment's or come closest."""

from __future__ import annotations

import re
from typing import Any

from ..conda.locked_package import LockError, Package
from ..conda.lockfile import Lock
from .discovered import Known
from .draft import Draft

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z")


def preferences(draft: Draft, platform: str) -> list[Package]:
    """Return the channel's packages in the environment's versions: the same file, else the build that comes closest."""
    packages, names = draft.discovered.packages, draft.names[platform]
    known = {k.name: k for k in packages.values() if _VERSION.match(k.version) and k.name in names}
    python = packages.get("python")
    tag = "py" + "".join(python.version.split(".")[:2]) if python else "py"
    best: dict[str, tuple[tuple[Any, ...], Any]] = {}
    for record in draft.channel.records(platform, [f"{k.name}=={k.version}" for k in known.values()]):
        name = record.name.normalized
        if name not in known or str(record.version) != known[name].version:
            continue
        close = _closeness(record, known[name], tag)
        if name not in best or close > best[name][0]:
            best[name] = (close, record)
    return draft.channel.packages(platform, [record for _unused, record in best.values()])


def _closeness(record: Any, was: Known, tag: str) -> tuple[Any, ...]:
    """Return a sort key for how close a record is to a package of the same version; the closest is the greatest.

    :param tag: the part of a build string that names the environment's python (py312)
    """
    build = str(record.build)
    return (
        bool(was.sha256) and record.sha256 is not None and record.sha256.hex() == was.sha256,
        bool(was.md5) and record.md5 is not None and record.md5.hex() == was.md5,
        build == was.build,
        _kind(build) == _kind(was.build),
        tag in build or "py" not in build,
        record.build_number,
        build,
    )


def _kind(build: str) -> str:
    return "cuda" if re.search(r"cuda|_cu\d", build) else "cpu" if "cpu" in build else ""


def lock_of_preferred(draft: Draft) -> str | None:
    """Return the text of a lock with the preferred packages, for use as the previous lock; None if there are none."""
    packages = [package for platform in draft.platforms for package in draft.preferred.get(platform, [])]
    if not packages:
        return None
    # Only the version of a wheel is known and preferred; the index decides on the file.
    packages += [
        Package("pip", name, platform, version, "", _unknown_file(name, version), "", "0" * 64)
        for platform in draft.platforms
        for name, version in draft.discovered.brought.items()
        if _VERSION.match(version)
    ]
    platforms = tuple(sorted({package.platform for package in packages}))
    good = [package for package in packages if not package.problems()]
    try:
        return Lock(tuple(good), platforms, draft.channel.all).dumps()
    except LockError:
        return None


def _unknown_file(name: str, version: str) -> str:
    return f"https://unknown.invalid/{name.replace('-', '_')}-{version}-py3-none-any.whl"
